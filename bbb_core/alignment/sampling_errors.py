"""Sampling errors of the audit's estimates, for rows or for clusters as independent units (D5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse, special, stats

from bbb_core.alignment.confidence_limits import Limits, Side, t_to_normal
from bbb_core.alignment.residuals import GroupSums, ScoredRows
from bbb_core.errors import InputError

__all__ = ["Noise", "Reach", "cluster_noise", "multiplied", "row_noise"]


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

    "Null" is what holds where no group has an error.
    """

    group: Limits  # [groups]: of the signed errors E[(f* - f) 1_C]
    score: np.ndarray  # [groups]: normal scores of "the group has no error"
    cell_error: np.ndarray  # [groups, levels]: standard errors of the errors within level sets
    null_error: np.ndarray  # [groups, levels]: the same under the null
    null_size: np.ndarray  # [groups, levels]: errors on the scale where null noise is normal
    excess: np.ndarray  # [groups]: how much larger the noise is than null noise, 1 or more
    total: Side  # [groups]: how far sum_v +- e_Cv may lie above its estimate, whatever the signs
    freedom: int  # independent units of the sample, less one
    draws: np.ndarray  # [draws, groups]: normal noise with the correlation of the signed errors
    cell_draws: Iterator[np.ndarray]  # the same for one level set after the other


def row_noise(
    rows: ScoredRows,
    sums: GroupSums,
    projection: np.ndarray | None,
    n_draws: int,
    rng: np.random.Generator,
) -> Noise:
    """Return the noise of independent rows.

    `projection` [2, groups, levels] holds intercepts and slopes of the regressions of the
    indicators of cells on the score, where the score was recalibrated first; estimating the
    recalibration moves the errors by as much. The skewness takes their mean, the group's share.
    """
    n, count, reach = sums.n, sums.count.sum(axis=1), Reach.of(rows.residual, rows.truth)
    residual, square, cube = (x.sum(axis=1) for x in (sums.residual, sums.square, sums.cube))
    covariance, kept = sums.overlap.sum(axis=0), np.ones(len(count))
    if projection is None:
        variance = square - residual**2 / n
        third = cube - 3 * residual * square / n + 2 * residual**3 / n**2  # about the mean
    else:  # units r_i (1_C - a - b f_i)
        a, b = projection.sum(axis=2)
        r, f = rows.residual, rows.scores
        q0, q1, q2 = ((r**2 * f**i).sum() for i in range(3))
        mixed = np.outer(square, a) + np.outer(sums.square_score.sum(axis=1), b)
        both = q0 * np.outer(a, a) + q1 * (np.outer(a, b) + np.outer(b, a)) + q2 * np.outer(b, b)
        covariance = covariance - mixed - mixed.T + both
        variance, kept = np.diag(covariance), 1 - count / n
        third = kept**3 * cube - (1 - kept) ** 3 * ((r**3).sum() - cube)
    below, above = reach.sides(_ratio(sums.score.sum(axis=1), count))
    step = np.maximum(below, above)
    null_error, null_size = _null_sums(sums, reach, step)
    expected = (null_error**2).sum(axis=1)
    excess = _ratio(np.maximum(square, expected), expected)
    cell_step = np.maximum(*reach.sides(_ratio(sums.score, sums.count)))
    factor = n / (n - 1)
    group = Limits.of(residual, factor * variance, third, kept * below, kept * above)
    return Noise(
        group.over(n),
        t_to_normal(group.score(), n - 1),
        np.sqrt((sums.square - sums.residual**2 / n).clip(0) + cell_step**2) / n,
        null_error / n,
        null_size / n,
        np.sqrt(np.maximum(excess, 1.0)),
        Side.of(factor * square, np.abs(sums.cube).sum(axis=1), step).over(n),
        n - 1,
        _correlated_normals(covariance, n_draws, rng),
        (_correlated_normals(matrix, n_draws, rng) for matrix in sums.overlap),
    )


