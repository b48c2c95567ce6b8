"""A world whose groups are known by construction, and readers of every quality (T7, D3).

Emoji people drawn in skin tones that the reader never saw, augmented and covered with noise, are
the *pools*: the law of each group is a draw with replacement from its pool, so that every rate of
this world is a count and not an estimate. `simulated_audits` draws audits from these rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bbb_book.chapters.whose_label.mixture_test import (
    Score,
    linear_direction,
    mixture_distance,
    score_distance,
)
from bbb_book.data import emoji
from bbb_book.data.procedural import SHAPES, procedural_figures
from bbb_book.readers.classifier import AttributeReader
from bbb_book.readers.training import ReaderTraining, train_reader
from bbb_core import checks, rng

__all__ = [
    "POOLS",
    "TRAINING_TONES",
    "WITNESSES",
    "WORLD_TONES",
    "Pools",
    "label_pools",
    "measure_figures",
    "measure_mixture_tests",
    "measure_readings",
    "measure_witnesses",
    "occupation_rates",
    "reading_rates",
]

POOLS = ("woman", "man", "person")
"""Who is drawn: the two groups of the audit, and people drawn as neither."""
TRAINING_TONES = ("default", "medium-light", "medium-dark")
WORLD_TONES = ("light", "medium", "dark")
WITNESSES = ("novelty", "linear", "refusal")
"""Scores of the mixture test: two need no reader, the third is the reader's odds of *none*."""


@dataclass(frozen=True, eq=False)
class Pools:
    """All images of the world.

    Attributes
    ----------
    images
        Intensities in [0, 1], one block per entry of `POOLS`, [3, n, 3, size, size].
    occupations
        Row in `emoji.OCCUPATIONS` per image [n]; the same for every block.
    """

    images: Float[Tensor, "g n c h w"]
    occupations: np.ndarray

    def flat(self) -> np.ndarray:
        """Return the images as rows, float64 ``[3, n, d]``."""
        return self.images.flatten(2).double().numpy()


def label_pools(*, size: int, copies: int, noise: float, seed: int) -> Pools:
    """Return the pools at one noise level; drawings and places do not depend on the level.

    Parameters
    ----------
    size
        Side in pixels.
    copies
        Augmented copies of each of the 60 drawings of a pool.
    noise
        Standard deviation of the pixel noise; values are then cut to [0, 1].
    """
    blocks, codes = [], np.zeros(0, dtype=int)
    for who in POOLS:
        people = emoji.load_emoji_people(size=size, groups=(who,), tones=WORLD_TONES)
        rows = list(range(len(people))) * copies
        source = rng.torch_generator(seed, "label pools", who)
        clean = emoji.augment(people.images[rows], generator=source)
        speckle = torch.randn(clean.shape, generator=source)
        blocks.append((clean + noise * speckle).clamp(0, 1))
        codes = np.array([emoji.OCCUPATIONS.index(people.labels[i][0]) for i in rows])
    return Pools(torch.stack(blocks), codes)


def measure_readings(
    *, noises: Sequence[float], size: int, copies: int, steps: int, width: int, seed: int
) -> dict[str, Any]:
    """Train one reader of women and men and read every pool at every noise level.

    Returns
    -------
    dict
        ``odds``: log-odds of woman against man ``[levels, 3, n]``; ``refusal``: log-odds of *none*
        of the same shape; ``occupations``: row in `emoji.OCCUPATIONS` ``[n]``.
    """
    people = emoji.load_emoji_people(size=size, groups=POOLS[:2], tones=TRAINING_TONES)
    training = ReaderTraining(steps=steps, width=width, seed=seed)
    reader = train_reader(people, training, key="unknown labels")
    odds, refusal = [], []
    for noise in noises:
        pools = label_pools(size=size, copies=copies, noise=noise, seed=seed)
        scores = _scores(reader, pools.images.flatten(0, 1))
        odds.append(scores[0].reshape(len(POOLS), -1))
        refusal.append(scores[1].reshape(len(POOLS), -1))
    return {
        "odds": np.stack(odds),
        "refusal": np.stack(refusal),
        "occupations": pools.occupations,
    }


def reading_rates(odds: Any) -> np.ndarray:
    """Return the rate of "read as woman" in every pool, ``[..., 3, n]`` to ``[..., 3]``."""
    return np.asarray((np.asarray(odds) > 0).mean(axis=-1))


def occupation_rates(odds: Any, occupations: Any) -> np.ndarray:
    """Return the rate of "read as woman" among women and men of each occupation, ``[k, 2]``."""
    read, codes = np.asarray(odds)[:2] > 0, np.asarray(occupations)
    return np.stack([read[:, codes == k].mean(axis=1) for k in np.unique(codes)])


def _scores(reader: AttributeReader, images: Tensor) -> tuple[np.ndarray, np.ndarray]:
    order = [reader.names["group"].index(g) for g in POOLS[:2]]
    odds, none = [], []
    with torch.no_grad():
        for part in images.split(512):
            _, group, _, refused = reader.net(part)
            odds.append((group[:, order[0]] - group[:, order[1]]).double().numpy())
            none.append(refused[:, 0].double().numpy())
    return np.concatenate(odds), np.concatenate(none)


