"""Noise of the audit's estimates, for rows or for clusters as independent units (D5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special, stats

from bbb_core.alignment.groups import GroupTable
from bbb_core.alignment.noise import correlated_normals
from bbb_core.alignment.skewed import Limits, Side, as_normal
from bbb_core.alignment.sums import GroupSums
from bbb_core.errors import InputError

__all__ = ["Noise", "Reach", "cluster_noise", "row_noise"]

ROUNDING = 1e-12
"""Residuals below this share of the largest score or truth are rounding, not error."""


@dataclass(frozen=True)
class Reach:
    """How far the residual of a row that nobody saw may lie on either side of zero.

    That is the largest residual seen there; where none was seen, or where every truth is 0 or 1,
    the bounds of the truth say it: a score f can miss by no more than f and 1 - f.
    """

    below: float | None
    above: float | None
    binary: bool

    @classmethod
    def of(cls, residual: np.ndarray, truth: np.ndarray) -> Reach:
        """Return the reach that residuals [n] of truths [n] show."""
        low, high = -float(residual.min()), float(residual.max())
        if ((truth == 0) | (truth == 1)).all():
            return cls(None, None, True)
        return cls(low if low > 0 else None, high if high > 0 else None, False)

    def sides(self, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the reach below and above for cells with these mean scores."""
        below = score if self.below is None else np.full_like(score, self.below)
        above = 1 - score if self.above is None else np.full_like(score, self.above)
        return below.clip(0), above.clip(0)


@dataclass(frozen=True)
class Noise:
    """How uncertain the signed errors are, and how their uncertainties move together.

    Parameters
    ----------
    group : Limits, shape [groups]
        Signed errors E[(f* - f) 1_C].
    score : numpy.ndarray, shape [groups]
        Normal scores of "the group has no error".
    cell_error : numpy.ndarray, shape [groups, levels]
        Standard errors of the signed errors within level sets.
    null, size : numpy.ndarray, shape [groups, levels]
        Where no group has an error: standard errors within level sets, and how large the errors
        found are on the scale where their noise is normal with these.
    excess : numpy.ndarray, shape [groups]
        How much larger the noise is than it would be if no group had an error, 1 or more.
    total : Side, shape [groups]
        How far a sum of the errors of a group's level sets, with signs of whichever kind, may lie
        above its estimate.
    freedom : int
        Independent units of the sample, less one.
    draws : numpy.ndarray, shape [draws, groups]
        Standard normal noise with the correlation of the signed errors.
    cell_draws : iterator of numpy.ndarray, shape [draws, groups]
        The same for one level set after the other.
    """

    group: Limits
    score: np.ndarray
    cell_error: np.ndarray
    null: np.ndarray
    size: np.ndarray
    excess: np.ndarray
    total: Side
    freedom: int
    draws: np.ndarray
    cell_draws: Iterator[np.ndarray]


def row_noise(
    sums: GroupSums,
    reach: Reach,
    projection: np.ndarray | None,
    totals: np.ndarray,
    n_draws: int,
    rng: Any,
) -> Noise:
    """Return the noise of independent rows.

    Parameters
    ----------
    sums : GroupSums
    reach : Reach
    projection : numpy.ndarray, shape [2, groups], or None
        Intercepts and slopes of the regressions of the group indicators on the score, where the
        score was recalibrated first; estimating the recalibration moves the errors by as much.
        The skewness takes their mean, the share of the group.
    totals : numpy.ndarray, shape [4]
        Sums over all rows of r^2, r^2 f, r^2 f^2 and r^3.
    n_draws, rng
        How many draws, from which stream.
    """
    n, count = sums.n, sums.count.sum(axis=1)
    residual, square, cube = (x.sum(axis=1) for x in (sums.residual, sums.square, sums.cube))
    covariance, kept = sums.overlap.sum(axis=0), np.ones(len(count))
    if projection is None:
        variance = square - residual**2 / n
        third = _third(residual, square, cube, n)
    else:
        (a, b), (q0, q1, q2, q3) = projection, totals
        mixed = np.outer(square, a) + np.outer(sums.square_score.sum(axis=1), b)
        both = q0 * np.outer(a, a) + q1 * (np.outer(a, b) + np.outer(b, a)) + q2 * np.outer(b, b)
        covariance = covariance - mixed - mixed.T + both
        variance, kept = np.diag(covariance), 1 - count / n
        third = kept**3 * cube - (1 - kept) ** 3 * (q3 - cube)
    factor = n / (n - 1)
    below, above = reach.sides(_ratio(sums.score.sum(axis=1), count))
    step = np.maximum(below, above)
    null, size = _null(sums, reach, step)
    expected = (null**2).sum(axis=1)
    excess = _ratio(np.maximum(square, expected), expected)
    cell_step = np.maximum(*reach.sides(_ratio(sums.score, sums.count)))
    group = Limits.of(residual, factor * variance, third, kept * below, kept * above)
    return Noise(
        group.over(n),
        as_normal(group.score(), n - 1),
        np.sqrt((sums.square - sums.residual**2 / n).clip(0) + cell_step**2) / n,
        null / n,
        size / n,
        np.sqrt(np.maximum(excess, 1.0)),
        Side.of(factor * square, np.abs(sums.cube).sum(axis=1), step).over(n),
        n - 1,
        correlated_normals(covariance, n_draws, rng),
        (correlated_normals(matrix, n_draws, rng) for matrix in sums.overlap),
    )


