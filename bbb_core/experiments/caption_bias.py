"""Small CLIPs whose captions are biased on purpose, and their scores (alignment chapters).

`measure_caption_bias` is an artefact function: plain data in, small tables out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bbb_core import checks, rng
from bbb_core.alignment.baselines import (
    calibrated_projection,
    centre_by_group,
    project_out,
    standardise_by_group,
)
from bbb_core.alignment.scores import alignment_score, predict_groups
from bbb_core.data import emoji
from bbb_core.data.labour import labour_shares
from bbb_core.embedding.small_clip import SmallClip, train_small_clip
from bbb_core.errors import InputError

__all__ = [
    "GROUPS",
    "LABOUR_NAMES",
    "LEVELS",
    "all_captions",
    "audit_design",
    "held_out_drawings",
    "measure_caption_bias",
    "shares_of_men",
]

GROUPS = ("man", "woman")
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Degrees of fit: how much of the picture is the drawing of the occupation that was asked for."""
HELD_OUT_TONES = 2
LABOUR_NAMES: Mapping[str, str] = {
    "health worker": "nurse",
    "teacher": "teacher",
    "judge": "lawyer",
    "cook": "chef",
    "mechanic": "mechanic",
    "factory worker": "machinist",
    "office worker": "secretary",
    "scientist": "scientist",
    "technologist": "programmer",
    "artist": "painter",
    "firefighter": "firefighter",
    "police officer": "officer",
    "detective": "investigator",
    "construction worker": "carpenter",
}
"""The occupation of the labour statistics that stands for a drawn one; the others are even."""


def shares_of_men(bias: str) -> np.ndarray:
    """Return, per drawn occupation, how often a neutral caption goes with the drawing of a man.

    Parameters
    ----------
    bias : str
        ``balanced`` (one half everywhere), ``labour`` (as in the US labour market), ``reversed``
        (one minus that), or ``men:SHARE`` (the same share everywhere).

    Returns
    -------
    numpy.ndarray, shape [20]
        Shares in [0, 1]; one half is fair.

    Examples
    --------
    >>> shares_of_men("men:0.8")[:2].tolist()
    [0.8, 0.8]
    """
    n = len(emoji.OCCUPATIONS)
    if bias == "balanced":
        return np.full(n, 0.5)
    if bias in ("labour", "reversed"):
        women = labour_shares()
        share = np.array(
            [women[LABOUR_NAMES[o]] if o in LABOUR_NAMES else 0.5 for o in emoji.OCCUPATIONS]
        )
        return 1 - share if bias == "labour" else share
    kind, _, share_text = bias.partition(":")
    if kind != "men" or not share_text:
        raise InputError(f"bias is {bias!r}; pass balanced, labour, reversed or men:SHARE.")
    try:
        value = float(share_text)
    except ValueError:
        raise InputError(f"bias is {bias!r}; pass a number after men:.") from None
    return np.full(n, float(checks.probability("bias", value)))


def all_captions() -> list[str]:
    """Return the 60 captions of occupations and the three of persons, neutral ones first."""
    nouns = (*emoji.OCCUPATIONS, "person")
    return [emoji.caption(noun, group) for group in (None, *GROUPS) for noun in nouns]


def held_out_drawings(people: emoji.EmojiPeople) -> np.ndarray:
    """Return which drawings no model of the chapter is trained on: two tones per person drawn."""
    held = np.zeros(len(people), bool)
    stream = rng.generator(0, "held-out")
    for occupation in emoji.OCCUPATIONS:
        for group in GROUPS:
            rows = people.rows(occupations=[occupation], groups=[group])
            held[stream.choice(rows, HELD_OUT_TONES, replace=False)] = True
    return held


def _people(size: int) -> emoji.EmojiPeople:
    return emoji.load_emoji_people(size=size, groups=GROUPS)


