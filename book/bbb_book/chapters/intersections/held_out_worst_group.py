"""The worst group, chosen on some rows and judged on others: no selection bias upwards (D5)."""

from __future__ import annotations

from typing import Any

import numpy as np

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["split_worst_error"]


def split_worst_error(
    residuals: Any,
    cells: Any,
    *,
    strata: Any = None,
    folds: int = 3,
    partitions: int = 20,
    rng: np.random.Generator,
) -> float:
    r"""Estimate the largest absolute mean error over cells by sample splitting.

    For every fold the *other* folds choose the cell with the largest absolute mean and its sign,
    and the fold judges it:

    .. math:: T = \frac1K \sum_k s_{-k}\, \bar r_{k, c_{-k}}, \qquad
        E\,T \le \max_c \lvert e_c \rvert,\quad E\,T = 0 \text{ if all } e_c = 0.

    The choice is independent of the judgement, so nothing is gained by looking at many cells. T is
    averaged over random partitions, and may be negative. It errs towards zero: a choice among
    noisy cells is not always the right one.

    Parameters
    ----------
    residuals : array_like, shape [n]
        True minus given score.
    cells : array_like, shape [n]
        The cell of each row.
    strata : array_like, shape [n], optional
        Rows of one stratum (a drawing) are spread over the folds; default: the cells.
    folds, partitions : int
        Folds per partition (2 or more); partitions drawn.
    rng : numpy.random.Generator
        Their stream.

    Returns
    -------
    float
        In the units of the residuals; zero is fair.

    Raises
    ------
    InputError
        If shapes differ, or some cell has fewer rows than folds.

    Examples
    --------
    >>> from bbb_core.rng import generator
    >>> split_worst_error([0.2] * 6 + [-0.1] * 6, ["a"] * 6 + ["b"] * 6, rng=generator(0))
    0.2
    """
    r = np.asarray(checks.vector("residuals", residuals, minimum=4), dtype=np.float64)
    k = checks.integer("folds", folds, low=2)
    times = checks.integer("partitions", partitions, low=1)
    _, cell = np.unique(np.asarray(cells), return_inverse=True)
    spread = cell if strata is None else np.unique(np.asarray(strata), return_inverse=True)[1]
    if cell.shape != r.shape or spread.shape != r.shape:
        raise InputError(f"cells or strata do not have {len(r)} labels; pass one per residual.")
    m, least = int(cell.max()) + 1, int(np.bincount(cell).min())
    if least < k:
        raise InputError(f"cells has one of {least} rows; pass at least {k}, one per fold.")
    found = []
    for _ in range(times):
        fold = _folds(cell, spread, k, rng)
        place = fold * m + cell
        count = np.bincount(place, minlength=k * m).reshape(k, m)
        total = np.bincount(place, r, minlength=k * m).reshape(k, m)
        others = (total.sum(axis=0) - total) / (count.sum(axis=0) - count)
        chosen = np.abs(others).argmax(axis=1)
        rows = np.arange(k)
        sign = np.sign(others[rows, chosen])
        found.append(float(np.mean(sign * total[rows, chosen] / count[rows, chosen])))
    return round(float(np.mean(found)), 12)


def _folds(cell: np.ndarray, strata: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Deal the rows of every cell to the folds in turn, stratum by stratum, in random order."""
    ranks = rng.permutation(int(strata.max()) + 1)[strata]
    order = np.lexsort((rng.random(len(cell)), ranks, cell))
    start = np.searchsorted(cell[order], np.arange(int(cell.max()) + 1))
    fold = np.empty(len(cell), np.int64)
    fold[order] = (np.arange(len(cell)) - start[cell[order]]) % k
    return fold
