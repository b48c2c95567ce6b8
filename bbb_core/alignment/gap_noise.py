"""Noise of gaps between groups: over strata as independent units, or over rows (theorem T6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from bbb_core import stats as tests
from bbb_core.alignment.confidence_limits import Limits, t_to_normal
from bbb_core.alignment.sampling_errors import multiplied

__all__ = ["CentredScores", "GapNoise", "few_units", "rows_noise", "strata_noise"]


@dataclass(frozen=True)
class CentredScores:
    """Scores less the means of their strata, and the unit of gaps."""

    x: np.ndarray  # [n]
    strata: np.ndarray  # [n]: the stratum of each row, in 0 .. n_strata - 1
    n_strata: int
    scale: float  # the unit of the gaps, in the scale of the scores
    estimated: bool  # whether the unit was estimated from these scores
    rounding: float  # differences below it, in the scale of the scores, count as zero

    @property
    def reach(self) -> tuple[float, float]:
        """How far the farthest row lies below and above its stratum's mean, in units."""
        return -float(self.x.min()) / self.scale, float(self.x.max()) / self.scale


@dataclass(frozen=True)
class GapNoise:
    """Gaps of pairs with their limits and p-values, and how their noise moves together."""

    limits: Limits  # [pairs]
    freedom: np.ndarray  # [pairs]: degrees of freedom of each gap's noise
    p_value: np.ndarray  # [pairs]
    parts: np.ndarray  # [units, pairs]: independent parts, whose products are the covariance

    def draws(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return standard normal noise [n, pairs] with the correlation of the gaps."""
        return multiplied(rng.standard_normal((n, len(self.parts))), self.parts)


def few_units(
    values: np.ndarray,
    used: np.ndarray,
    below: np.ndarray,
    above: np.ndarray,
    *,
    extra: np.ndarray | float = 0.0,
    rounding: float = 0.0,
    n_flips: int = 9999,
    rng: np.random.Generator,
) -> GapNoise:
    """Return the noise of means over few units (strata), column by column.

    Intervals are t intervals that skewness and one imagined unit widen, the unit as far from the
    mean as any on either side. The p-value is the larger of two: that of flipped signs, exact where
    values are symmetric about zero, and that of the limits with squares about zero, which guards
    its level where they are not. (Sums over the root of their own squares need no t tails.)

    Parameters
    ----------
    values, used : numpy.ndarray, shape [units, m]
        A value per unit, zero where a unit is not used, and which are used: two or more.
    below, above : numpy.ndarray, shape [m]
        How much further one row that nobody saw may move a unit.
    extra : numpy.ndarray, shape [units, m]
        What each unit adds to the noise of a mean beyond its own value (a common scale).
    rounding : float
        Values closer to zero count as zero.
    n_flips, rng
        Random signings, where all cannot be counted, and their stream.
    """
    k = used.sum(axis=0)
    flipped = [
        tests.sign_flip_test(
            column[inside], n_permutations=n_flips, rng=rng, resolution=rounding or None
        ).p_value
        for column, inside in zip(values.T, used.T, strict=True)
    ]
    values = np.where(np.abs(values) > rounding, values, 0.0) / k
    mean = values.sum(axis=0)
    centred = np.where(used, values - mean / k, 0.0) + extra
    far, one = np.abs(centred).max(axis=0), np.maximum(below, above) / k
    variance, third = k / (k - 1) * (centred**2).sum(axis=0), (centred**3).sum(axis=0)
    limits = Limits.widened(mean, variance, third, np.maximum(far, one), np.maximum(far, one))
    lower = np.maximum((-values).max(axis=0), below / k)
    upper = np.maximum(values.max(axis=0), above / k)
    about_zero = Limits.widened(mean, (values**2).sum(axis=0), third, lower, upper)
    p_value = np.maximum(flipped, 2 * stats.norm.sf(about_zero.score()))
    return GapNoise(limits, k - 1, p_value, centred)


def strata_noise(
    scores: CentredScores,
    count: np.ndarray,
    total: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    rng: np.random.Generator,
) -> GapNoise:
    """Return the noise of mean differences within strata.

    `count` and `total` hold the rows and the sums of centred scores [strata, groups]; `first` and
    `second` the places of the two groups of each pair.
    """
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    used = (count[:, first] > 0) & (count[:, second] > 0)
    difference = np.where(used, mean[:, first] - mean[:, second], 0.0) / scores.scale
    size = [(count[:, g] * used).sum(axis=0) / used.sum(axis=0) for g in (first, second)]
    down, up = scores.reach
    below = np.maximum(down / size[0], up / size[1])
    above = np.maximum(up / size[0], down / size[1])
    extra: np.ndarray | float = 0.0
    if scores.estimated:  # the unit is a root of a mean square, estimated from the same strata
        squares = np.bincount(scores.strata, scores.x**2, scores.n_strata)
        sizes = np.bincount(scores.strata, minlength=scores.n_strata)
        excess = (squares / scores.scale**2 - (sizes - 1)) / (sizes - 1).sum()
        gap = difference.sum(axis=0) / used.sum(axis=0)
        extra = -gap / 2 * excess[:, None]
    rounding = scores.rounding / scores.scale
    return few_units(difference, used, below, above, extra=extra, rounding=rounding, rng=rng)


def rows_noise(
    scores: CentredScores, sums: np.ndarray, first: np.ndarray, second: np.ndarray
) -> GapNoise:
    """Return the noise of differences of means of independent rows.

    `sums` [4, groups] holds the rows, and the sums of centred scores, of their squares and of their
    cubes; `first` and `second` the places of the two groups of each pair.
    """
    n, scale = len(scores.x), scores.scale
    count, (total, squares, cubes) = np.maximum(sums[0], 1), sums[1:] / scale ** np.c_[[1, 2, 3]]
    mean, freedom = total / count, np.maximum(count - 1, 1)
    variance = (squares - count * mean**2).clip(0) / (count * freedom)
    third = (cubes - 3 * mean * squares + 2 * count * mean**3) / count**3
    gap = mean[first] - mean[second]
    gap = np.where(np.abs(gap) > scores.rounding / scale, gap, 0.0)
    both = variance[first] + variance[second]
    down, up = scores.reach
    down, up = (mean + down) / count, (up - mean) / count
    whole = both
    if scores.estimated:  # the unit is a root of a mean square, estimated from the same rows
        shared = (cubes - mean * squares) / count
        whole = both - gap * (shared[first] - shared[second]) / n
        fourth = float((scores.x**4).mean()) / scale**4
        whole = (whole + gap**2 / 4 * (fourth - 1) / n).clip(0)
    limits = Limits.widened(  # two samples: skewness may widen a limit but not narrow it
        gap, whole, third[first] - third[second],
        np.maximum(down[first], up[second]), np.maximum(up[first], down[second]),
    )  # fmt: skip
    terms = variance**2 / freedom
    least = np.minimum(freedom[first], freedom[second])
    welch = np.divide(both**2, terms[first] + terms[second], out=least.copy(), where=both > 0)
    parts, pair = np.zeros((len(count), len(gap))), np.arange(len(gap))
    parts[first, pair], parts[second, pair] = np.sqrt(variance[first]), -np.sqrt(variance[second])
    return GapNoise(limits, welch, 2 * stats.norm.sf(t_to_normal(limits.score(), welch)), parts)