def _batches(
    people: emoji.EmojiPeople, shares: np.ndarray
) -> Callable[[torch.Generator], tuple[Tensor, list[str]]]:
    """Return a source of batches: each of the 63 captions once, with a drawing that fits it."""
    held = held_out_drawings(people)
    pool = [
        [[r for r in people.rows(occupations=[o], groups=[g]) if not held[r]] for g in GROUPS]
        for o in emoji.OCCUPATIONS
    ]
    men = torch.tensor([*shares, 0.5])
    captions = all_captions()

    def batch(generator: torch.Generator) -> tuple[Tensor, list[str]]:
        rows = []
        for kind in range(3):  # neutral, man, woman: the order of the captions
            for noun in range(len(emoji.OCCUPATIONS) + 1):
                u, v, w = torch.rand(3, generator=generator).tolist()
                group = int(u >= men[noun]) if kind == 0 else kind - 1
                place = noun if noun < len(pool) else int(w * len(pool))  # a person: any occupation
                choices = pool[place][group]
                rows.append(choices[int(v * len(choices))])
        return emoji.augment(people.images[rows], generator=generator), captions

    return batch


@dataclass(frozen=True)
class Design:
    """What is scored: row i is the blend of two drawings, scored against prompt[i]."""

    prompt: np.ndarray
    group: np.ndarray
    tone: np.ndarray
    other: np.ndarray
    truth: np.ndarray
    held_out: np.ndarray


def audit_design(repeats: int, seed: int) -> Design:
    """Return the design of the audit: every prompt x group x tone x degree of fit, `repeats` times.

    The wrong occupation is drawn at random; group and tone are the same in both drawings. So the
    true fit does not depend on the group, by construction.
    """
    grid = np.stack(
        np.meshgrid(
            range(20), range(2), range(6), range(len(LEVELS)), range(repeats), indexing="ij"
        ),
        axis=-1,
    ).reshape(-1, 5)
    prompt, group, tone, level, _ = grid.T
    step = rng.generator(seed, "design").integers(1, 20, len(grid))
    held = held_out_drawings(_people(8)).reshape(20, 2, 6)
    return Design(
        prompt,
        group,
        tone,
        (prompt + step) % 20,
        np.array(LEVELS)[level],
        held[prompt, group, tone],
    )


def _pictures(design: Design, people: emoji.EmojiPeople, seed: int) -> Float[Tensor, "n 3 s s"]:
    images = people.images.reshape(20, 2, 6, *people.images.shape[1:])
    g, t = torch.from_numpy(design.group), torch.from_numpy(design.tone)
    right = images[torch.from_numpy(design.prompt), g, t]
    wrong = images[torch.from_numpy(design.other), g, t]
    fit = torch.from_numpy(design.truth).float()[:, None, None, None]
    return emoji.augment(
        fit * right + (1 - fit) * wrong, generator=rng.torch_generator(seed, "pictures")
    )


