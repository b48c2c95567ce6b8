"""Standard errors and correlated noise of the audit's estimates, for rows or for clusters (D5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bbb_core.alignment.groups import GroupTable
from bbb_core.alignment.noise import correlated_normals
from bbb_core.alignment.sums import GroupSums
from bbb_core.errors import InputError

__all__ = ["Noise", "cluster_noise", "row_noise"]


@dataclass(frozen=True)
class Noise:
    """How uncertain the signed errors are, and how their uncertainties move together.

    Parameters
    ----------
    error : numpy.ndarray, shape [groups]
        Standard errors of the signed errors E[(f* - f) 1_C].
    freedom : numpy.ndarray, shape [groups]
        Degrees of freedom: rows (or clusters) of the group, less one.
    cell_error : numpy.ndarray, shape [groups, levels]
        Standard errors of the signed errors within level sets.
    draws : numpy.ndarray, shape [draws, groups]
        Standard normal noise with the correlation of the signed errors.
    cell_draws : iterator of numpy.ndarray, shape [draws, groups]
        The same for one level set after the other.
    null_draws : iterator of numpy.ndarray, shape [draws, groups], or None
        Signed errors within level sets over `cell_error`, redrawn as if no group had an error, for
        one level set after the other, where this may differ from `cell_draws`.
    """

    error: np.ndarray
    freedom: np.ndarray
    cell_error: np.ndarray
    draws: np.ndarray
    cell_draws: Iterator[np.ndarray]
    null_draws: Iterator[np.ndarray] | None = None


def row_noise(
    sums: GroupSums, projection: np.ndarray | None, totals: np.ndarray, n_draws: int, rng: Any
) -> Noise:
    """Return the noise of independent rows.

    Parameters
    ----------
    sums : GroupSums
    projection : numpy.ndarray, shape [2, groups], or None
        Intercepts and slopes of the regressions of the group indicators on the score, where the
        score was recalibrated first; estimating the recalibration moves the errors by as much.
    totals : numpy.ndarray, shape [3]
        Sums over all rows of r^2, r^2 f and r^2 f^2.
    n_draws, rng
        How many draws, from which stream.
    """
    n = sums.n
    covariance = sums.overlap.sum(axis=0)
    if projection is None:
        errors = sums.residual.sum(axis=1) / n
        variance = (sums.square.sum(axis=1) / n - errors**2).clip(0)
    else:
        (a, b), (q0, q1, q2) = projection, totals
        mixed = np.outer(sums.square.sum(axis=1), a) + np.outer(sums.square_score.sum(axis=1), b)
        square = q0 * np.outer(a, a) + q1 * (np.outer(a, b) + np.outer(b, a)) + q2 * np.outer(b, b)
        covariance = covariance - mixed - mixed.T + square
        variance = np.diag(covariance).clip(0) / n
    cell_mean = sums.residual / n
    cell_variance = (sums.square / n - cell_mean**2).clip(0)
    return Noise(
        np.sqrt(variance / n),
        sums.count.sum(axis=1) - 1,
        np.sqrt(cell_variance / n),
        correlated_normals(covariance, n_draws, rng),
        (correlated_normals(matrix, n_draws, rng) for matrix in sums.overlap),
    )


def cluster_noise(
    table: GroupTable,
    residual: np.ndarray,
    scores: np.ndarray,
    levels: np.ndarray,
    n_levels: int,
    projection: np.ndarray | None,
    clusters: Any,
    n_draws: int,
    rng: np.random.Generator,
) -> Noise:
    """Return the noise of rows that depend on one another within clusters (prompts, annotators).

    Whole clusters are the independent units: variances come from the sums per cluster, and the
    noise is drawn by Gaussian multipliers on clusters. `projection` [2, groups, levels] holds the
    regressions of the indicators of a group within a level set on the score.

    For the test of "no error in any level set" the sums themselves, not centred, change sign at
    random, cluster by cluster: the wild cluster bootstrap with the null imposed
    :cite:`cameron2008`. Where no group has an error and cluster sums are symmetric, such draws are
    exchangeable with the data, so that the test keeps its level with few clusters too.
    """
    import pandas as pd

    labels = np.asarray(clusters)
    if labels.shape != (table.n,):
        raise InputError(f"clusters has shape {labels.shape}; pass one label per row ({table.n}).")
    unit, found = pd.factorize(labels)
    k, n = len(found), table.n
    if (unit < 0).any() or k < 2:
        raise InputError("clusters need two or more labels, none of them missing.")
    parts = np.stack(
        [_cluster_sums(table, residual, unit, k, levels == v) for v in range(n_levels)], axis=1
    )  # [clusters, levels, groups]
    if projection is not None:
        for slopes, values in zip(projection, (residual, residual * scores), strict=True):
            parts = parts - np.bincount(unit, values, k)[:, None, None] * slopes.T
    whole = parts.sum(axis=1)
    present = _cluster_sums(table, np.ones(n), unit, k, np.ones(n, bool)) > 0
    raw, factor = parts, k / (k - 1)
    whole, parts = whole - whole.mean(axis=0), parts - parts.mean(axis=0)
    multipliers = rng.standard_normal((n_draws, k))
    signs = rng.choice([-1.0, 1.0], (n_draws, k))
    cell_error = np.sqrt(factor * (parts**2).sum(axis=0)) / n  # [levels, groups]
    unit_error = np.where(cell_error > 0, cell_error, np.inf)
    return Noise(
        np.sqrt(factor * (whole**2).sum(axis=0)) / n,
        present.sum(axis=0) - 1,
        cell_error.T,
        _standardised(multipliers, whole),
        (_standardised(multipliers, parts[:, v]) for v in range(n_levels)),
        (signs @ raw[:, v] / (n * unit_error[v]) for v in range(n_levels)),
    )


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
    return np.asarray(per_pattern @ table.members.T.astype(np.float64))
