"""Residuals of a score, summed per group and level set in one pass over the rows (D5)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bbb_core.alignment.groups import GroupTable

__all__ = ["GroupSums", "ScoredRows", "group_sums"]

ROUNDING = 1e-12
"""Residuals below this share of the largest score are rounding, not error."""

CORRELATION_CELLS = 200_000
"""Where more cells are occupied, the correlation of the groups is taken from every k-th of them."""
CORRELATION_WORK = 200_000 * 200**2
"""The same for more than 200 groups, whose pairs times cells stay below this."""


@dataclass(frozen=True)
class ScoredRows:
    """Rows with their groups, scores f, truths f* and level sets, all of shape [n]."""

    table: GroupTable
    scores: np.ndarray
    truth: np.ndarray
    levels: np.ndarray
    n_levels: int

    @cached_property
    def residual(self) -> np.ndarray:
        """R = f* - f, without what the rounding of either leaves of equal numbers."""
        residual = self.truth - self.scores
        floor = ROUNDING * max(1.0, np.abs(self.scores).max())
        return np.where(np.abs(residual) > floor, residual, 0.0)


@dataclass(frozen=True)
class GroupSums:
    """Sums over the rows of each group within each level set, [groups, levels]."""

    n: int  # rows of the sample
    count: np.ndarray  # rows of the cell
    residual: np.ndarray  # r = f* - f
    square: np.ndarray  # r^2
    cube: np.ndarray  # r^3
    score: np.ndarray  # f
    truth: np.ndarray  # f*
    square_score: np.ndarray  # r^2 f
    overlap: np.ndarray  # (r - mean r)^2 of rows that two groups share, [levels, groups, groups]


def group_sums(rows: ScoredRows) -> GroupSums:
    """Return the sums that every estimate of the audit is made of.

    Rows are first added up per cell (pattern of groups x level set), then cells per group by one
    matrix product per level set: memory and time do not grow with rows x groups where few patterns
    exist.
    """
    table, n_levels, r = rows.table, rows.n_levels, rows.residual
    cells, level, pattern = _cells(table, rows.levels, n_levels)
    square = r**2
    columns = (
        None, r, square, square * r, rows.scores, rows.truth, square * rows.scores,
        (r - r.mean()) ** 2,
    )  # fmt: skip
    size, g = len(level), len(table.names)
    statistics = np.stack([np.bincount(cells, weights=c, minlength=size) for c in columns])
    sums, overlap = np.zeros((7, g, n_levels)), np.zeros((n_levels, g, g))
    stride = -(-size // min(CORRELATION_CELLS, max(CORRELATION_WORK // g**2, 1)))
    for part, members in table.blocks(pattern):
        bounds = np.searchsorted(level[part], np.arange(n_levels + 1))
        for v in np.unique(level[part]):
            inside = slice(bounds[v], bounds[v + 1])
            values, own = statistics[:, part][:, inside], members[:, inside]
            sums[:, :, v] += values[:7] @ own.T
            some = own[:, ::stride]
            overlap[v] += (some * values[7, ::stride]) @ some.T
    count, first, second, third, score, truth, weighted = sums
    exact = second - 2 * r.mean() * first + r.mean() ** 2 * count  # of all cells, not of some
    overlap = _with_diagonal(overlap, exact.T.clip(0))
    return GroupSums(table.n, count, first, second, third, score, truth, weighted, overlap)


def _with_diagonal(matrices: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    """Scale covariances to the given variances; correlations stay."""
    found = np.sqrt(np.einsum("vgg->vg", matrices))
    factor = np.divide(np.sqrt(diagonal), found, out=np.zeros_like(found), where=found > 0)
    return matrices * factor[:, :, None] * factor[:, None, :]


def _cells(
    table: GroupTable, levels: np.ndarray, n_levels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the cell of each row, and the level set and pattern of each cell, by level set."""
    p = table.members.shape[1]
    joint = levels.astype(np.int64) * p + table.patterns
    if n_levels * p <= max(2 * table.n, 4096):
        every = np.arange(n_levels * p)
        return joint, every // p, every % p
    found, cells = np.unique(joint, return_inverse=True)
    return cells, found // p, found % p