def _null(sums: GroupSums, reach: Reach, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `Noise.null` and `Noise.size` of sums of residuals, [groups, levels].

    If every truth is 0 or 1, their law is known: a count of mean m f has no heavier tails than the
    binomial of m draws :cite:`hoeffding1956`, whose middle tails become normal scores. Else a
    group's squares and one imagined row are spread evenly over its rows, as no uneven spread
    leaves larger sums of absolute values.
    """
    count = sums.count
    if not reach.binary:
        each = _ratio(sums.square.sum(axis=1) + step**2, count.sum(axis=1))
        return np.sqrt(count * each[:, None]), np.abs(sums.residual)
    share = _ratio(sums.score, count).clip(0, 1)
    error = np.sqrt(count * share * (1 - share))
    counted = np.where(sums.residual > 0, sums.truth, count - sums.truth)
    chance = np.where(sums.residual > 0, share, 1 - share)
    tail = stats.binom.sf(counted, count, chance) + stats.binom.pmf(counted, count, chance) / 2
    return error, error * -special.ndtri(tail.clip(1e-300, 0.5))


def _ratio(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0)


def _third(first: np.ndarray, second: np.ndarray, third: np.ndarray, n: int) -> np.ndarray:
    """Return sums of cubes about the mean from sums of powers."""
    return third - 3 * first * second / n + 2 * first**3 / n**2


def cluster_noise(
    table: GroupTable,
    sums: GroupSums,
    residual: np.ndarray,
    scores: np.ndarray,
    levels: np.ndarray,
    reach: Reach,
    projection: np.ndarray | None,
    clusters: Any,
    n_draws: int,
    rng: np.random.Generator,
) -> Noise:
    """Return the noise of rows that depend on one another within clusters (prompts, annotators).

    Whole clusters are the independent units: squares and cubes are those of the sums per cluster,
    and the correlated noise is drawn by Gaussian multipliers on clusters. The imagined cluster is
    as large as the largest of its group or level set, and no smaller than one row's reach. Tests
    take squares about zero, where the null puts the mean; intervals take them about the mean, with
    the imagined cluster as far out as any on *either* side. `projection` [2, groups, levels] holds
    the regressions of the indicators of a group within a level set on the score.
    """
    import pandas as pd

    labels = np.asarray(clusters)
    if labels.shape != (table.n,):
        raise InputError(f"clusters has shape {labels.shape}; pass one label per row ({table.n}).")
    unit, found = pd.factorize(labels)
    k, n, n_levels = len(found), table.n, sums.count.shape[1]
    if (unit < 0).any() or k < 2:
        raise InputError("clusters need two or more labels, none of them missing.")
    parts = np.stack(
        [_cluster_sums(table, residual, unit, k, levels == v) for v in range(n_levels)], axis=2
    )  # [clusters, groups, levels]
    if projection is not None:
        for slopes, values in zip(projection, (residual, residual * scores), strict=True):
            parts = parts - np.bincount(unit, values, k)[:, None, None] * slopes
    whole, spread = parts.sum(axis=2), np.abs(parts).sum(axis=2)
    row = reach.sides(_ratio(sums.score.sum(axis=1), sums.count.sum(axis=1)))
    far = np.maximum(spread.max(axis=0), np.maximum(*row))
    factor, centred = k / (k - 1), whole - whole.mean(axis=0)
    step = np.maximum(np.abs(centred).max(axis=0), np.maximum(*row))
    variance = factor * (centred**2).sum(axis=0)
    group = Limits.widened(whole.sum(axis=0), variance, centred, step, step)
    score = _about_zero(whole, row).score()
    cell = _about_zero(parts, reach.sides(_ratio(sums.score, sums.count)))
    scale, parts = cell.inner.scale / n, parts - parts.mean(axis=0)
    multipliers = rng.standard_normal((n_draws, k))
    return Noise(
        group.over(n),
        as_normal(score, k - 1),
        scale,
        scale,
        scale * as_normal(cell.score(), k - 1),
        np.ones(len(step)),
        Side.of(factor * (spread**2).sum(axis=0), (spread**3).sum(axis=0), far).over(n),
        k - 1,
        _standardised(multipliers, centred),
        (_standardised(multipliers, parts[:, :, v]) for v in range(n_levels)),
    )


def _about_zero(sums: np.ndarray, row: tuple[np.ndarray, np.ndarray]) -> Limits:
    """Return the limits of totals of sums per cluster [clusters, ...] under a mean of zero."""
    below, above = np.maximum(-sums.min(axis=0), row[0]), np.maximum(sums.max(axis=0), row[1])
    variance, centred = (sums**2).sum(axis=0), sums - sums.mean(axis=0)
    return Limits.widened(sums.sum(axis=0), variance, centred, below, above)


def _standardised(multipliers: np.ndarray, sums: np.ndarray) -> np.ndarray:
    norm = np.sqrt((sums**2).sum(axis=0))
    return multipliers @ np.divide(sums, norm, out=np.zeros_like(sums), where=norm > 0)


def _cluster_sums(
    table: GroupTable, values: np.ndarray, unit: np.ndarray, k: int, rows: np.ndarray
) -> np.ndarray:
    """Return sums of `values` over chosen rows per cluster and group, shape [clusters, groups]."""
    from scipy import sparse

    shape = (k, table.members.shape[1])
    chosen = (unit[rows], table.patterns[rows])
    per_pattern = sparse.csr_array((values[rows], chosen), shape=shape)
    return table.sums(per_pattern)