def measure_witnesses(
    *,
    noises: Sequence[float],
    size: int,
    copies: int,
    images: int,
    leaks: Sequence[Sequence[float]],
    repeats: int,
    seed: int,
) -> dict[str, Any]:
    r"""Fit witnesses to images of the group prompts, again and again, without any label.

    The prompt that names women draws women but for a share `leaks[i][0]`, the one that names men
    draws men but for a share `leaks[i][1]`. Half of the `images` of each prompt fit a linear
    witness; its rates on the whole pools are exact in this world.

    Returns
    -------
    dict
        ``rates``: rate of "read as the women's prompt" in each of `POOLS`,
        ``[leaks, levels, repeats, 3]``.
    """
    half = checks.integer("images", images, low=8) // 2
    rates = np.empty((len(leaks), len(noises), repeats, len(POOLS)))
    for j, noise in enumerate(noises):
        x = label_pools(size=size, copies=copies, noise=noise, seed=seed).flat()
        for i, leak in enumerate(leaks):
            stream = rng.generator(seed, "witnesses", j, i)
            for r in range(repeats):
                drawn = [
                    _mixed(x[:2], [1 - leak[0], leak[0]], half, stream),
                    _mixed(x[:2], [leak[1], 1 - leak[1]], half, stream),
                ]
                direction, limit = linear_direction(*drawn)
                rates[i, j, r] = (x @ direction > limit).mean(axis=1)
    return {"rates": rates}


def _mixed(x: Any, shares: Sequence[float], n: int, stream: np.random.Generator) -> Any:
    """Draw n rows with replacement from blocks x [k, m, ...], block i with share i."""
    blocks = stream.choice(len(shares), n, p=np.asarray(shares))
    return x[blocks, stream.integers(0, x.shape[1], n)]


def measure_mixture_tests(
    *,
    noise: float,
    refusal: Any,
    size: int,
    copies: int,
    shares: Sequence[float],
    images: int,
    repeats: int,
    seed: int,
) -> dict[str, Any]:
    """Count how often each witness notices people of neither group, and never seen drawings.

    The neutral prompt draws people of neither group with the given share and women and men
    alike otherwise; both group prompts obey. The last case has no such people: the group prompts
    draw one skin tone only, the neutral prompt all three.

    Parameters
    ----------
    refusal
        The reader's log-odds of *none* for the same pools ``[3, n]``.
    images
        Per prompt.

    Returns
    -------
    dict
        ``noticed``: number of refutations ``[shares + 1, witnesses]``; ``low``: mean lower bound.
    """
    pools = label_pools(size=size, copies=copies, noise=noise, seed=seed)
    x, refused = pools.flat(), np.asarray(refusal, dtype=np.float64)
    drawings = np.arange(x.shape[1]) % (x.shape[1] // copies)
    one_tone = np.flatnonzero(drawings % len(WORLD_TONES) == 0)
    noticed = np.zeros((len(shares) + 1, len(WITNESSES)), dtype=int)
    low = np.zeros((len(shares) + 1, len(WITNESSES)))
    for i, share in enumerate([*shares, 0.0]):
        stream = rng.generator(seed, "outsiders", i)
        rows = one_tone if i == len(shares) else np.arange(x.shape[1])
        for _ in range(repeats):
            who = stream.choice(3, images, p=[(1 - share) / 2, (1 - share) / 2, share])
            which = stream.integers(0, x.shape[1], images)
            named = {g: stream.choice(rows, images) for g in POOLS[:2]}
            for k, witness in enumerate(WITNESSES):
                values = refused if witness == "refusal" else x
                groups = {g: values[b][named[g]] for b, g in enumerate(POOLS[:2])}
                if witness == "refusal":
                    found = score_distance(values[who, which], groups, rng=stream)
                else:
                    score: Score = "novelty" if witness == "novelty" else "linear"
                    found = mixture_distance(values[who, which], groups, score=score, rng=stream)
                noticed[i, k] += found.refuted
                low[i, k] += found.low / repeats
    return {"noticed": noticed, "low": low}


def measure_figures(
    *, noises: Sequence[float], size: int, images: int, seed: int
) -> dict[str, Any]:
    """Read procedural figures by their brightest group channel, whatever the lead.

    The swap of two channels is an exact symmetry of these figures and of this reader, so both
    groups are misread at one rate.

    Returns
    -------
    dict
        ``rates``: rate of "read as group 0" among group 0 and group 1, ``[levels, 2]``.
    """
    rates = np.empty((len(noises), 2))
    for j, noise in enumerate(noises):
        for group in (0, 1):
            source = rng.torch_generator(seed, "label figures", j, group)
            shapes = torch.arange(images) % len(SHAPES)
            drawn = procedural_figures(
                shapes, torch.full((images,), group), size=size, noise=noise, generator=source
            )
            light = drawn.images[:, :2].sum((2, 3))
            rates[j, group] = float((light[:, 0] > light[:, 1]).double().mean())
    return {"rates": rates}