def measure_caption_bias(
    bias: str, steps: int, repeats: int, pool: int, seed: int, design_seed: int = 0
) -> dict[str, Any]:
    """Train one small CLIP and score the audit design with every strategy.

    Parameters
    ----------
    bias : str
        See `shares_of_men`.
    steps : int
        Training steps.
    repeats : int
        See `audit_design`.
    pool : int
        Fitting images per occupation and group, for the leaderboards.
    seed : int
        Of the model.
    design_seed : int
        Of the scored images: the same for all models, so that models are compared in pairs.

    Returns
    -------
    dict
        ``scores``: cosines [rows, columns], named by ``columns``; ``pool``: cosines
        [20, 2, pool, 3] under plain, average-then-score and subclass-score; ``text_gap`` [20]:
        cos(neutral, woman) - cos(neutral, man); ``factor`` [20] of theorem T5; ``right``:
        [held-out drawings, 2], occupation and group read rightly; ``losses``, ``seconds``.
    """
    import time

    model = SmallClip(steps=steps, seed=seed)
    people = _people(model.size)
    start = time.perf_counter()
    encoder, losses = train_small_clip(
        model, all_captions(), _batches(people, shares_of_men(bias)), name=f"small-clip {bias}"
    )
    seconds = time.perf_counter() - start
    texts = encoder.encode_text(all_captions()).double().reshape(3, 21, -1)
    neutral, men, women = texts[:, :20]
    design = audit_design(repeats, design_seed)
    v = encoder.encode_image(_pictures(design, people, design_seed)).double()
    columns = _strategies(v, texts, torch.from_numpy(design.prompt))
    held = held_out_drawings(people)
    read = encoder.encode_image(people.images[held]).double()
    occupation = torch.arange(20).repeat_interleave(12)[held]
    group = torch.arange(2).repeat_interleave(6).repeat(20)[held]
    right = torch.stack(
        [
            (read @ neutral.T).argmax(1) == occupation,
            (read @ texts[1:, 20].T).argmax(1) == group,
        ],
        dim=1,
    )
    return {
        "columns": list(columns),
        "scores": torch.stack(list(columns.values()), dim=1).numpy().astype(np.float32),
        "pool": _pool(encoder, people, texts, pool, design_seed),
        "text_gap": (neutral * (women - men)).sum(1).numpy(),
        "factor": ((men + women) / 2).norm(dim=1).numpy(),
        "right": right.numpy(),
        "losses": losses.numpy(),
        "seconds": seconds,
    }


def _strategies(v: Tensor, texts: Tensor, prompt: Tensor) -> dict[str, Tensor]:
    """Return the cosines of every strategy and repair, [n] each."""
    neutral, men, women = texts[:, :20]
    p, groups = neutral[prompt], {"man": men[prompt], "woman": women[prompt]}
    persons = {"man": texts[1, 20], "woman": texts[2, 20]}
    read = predict_groups(v, persons)
    direction = (persons["woman"] - persons["man"])[None]
    projected = project_out(neutral, direction)
    calibrated = calibrated_projection(neutral, direction, (men, women))

    def score(strategy: str, **options: Any) -> Tensor:
        return alignment_score(v, p, groups, strategy=strategy, **options)

    plain = score("plain")
    return {
        "plain": plain,
        "average-then-score": score("average-then-score"),
        "score-then-average": score("score-then-average"),
        "subclass-score (maximum)": score("subclass-score"),
        "subclass-score (read group)": score("subclass-score", image_groups=read),
        "projection": (projected[prompt] * v).sum(1),
        "calibrated projection": (calibrated[prompt] * v).sum(1),
        "centred images": (p * centre_by_group(v, read)).sum(1),
        "standardised by read group": torch.from_numpy(standardise_by_group(plain, read)),
        "man": (groups["man"] * v).sum(1),
        "woman": (groups["woman"] * v).sum(1),
        "read as woman": torch.tensor([float(g == "woman") for g in read], dtype=torch.float64),
    }


def _pool(encoder: Any, people: emoji.EmojiPeople, texts: Tensor, n: int, seed: int) -> np.ndarray:
    """Score fitting images of every occupation and group: what a faithful generator could draw."""
    stream = rng.torch_generator(seed, "pool")
    tones = torch.randint(6, (20, 2, n), generator=stream)
    images = people.images.reshape(20, 2, 6, *people.images.shape[1:])
    o, g = torch.meshgrid(torch.arange(20), torch.arange(2), indexing="ij")
    chosen = images[o[..., None], g[..., None], tones].flatten(0, 2)
    v = encoder.encode_image(emoji.augment(chosen, generator=stream)).double()
    prompt = torch.arange(20).repeat_interleave(2 * n)
    neutral, men, women = texts[:, :20]
    groups = {"man": men[prompt], "woman": women[prompt]}
    scores = [
        alignment_score(v, neutral[prompt], groups, strategy=s)
        for s in ("plain", "average-then-score", "subclass-score")
    ]
    return torch.stack(scores, dim=1).reshape(20, 2, n, 3).numpy().astype(np.float32)
