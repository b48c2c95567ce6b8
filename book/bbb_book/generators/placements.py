"""Ways to place a prompt between the prompts of two groups, and where sweeps say it should lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy import optimize, special
from torch import Tensor

from bbb_core import rng
from bbb_core.diffusion.calibration import FEWEST, calibrate
from bbb_core.embedding import position

__all__ = [
    "FURTHEST",
    "across",
    "on_line",
    "own_switches",
    "positions",
    "projected",
    "shifted",
    "swept_law",
    "towards",
]

Rows = Float[Tensor, "occupations *tokens d"]
FURTHEST = (-0.25, 1.25)
"""Placements go no further out than this."""


def positions(neutral: Rows, man: Rows, woman: Rows) -> Float[Tensor, " occupations"]:
    """Return `position`, of sequences as of one long vector: 0 at the man's prompt, 1 at hers."""
    return position(neutral.flatten(1), man.flatten(1), woman.flatten(1))


def on_line(man: Rows, woman: Rows, at: Tensor) -> Rows:
    """Return the points of the straight way between the groups' prompts at positions [20]."""
    return man + _each(at, man) * (woman - man)


def shifted(neutral: Rows, man: Rows, woman: Rows, by: Tensor) -> Rows:
    """Return neutral prompts moved in parallel to that way by parts [20] of it.

    Empty tokens stay empty: a generator does not hear a zero row, and hears the smallest other one.
    """
    heard = (neutral != 0).any(-1, keepdim=True)
    return neutral + _each(by, neutral) * (woman - man) * heard


def towards(neutral: Rows, man: Rows, woman: Rows, at: Tensor) -> Rows:
    """Return neutral prompts moved in parallel to the way until they lie at positions [20]."""
    start = positions(neutral, man, woman)
    unit = positions(shifted(neutral, man, woman, torch.ones(len(at))), man, woman) - start
    return shifted(neutral, man, woman, (at.double() - start) / unit)


def projected(neutral: Rows, man: Rows, woman: Rows) -> Rows:
    """Return neutral prompts without their part along the groups' common direction, as long."""
    direction = torch.nn.functional.normalize((woman - man).mean(0).flatten(), dim=0)
    heard = (neutral != 0).any(-1, keepdim=True)
    flat = neutral.flatten(1)
    rest = flat - (flat @ direction)[:, None] * direction
    rest = rest * (flat.norm(dim=1) / rest.norm(dim=1))[:, None]
    return rest.view_as(neutral) * heard


def across(neutral: Rows, man: Rows, woman: Rows, *, seed: int) -> Rows:
    """Return moves across the ways, each as long as its own way, in random directions.

    They lie in the span of the occupations' middles, which a generator hears, and are orthogonal
    to the ways of all occupations.
    """
    flat_man, flat_woman = man.flatten(1).double(), woman.flatten(1).double()
    middles = (flat_man + flat_woman) / 2
    coins = torch.randn(
        len(man), len(man), generator=rng.torch_generator(seed, "across"), dtype=torch.float64
    )
    moves = coins @ (middles - middles.mean(0))
    ways = flat_woman - flat_man
    _, values, used = torch.linalg.svd(ways, full_matrices=False)
    used = used[values > 1e-6 * values[0]]
    moves = moves - (moves @ used.T) @ used
    moves = moves * (ways.norm(dim=1) / moves.norm(dim=1))[:, None]
    heard = (neutral != 0).any(-1, keepdim=True)
    return moves.view_as(neutral).to(neutral) * heard


def swept_law(positions: Any, counts: Any) -> tuple[float, float, np.ndarray]:
    """Return slope, switch and the occupations' own switches of a sweep.

    Without a rising slope, or with too few images, there is no switch: the middle stands in for it.

    Parameters
    ----------
    positions
        Of the sweep, [positions].
    counts
        Images read as man, as woman and perhaps as none, [occupations, positions, 2 or 3].
    """
    pairs = np.asarray(counts)[..., :2]
    if pairs.sum() < FEWEST:
        return 0.0, 0.5, np.full(len(pairs), 0.5)
    found = calibrate(np.tile(positions, len(pairs)), pairs.reshape(-1, 2))
    slope = found.slope.value
    if not slope > 0:
        return slope, 0.5, np.full(len(pairs), 0.5)
    return slope, found.switch.value, own_switches(positions, pairs, slope)


def own_switches(positions: Any, counts: Any, slope: float) -> np.ndarray:
    r"""Return each occupation's switch, at the common slope.

    The offset of a logistic curve of known slope, with Jeffreys' penalty: the root in a of
    :math:`\sum_i y_i - n_i p_i + h_i (1/2 - p_i)`, where
    :math:`p_i = \mathrm{logit}^{-1}(a + k t_i)` and h are the leverages.

    Parameters
    ----------
    positions
        Of the sweep, [positions].
    counts
        Images read as man and as woman, [occupations, positions, 2].
    slope
        k of the generator.

    Returns
    -------
    numpy.ndarray, shape [occupations]
        Positions, within `FURTHEST`.
    """
    t, pairs = np.asarray(positions, float), np.asarray(counts, float)
    found = []
    for y, n in zip(pairs[..., 1], pairs.sum(-1), strict=True):
        if not n.sum():
            found.append(0.5)
            continue

        def score(a: float, y: np.ndarray = y, n: np.ndarray = n) -> float:
            p = special.expit(a + slope * t)
            information = n * p * special.expit(-a - slope * t)  # positive where 1 - p is not
            return float((y - n * p + information / information.sum() * (0.5 - p)).sum())

        reach = 20 + abs(slope) * 2
        found.append(-optimize.brentq(score, -reach, reach) / slope)
    return np.clip(found, *FURTHEST)


def _each(values: Tensor, rows: Tensor) -> Tensor:
    return values.to(rows).view(-1, *[1] * (rows.ndim - 1))
