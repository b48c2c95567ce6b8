r"""Search for associations that turn round when prompts are pooled (Simpson's paradox)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.stats import holm

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["covariance_parts", "find_reversals", "pooled_difference", "stratified_difference"]


def _strata(name: str, counts: Any) -> np.ndarray:
    x = np.asarray(checks.finite(name, counts), dtype=np.float64)
    if x.ndim != 3 or x.shape[1] != 2 or x.shape[2] < 2 or len(x) < 2:
        raise InputError(
            f"{name} has shape {x.shape}; pass [strata, 2, columns], two strata or more."
        )
    if (x < 0).any() or (x != np.floor(x)).any():
        raise InputError(f"{name} holds {x[(x < 0) | (x != np.floor(x))][0]:g}; pass counts.")
    return x.astype(np.int64)


def pooled_difference(pair: np.ndarray) -> float:
    r"""Return P(first row | first column) - P(first row | second column), strata added up.

    Parameters
    ----------
    pair : numpy.ndarray, shape [strata, 2, 2]

    Examples
    --------
    >>> pooled_difference(np.array([[[81, 234], [6, 36]], [[192, 55], [71, 25]]])).__round__(3)
    -0.046
    """
    total = pair.sum(axis=0)
    column = total.sum(axis=0)
    return float(total[0, 0] / column[0] - total[0, 1] / column[1]) if column.all() else 0.0


def stratified_difference(pair: np.ndarray) -> float:
    r"""Return the difference within strata, weighted as Mantel and Haenszel do.

    .. math:: \frac{\sum_s (x_{s1} n_{s2} - x_{s2} n_{s1}) / n_s}{\sum_s n_{s1} n_{s2} / n_s}

    with :math:`x_{sj}` of :math:`n_{sj}` images of column j in the first row; strata without both
    columns say nothing.

    References
    ----------
    Mantel and Haenszel (1959), ``mantel1959``; Greenland and Robins (1985) for differences.

    Examples
    --------
    >>> stratified_difference(np.array([[[81, 234], [6, 36]], [[192, 55], [71, 25]]])).__round__(3)
    0.054
    """
    x, n = pair[:, 0].astype(np.float64), pair.sum(axis=1).astype(np.float64)
    total = n.sum(axis=1)
    use = (n > 0).all(axis=1)
    if not use.any():
        return 0.0
    x, n, total = x[use], n[use], total[use]
    weight = n[:, 0] * n[:, 1] / total
    return float(((x[:, 0] * n[:, 1] - x[:, 1] * n[:, 0]) / total).sum() / weight.sum())


def _exact_tails(pair: np.ndarray) -> tuple[float, float]:
    """Return P(T <= t), P(T >= t) of the count of the first cell, strata and margins fixed.

    Without association within strata the counts are independent hypergeometric variables; the
    law of their sum is found by convolution.
    """
    law, offset, observed = np.ones(1), 0, 0
    for table in pair:
        n, row, column = int(table.sum()), int(table[0].sum()), int(table[:, 0].sum())
        if n == 0:
            continue
        low, high = max(0, row + column - n), min(row, column)
        law = np.convolve(law, stats.hypergeom.pmf(np.arange(low, high + 1), n, row, column))
        offset, observed = offset + low, observed + int(table[0, 0])
    at = observed - offset
    return float(min(1.0, law[: at + 1].sum())), float(min(1.0, law[at:].sum()))


def find_reversals(counts: Any, *, columns: Sequence[str], level: float = 0.05) -> pd.DataFrame:
    r"""Look at every pair of columns for an association whose sign turns when strata are pooled.

    A pair is a *reversal* if the pooled association has one sign and the association within
    strata (prompts, say) the other, and both are more than noise. The hypothesis "no reversal" is
    a union, so its p-value is the larger of the two one-sided exact p-values, doubled for the two
    directions, then adjusted by Holm over all pairs.

    Parameters
    ----------
    counts : array_like, shape [strata, 2, k]
        Images per stratum, row (a reading with two values) and column.
    columns : sequence of str
        Names of the k columns.
    level : float
        A pair is a reversal if its adjusted p-value is at most this.

    Returns
    -------
    pandas.DataFrame
        A row per pair: ``first, second, pooled, within`` (differences in the share of the first
        row between first and second column), ``pooled_p, within_p`` (two-sided, each by itself),
        ``p_value, adjusted, reversal``.

    Notes
    -----
    The pooled test treats the pooled images as one sample. With a fixed number per stratum it
    errs on the side of caution.

    References
    ----------
    Simpson (1951), ``simpson1951``; Mantel and Haenszel (1959), ``mantel1959``.

    Examples
    --------
    >>> sizes = np.array([[[81, 234], [6, 36]], [[192, 55], [71, 25]]]) * 10
    >>> found = find_reversals(sizes, columns=["open", "closed"])
    >>> bool(found["reversal"].iloc[0])
    True
    """
    import pandas as pd

    x = _strata("counts", counts)
    if len(columns) != x.shape[2] or len(set(columns)) != len(columns):
        raise InputError(f"columns has {len(columns)} names; pass {x.shape[2]} different ones.")
    rows = []
    for i, j in combinations(range(x.shape[2]), 2):
        pair = x[:, :, [i, j]]
        pooled, within = _exact_tails(pair.sum(axis=0)[None]), _exact_tails(pair)
        opposite = min(max(pooled[0], within[1]), max(pooled[1], within[0]))
        rows.append(
            (
                columns[i], columns[j], pooled_difference(pair), stratified_difference(pair),
                min(1.0, 2 * min(pooled)), min(1.0, 2 * min(within)), min(1.0, 2 * opposite),
            )
        )  # fmt: skip
    names = ["first", "second", "pooled", "within", "pooled_p", "within_p", "p_value"]
    table = pd.DataFrame(rows, columns=names)
    table["adjusted"] = holm(table["p_value"])
    table["reversal"] = table["adjusted"] <= level
    return table


def covariance_parts(counts: Any, values: Any) -> tuple[float, float]:
    r"""Split the pooled covariance of row and column into parts within and between strata.

    .. math:: \mathrm{Cov}(G, T) = E[\mathrm{Cov}(G, T \mid s)]
        + \mathrm{Cov}(E[G \mid s], E[T \mid s])

    with G = 1 in the first row and T the value of the column. A reversal needs parts of opposite
    sign, the second the larger.

    Parameters
    ----------
    counts : array_like, shape [strata, 2, k]
    values : array_like, shape [k]
        Value of each column (a rank of tones, an indicator).

    Returns
    -------
    within, between : float

    Examples
    --------
    >>> covariance_parts([[[2, 0], [0, 2]], [[0, 2], [2, 0]]], [0, 1])
    (0.0, 0.0)
    """
    x = _strata("counts", counts).astype(np.float64)
    t = np.asarray(checks.vector("values", values), dtype=np.float64)
    if len(t) != x.shape[2]:
        raise InputError(f"values has {len(t)} numbers; pass one per column ({x.shape[2]}).")
    x = x[x.sum(axis=(1, 2)) > 0]
    n = x.sum(axis=(1, 2))
    g, m = x[:, 0].sum(axis=1) / n, (x.sum(axis=1) @ t) / n
    within = (x[:, 0] @ t) / n - g * m
    share = n / n.sum()
    between = share @ (g * m) - (share @ g) * (share @ m)
    return float(share @ within), float(between)
