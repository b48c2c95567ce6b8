"""Encoders whose captions are biased on purpose: the worlds of the alignment chapters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from bbb_book.data import emoji
from bbb_book.scorers.prototype import PrototypeEncoder, fit_prototypes
from bbb_book.scorers.small_clip import SmallClip, train_small_clip
from bbb_core import checks, rng
from bbb_core.embedding.clip import OpenCLIP
from bbb_core.embedding.labour import labour_shares
from bbb_core.errors import InputError

__all__ = [
    "ENCODERS",
    "GROUPS",
    "LABOUR_NAMES",
    "SHADES",
    "EncoderKind",
    "all_captions",
    "held_out_drawings",
    "people",
    "shaded_caption",
    "shaded_captions",
    "shares_of_men",
    "train_scorer",
    "without_share",
]

EncoderKind = Literal["clip", "prototype"]
ENCODERS: tuple[EncoderKind, ...] = ("clip", "prototype")
GROUPS = ("man", "woman")
SHADES: Mapping[str, tuple[str, ...]] = {
    "light": ("light", "medium-light"),
    "dark": ("medium-dark", "dark"),
}
"""Words of captions and the tones of drawings that they name; two of six tones have no word."""
HELD_OUT_TONES = 2
PICTURE = 32
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


def without_share(bias: str) -> np.ndarray:
    """Return which drawn occupations stay balanced under a caption bias for want of a number.

    The labour statistics have no share for some of them; ``labour`` and ``reversed`` leave these at
    one half, where a gap or reward says nothing of the captions.

    Parameters
    ----------
    bias : str
        See `shares_of_men`.

    Returns
    -------
    numpy.ndarray of bool, shape [20]

    Examples
    --------
    >>> [o for o, left in zip(emoji.OCCUPATIONS, without_share("labour")) if left][:2]
    ['student', 'farmer']
    >>> bool(without_share("men:0.8").any())
    False
    """
    shares_of_men(bias)  # refuses an unknown bias
    named = np.array([o in LABOUR_NAMES for o in emoji.OCCUPATIONS])
    return ~named if bias in ("labour", "reversed") else np.zeros(len(named), bool)


def all_captions() -> list[str]:
    """Return the 60 captions of occupations and the three of persons, neutral ones first."""
    nouns = (*emoji.OCCUPATIONS, "person")
    return [emoji.caption(noun, group) for group in (None, *GROUPS) for noun in nouns]


def shaded_caption(noun: str, group: str, shade: str) -> str:
    """Return the caption that names an occupation, a group and a shade of skin."""
    return emoji.caption(noun, group, template=f"a photo of {{}} with {shade} skin")


def shaded_captions() -> list[str]:
    """Return the 84 captions that name a group and a shade, by group, shade and noun."""
    nouns = (*emoji.OCCUPATIONS, "person")
    return [shaded_caption(n, g, s) for g in GROUPS for s in SHADES for n in nouns]


def held_out_drawings(drawings: emoji.EmojiPeople) -> np.ndarray:
    """Return which drawings no model of the chapter is trained on: two tones per person drawn.

    Never both tones of one shade, so that every caption with a shade comes with a drawing.
    """
    held = np.zeros(len(drawings), bool)
    stream = rng.generator(0, "held-out")
    for occupation in emoji.OCCUPATIONS:
        for group in GROUPS:
            rows = drawings.rows(occupations=[occupation], groups=[group])
            chosen = stream.choice(rows, HELD_OUT_TONES, replace=False)
            while {drawings.labels[r][2] for r in chosen} in map(set, SHADES.values()):
                chosen = stream.choice(rows, HELD_OUT_TONES, replace=False)
            held[chosen] = True
    return held


def people(size: int = PICTURE) -> emoji.EmojiPeople:
    """Return the 240 drawings of men and women, [occupation, group, tone] in this order."""
    return emoji.load_emoji_people(size=size, groups=GROUPS)


def _batches(
    drawings: emoji.EmojiPeople, shares: np.ndarray
) -> Callable[[torch.Generator], tuple[Tensor, list[str]]]:
    """Return a source of batches: each of the 63 captions once, with a drawing that fits it.

    Every second caption that names a group also names the shade of skin, where there is a word.
    """
    held = held_out_drawings(drawings)
    pool = [
        [[r for r in drawings.rows(occupations=[o], groups=[g]) if not held[r]] for g in GROUPS]
        for o in emoji.OCCUPATIONS
    ]
    men = torch.tensor([*shares, 0.5])
    nouns, shade_of = (*emoji.OCCUPATIONS, "person"), {t: s for s, ts in SHADES.items() for t in ts}

    def batch(generator: torch.Generator) -> tuple[Tensor, list[str]]:
        rows, captions = [], all_captions()
        for kind in range(3):  # neutral, man, woman: the order of the captions
            for noun in range(len(nouns)):
                u, v, w, named = torch.rand(4, generator=generator).tolist()
                group = int(u >= men[noun]) if kind == 0 else kind - 1
                place = noun if noun < len(pool) else int(w * len(pool))  # a person: any occupation
                choices = pool[place][group]
                row = choices[int(v * len(choices))]
                shade = shade_of.get(drawings.labels[row][2])
                if kind and shade and named < 0.5:
                    text = shaded_caption(nouns[noun], GROUPS[group], shade)
                    captions[kind * len(nouns) + noun] = text
                rows.append(row)
        return emoji.augment(drawings.images[rows], generator=generator), captions

    return batch


def train_scorer(
    encoder: EncoderKind, bias: str, *, steps: int, seed: int
) -> tuple[OpenCLIP | PrototypeEncoder, np.ndarray]:
    """Fit an encoder of drawings and captions with a known caption bias.

    Parameters
    ----------
    encoder : {"clip", "prototype"}
        A small CLIP, trained; or prototypes in closed form, from half as many batches.
    bias : str
        See `shares_of_men`.
    steps : int
        Training steps.
    seed : int

    Returns
    -------
    encoder
        Reads `all_captions` and `shaded_captions`, and images of any size: pass it to
        `alignment_score` with the images of a generator to score them.
    losses : numpy.ndarray, shape [steps]
        Empty for prototypes.
    """
    checks.choice("encoder", encoder, ENCODERS)
    checks.integer("steps", steps, low=1)
    batches, name = _batches(people(), shares_of_men(bias)), f"{encoder} {bias} {seed}"
    if encoder == "prototype":
        stream = rng.torch_generator(seed, "prototypes", "batches")
        count = max(steps // 2, 120)  # so that every caption with a shade is met
        return fit_prototypes(batches, count=count, generator=stream, name=name), np.empty(0)
    model = SmallClip(size=PICTURE, steps=steps, seed=seed)
    found, losses = train_small_clip(
        model, [*all_captions(), *shaded_captions()], batches, name=name
    )
    return found, losses.numpy()
