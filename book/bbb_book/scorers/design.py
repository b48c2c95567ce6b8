"""Pictures of known fit and their scores under every strategy (alignment chapters, D5, T5).

`measure_caption_bias` is an artefact function: plain data in, small tables out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bbb_book.data import emoji
from bbb_book.scorers.caption_bias import (
    GROUPS,
    SHADES,
    EncoderKind,
    all_captions,
    held_out_drawings,
    people,
    shaded_captions,
    train_scorer,
)
from bbb_book.scorers.standardising import standardise_by_group
from bbb_core import rng
from bbb_core.alignment.scores import Strategy, alignment_score, predict_groups
from bbb_core.embedding import calibrated_projection, centre_by_group, project_out
from bbb_core.errors import InputError

__all__ = [
    "IMAGE_STRATEGIES",
    "LEVELS",
    "Design",
    "audit_design",
    "design_pictures",
    "measure_caption_bias",
    "measure_encoder",
    "score_images",
]

LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Degrees of fit: how much of the picture is the drawing of the occupation that was asked for."""

IMAGE_STRATEGIES: tuple[Strategy, ...] = ("plain", "average-then-score", "subclass-score")
"""Strategies of `score_images`, in the order of its columns."""


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
    held = held_out_drawings(people(8)).reshape(20, 2, 6)
    return Design(
        prompt,
        group,
        tone,
        (prompt + step) % 20,
        np.array(LEVELS)[level],
        held[prompt, group, tone],
    )


def design_pictures(design: Design, seed: int) -> Float[Tensor, "n 3 s s"]:
    """Return the picture of every row: two drawings, blended to its degree of fit."""
    drawings = people()
    images = drawings.images.reshape(20, 2, 6, *drawings.images.shape[1:])
    g, t = torch.from_numpy(design.group), torch.from_numpy(design.tone)
    right = images[torch.from_numpy(design.prompt), g, t]
    wrong = images[torch.from_numpy(design.other), g, t]
    fit = torch.from_numpy(design.truth).float()[:, None, None, None]
    return emoji.augment(
        fit * right + (1 - fit) * wrong, generator=rng.torch_generator(seed, "pictures")
    )


def measure_caption_bias(
    encoder: EncoderKind,
    bias: str,
    steps: int,
    repeats: int,
    pool: int,
    seed: int,
    design_seed: int = 0,
) -> dict[str, Any]:
    """Fit one encoder and score the audit design with every strategy.

    Parameters
    ----------
    encoder, bias, steps, seed
        See `caption_bias.train_scorer`.
    repeats : int
        See `audit_design`.
    pool : int
        Fitting images per occupation and group, for the leaderboards.
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

    start = time.perf_counter()
    found, losses = train_scorer(encoder, bias, steps=steps, seed=seed)
    seconds = time.perf_counter() - start
    scores = measure_encoder(found, repeats, pool, design_seed)
    return scores | {"losses": losses, "seconds": seconds}


def measure_encoder(encoder: Any, repeats: int, pool: int, design_seed: int) -> dict[str, Any]:
    """Score the audit design with an encoder of texts and images; see `measure_caption_bias`."""
    drawings = people()
    texts = encoder.encode_text(all_captions()).double().reshape(3, 21, -1)
    shaded = encoder.encode_text(shaded_captions()).double().reshape(2, 2, 21, -1)[:, :, :20]
    neutral, men, women = texts[:, :20]
    design = audit_design(repeats, design_seed)
    v = encoder.encode_image(design_pictures(design, design_seed)).double()
    columns = _strategies(v, texts, shaded, torch.from_numpy(design.prompt))
    held = held_out_drawings(drawings)
    read = encoder.encode_image(drawings.images[held]).double()
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
        "pool": _pool(encoder, drawings, pool, design_seed),
        "text_gap": (neutral * (women - men)).sum(1).numpy(),
        "factor": ((men + women) / 2).norm(dim=1).numpy(),
        "right": right.numpy(),
    }


def _strategies(v: Tensor, texts: Tensor, shaded: Tensor, prompt: Tensor) -> dict[str, Tensor]:
    """Return the cosines of every strategy and repair, [n] each."""
    neutral, men, women = texts[:, :20]
    p, groups = neutral[prompt], {"man": men[prompt], "woman": women[prompt]}
    persons = {"man": texts[1, 20], "woman": texts[2, 20]}
    four = {f"{g} {s}": shaded[i, j][prompt] for i, g in enumerate(GROUPS) for j, s in
            enumerate(SHADES)}  # fmt: skip
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
        "average of four": alignment_score(v, p, four, strategy="average-then-score"),
        "subclass of four": alignment_score(v, p, four, strategy="subclass-score"),
        "man": (groups["man"] * v).sum(1),
        "woman": (groups["woman"] * v).sum(1),
        "read as woman": torch.tensor([float(g == "woman") for g in read], dtype=torch.float64),
    }


def score_images(
    encoder: Any, images: Float[Tensor, "n 3 h w"], occupations: list[str]
) -> Float[Tensor, "n 3"]:
    """Score images of people at work, each against the neutral prompt of its occupation.

    This is the way in for a generator's own images; `encoder` comes from
    `caption_bias.train_scorer` or `embedding.load_encoder`.

    Parameters
    ----------
    encoder : ImageEncoder
    images : torch.Tensor, shape [n, 3, h, w]
        In [0, 1].
    occupations : list of str
        What each image was asked to show; members of `data.emoji.OCCUPATIONS`.

    Returns
    -------
    torch.Tensor, shape [n, 3]
        Cosines under plain, average-then-score and subclass-score (maximum).
    """
    unknown = [o for o in occupations if o not in emoji.OCCUPATIONS]
    if unknown or len(occupations) != len(images):
        raise InputError(
            f"occupations has {len(occupations)} entries for {len(images)} images, unknown: "
            f"{unknown[:1] or 'none'}; name one drawn occupation per image."
        )
    prompt = torch.tensor([emoji.OCCUPATIONS.index(o) for o in occupations])
    neutral, men, women = encoder.encode_text(all_captions()).double().reshape(3, 21, -1)[:, :20]
    v = encoder.encode_image(images).double()
    groups = {"man": men[prompt], "woman": women[prompt]}
    scores = [alignment_score(v, neutral[prompt], groups, strategy=s) for s in IMAGE_STRATEGIES]
    return torch.stack(scores, dim=1)


def _pool(encoder: Any, drawings: emoji.EmojiPeople, n: int, seed: int) -> np.ndarray:
    """Score fitting images of every occupation and group: what a faithful generator could draw."""
    stream = rng.torch_generator(seed, "pool")
    tones = torch.randint(6, (20, 2, n), generator=stream)
    images = drawings.images.reshape(20, 2, 6, *drawings.images.shape[1:])
    o, g = torch.meshgrid(torch.arange(20), torch.arange(2), indexing="ij")
    chosen = images[o[..., None], g[..., None], tones].flatten(0, 2)
    asked = [occupation for occupation in emoji.OCCUPATIONS for _ in range(2 * n)]
    scores = score_images(encoder, emoji.augment(chosen, generator=stream), asked)
    return scores.reshape(20, 2, n, 3).numpy().astype(np.float32)