def _null_sums(sums: GroupSums, reach: Reach, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `Noise.null_error` and `Noise.null_size` of sums of residuals, [groups, levels].

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


def _correlated_normals(
    covariance: np.ndarray, n_draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Return standard normal draws [n_draws, m] with the correlation of `covariance`.

    Coordinates of variance zero up to rounding (empty groups, groups of all rows) stay zero.
    """
    variance = np.diag(covariance)
    live = variance > 1e-12 * variance.max(initial=0.0)
    scale = np.sqrt(np.where(live, variance, 0.0))
    draws = np.zeros((n_draws, len(scale)))
    if live.any():
        correlation = covariance[np.ix_(live, live)] / np.outer(scale[live], scale[live])
        values, vectors = np.linalg.eigh(correlation)
        root = vectors * np.sqrt(values.clip(0))
        draws[:, live] = rng.standard_normal((n_draws, root.shape[1])) @ root.T
    return draws


def cluster_noise(
    rows: ScoredRows,
    sums: GroupSums,
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
    the imagined cluster as far out as any on *either* side. For `projection` see `row_noise`.
    """
    unit, k = _cluster_codes(clusters, sums.n)
    n, reach = sums.n, Reach.of(rows.residual, rows.truth)
    parts = _cluster_sums(rows, unit, k)  # [clusters, groups, levels]
    if projection is not None:
        regressors = rows.residual, rows.residual * rows.scores
        for slopes, values in zip(projection, regressors, strict=True):
            parts = parts - np.bincount(unit, values, k)[:, None, None] * slopes
    whole, spread = parts.sum(axis=2), np.abs(parts).sum(axis=2)
    row = reach.sides(_ratio(sums.score.sum(axis=1), sums.count.sum(axis=1)))
    far = np.maximum(spread.max(axis=0), np.maximum(*row))
    factor, centred = k / (k - 1), whole - whole.mean(axis=0)
    step = np.maximum(np.abs(centred).max(axis=0), np.maximum(*row))
    variance, third = factor * (centred**2).sum(axis=0), (centred**3).sum(axis=0)
    group = Limits.widened(whole.sum(axis=0), variance, third, step, step)
    cell = _about_zero(parts, reach.sides(_ratio(sums.score, sums.count)))
    scale, parts = cell.inner.scale / n, parts - parts.mean(axis=0)
    multipliers = rng.standard_normal((n_draws, k))
    return Noise(
        group.over(n),
        t_to_normal(_about_zero(whole, row).score(), k - 1),
        scale,
        scale,
        scale * t_to_normal(cell.score(), k - 1),
        np.ones(len(step)),
        Side.of(factor * (spread**2).sum(axis=0), (spread**3).sum(axis=0), far).over(n),
        k - 1,
        multiplied(multipliers, centred),
        (multiplied(multipliers, parts[:, :, v]) for v in range(rows.n_levels)),
    )


def _cluster_codes(clusters: Any, n: int) -> tuple[np.ndarray, int]:
    """Return the cluster of each row as a number, and how many there are."""
    import pandas as pd

    labels = np.asarray(clusters)
    if labels.shape != (n,):
        raise InputError(f"clusters has shape {labels.shape}; pass one label per row ({n}).")
    unit, found = pd.factorize(labels)
    if (unit < 0).any() or len(found) < 2:
        raise InputError("clusters need two or more labels, none of them missing.")
    return unit, len(found)


def _cluster_sums(rows: ScoredRows, unit: np.ndarray, k: int) -> np.ndarray:
    """Return sums of residuals per cluster, group and level set."""
    shape = (k, rows.table.members.shape[1])
    parts = []
    for v in range(rows.n_levels):
        inside = rows.levels == v
        where = (unit[inside], rows.table.patterns[inside])
        parts.append(rows.table.sums(sparse.csr_array((rows.residual[inside], where), shape=shape)))
    return np.stack(parts, axis=2)


def _about_zero(sums: np.ndarray, row: tuple[np.ndarray, np.ndarray]) -> Limits:
    """Return the limits of totals of sums per cluster [clusters, ...] under a mean of zero."""
    below, above = np.maximum(-sums.min(axis=0), row[0]), np.maximum(sums.max(axis=0), row[1])
    third = ((sums - sums.mean(axis=0)) ** 3).sum(axis=0)
    return Limits.widened(sums.sum(axis=0), (sums**2).sum(axis=0), third, below, above)


def multiplied(multipliers: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Return standard normal noise [draws, m]: units' sums [units, m] times random factors."""
    norm = np.sqrt((sums**2).sum(axis=0))
    return multipliers @ np.divide(sums, norm, out=np.zeros_like(sums), where=norm > 0)


def _ratio(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0)
