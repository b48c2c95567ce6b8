"""Gaps of a score between groups where no truth is known (theorem T6, open question 2)."""

from __future__ import annotations

import itertools
from typing import Any, Literal

import numpy as np

from bbb_core import checks, rng
from bbb_core import stats as tests
from bbb_core.alignment.gap_tables import GroupGaps, gap_table, group_summary
from bbb_core.alignment.groups import GroupTable, group_table
from bbb_core.errors import InputError

__all__ = ["GroupGaps", "Unit", "group_gaps"]

MOST_PAIRS = 20_000
"""Pairs of groups: every resample holds a gap of each."""

Unit = Literal["within-sd", "given", "rank"]


def group_gaps(
    scores: Any,
    groups: Any,
    *,
    within: Any = None,
    unit: Unit = "within-sd",
    order: int = 1,
    margin: float = 0.0,
    minimum_support: int = 10,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> GroupGaps:
    r"""Compare the mean scores of groups where nobody knows the true alignment.

    .. math::
        \mathrm{gap}_{ab} = \frac{1}{|S|} \sum_{s \in S} \frac{\bar f_{s,a} - \bar f_{s,b}}{\sigma}

    over the strata s (occupations, prompts) that show both groups, all of equal weight;
    :math:`\sigma` is the pooled standard deviation within strata. A positive gap means that the
    first group scores higher for the same request. Zero is fair if the truth is group-blind.

    Parameters
    ----------
    scores : array_like, shape [n]
        Any scale and sign convention, as long as more is better.
    groups : sequence or mapping
        See `groups.group_table`.
    within : sequence, optional
        The stratum of each row. Strata are then the independent units: intervals resample them,
        and tests flip the signs of their differences. Without it, rows are independent.
    unit : {"within-sd", "given", "rank"}
        ``within-sd``: free of shift and scale. ``given``: as the score comes. ``rank``: ranks
        within strata in [0, 1], free of every increasing transformation (half the difference
        P(first wins) - P(second wins) when only two groups exist).
    order : int
        Also compare intersections of up to so many attributes.
    margin : float
        How far the true means of two groups may differ (T6), in `unit`.
    minimum_support : int
        Groups with fewer rows are left out.
    confidence, n_resamples, seed
        Of the intervals; bootstrap resamples over strata; their stream.

    Returns
    -------
    GroupGaps

    Raises
    ------
    InputError
        If scores are constant within strata (no unit), or no two groups can be compared.

    References
    ----------
    Field and Welsh (2007), ``field2007``; Holm (1979), ``holm1979``. Theorem T6 of the book.

    Examples
    --------
    >>> f = np.array([1.0, 0.0, 3.0, 2.0, 5.0, 4.0])
    >>> found = group_gaps(f, ["a", "b"] * 3, within=[0, 0, 1, 1, 2, 2], unit="given",
    ...                    minimum_support=3)
    >>> float(found.gap("a", "b")["gap"])
    1.0
    """
    given = checks.vector("scores", _plain(scores), minimum=4)
    x, error = np.asarray(given, dtype=np.float64), tests.rounding_error(given)
    checks.choice("unit", unit, ("within-sd", "given", "rank"))
    level = checks.confidence_level(confidence)
    n_resamples = checks.integer("n_resamples", n_resamples, low=100)
    margin = checks.number("margin", margin, low=0)
    table = group_table(groups, len(x), order=order)
    strata, k = _strata(within, len(x))
    if unit == "rank":
        x, error = _ranks(x, strata, k), tests.rounding_error(1.0)
    centre = np.bincount(strata, x, k) / np.bincount(strata, minlength=k)
    x = x - centre[strata]
    freedom = len(x) - k
    square = float((x**2).sum())
    if unit == "within-sd" and (freedom < 1 or square <= 1e-24 * max(1.0, float(centre @ centre))):
        raise InputError("scores are constant within every stratum; that leaves no unit.")
    scale = float(np.sqrt(square / freedom)) if unit == "within-sd" else 1.0
    stream = rng.generator(seed, "gaps")
    count, total, squares = (
        _per_stratum(table, values, strata, k) for values in (np.ones(len(x)), x, x**2)
    )
    pairs = _pairs(table, count, minimum_support)
    if not pairs:
        raise InputError(
            f"groups leave no pair with {minimum_support} rows each in common strata; lower "
            "minimum_support, or pass fewer attributes."
        )
    within_square = np.bincount(strata, x**2, k) if unit == "within-sd" else None
    first, second = np.array(pairs).T
    if within is not None:
        gaps, draws, p = _by_strata(
            count, total, within_square, error, strata, first, second, n_resamples, stream
        )
    else:
        gaps, draws, p = _by_rows(count, total, squares, scale, first, second, n_resamples, stream)
    share = count.sum(axis=0) / len(x)
    harmonic = 1 / (1 / share[first] + 1 / share[second])
    frame = gap_table(table, gaps, draws, p, pairs, level)
    used = (count[:, first] > 0) & (count[:, second] > 0)
    frame["strata"] = used.sum(axis=0)
    frame["bound"] = (frame["gap"].abs() - margin).clip(lower=0) * harmonic
    closest = np.maximum(frame["family_low"], -frame["family_high"]).clip(lower=0)
    low = float(((closest - margin).clip(lower=0) * harmonic).max())
    return GroupGaps(
        frame,
        group_summary(table, count, total, scale),
        float(frame["bound"].max()),
        low,
        unit,
        scale,
    )


def _plain(x: Any) -> Any:
    return x.detach().cpu().numpy() if hasattr(x, "detach") else x


def _strata(within: Any, n: int) -> tuple[np.ndarray, int]:
    import pandas as pd

    if within is None:
        return np.zeros(n, np.int64), 1
    labels = np.asarray(within)
    if labels.shape != (n,):
        raise InputError(f"within has shape {labels.shape}; pass one stratum per row ({n}).")
    codes, found = pd.factorize(labels)
    if (codes < 0).any():
        raise InputError(f"within is missing at row {int(np.argmin(codes))}; give every row one.")
    if len(found) < 2:
        raise InputError("within has one distinct label; pass two strata or more, or leave it out.")
    return codes, len(found)


def _ranks(x: np.ndarray, strata: np.ndarray, k: int) -> np.ndarray:
    from scipy import stats

    out = np.empty_like(x)
    for s in range(k):
        rows = strata == s
        out[rows] = (stats.rankdata(x[rows]) - 0.5) / rows.sum()
    return out


def _per_stratum(table: GroupTable, values: np.ndarray, strata: np.ndarray, k: int) -> np.ndarray:
    """Return sums of `values` per stratum and group, shape [strata, groups]."""
    from scipy import sparse

    shape = (k, table.members.shape[1])
    cells = sparse.csr_array((values, (strata, table.patterns)), shape=shape)
    return table.sums(cells)


def _pairs(table: GroupTable, count: np.ndarray, support: int) -> list[tuple[int, int]]:
    enough = count.sum(axis=0) >= checks.integer("minimum_support", support, low=2)
    together = (count > 0).T.astype(float) @ (count > 0)
    strata = min(2, len(count))
    pairs = [
        (a, b)
        for a, b in itertools.combinations(np.flatnonzero(enough).tolist(), 2)
        if table.attributes[a] == table.attributes[b] and together[a, b] >= strata
    ]
    if len(pairs) > MOST_PAIRS:
        raise InputError(
            f"groups make {len(pairs)} pairs, and at most {MOST_PAIRS} can be compared; merge rare "
            "labels, pass fewer attributes, or lower order."
        )
    return pairs


def _by_strata(
    count: np.ndarray, total: np.ndarray, square: np.ndarray | None, error: float,
    strata: np.ndarray, first: np.ndarray, second: np.ndarray, n_resamples: int,
    stream: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Return gaps, bootstrap gaps [draws, pairs] and sign-flip p-values."""
    k = len(count)
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    used = ((count[:, first] > 0) & (count[:, second] > 0)).astype(float)
    difference = (mean[:, first] - mean[:, second]) * used
    size = np.bincount(strata, minlength=k)
    weights = stream.multinomial(k, np.full(k, 1 / k), size=n_resamples).astype(float)

    def gap(w: np.ndarray) -> np.ndarray:
        n_used = w @ used
        value = np.divide(w @ difference, n_used, out=np.zeros_like(n_used), where=n_used > 0)
        if square is None:
            return value
        return value / np.sqrt((w @ square) / (w @ (size - 1)))[:, None]

    p = [
        tests.sign_flip_test(difference[used[:, j] > 0, j], rng=stream, resolution=error).p_value
        for j in range(len(first))
    ]
    return gap(np.ones((1, k)))[0], gap(weights), np.array(p)


def _by_rows(
    count: np.ndarray, total: np.ndarray, squares: np.ndarray, scale: float,
    first: np.ndarray, second: np.ndarray, n_resamples: int, stream: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Return gaps, normal draws around them and two-sided p-values, for independent rows."""
    from scipy import stats

    n, mean = count[0], total[0] / np.maximum(count[0], 1)
    variance = np.maximum(squares[0] / np.maximum(n, 1) - mean**2, 0) / np.maximum(n - 1, 1)
    noise = stream.standard_normal((n_resamples, len(n))) * np.sqrt(variance)
    gaps = (mean[first] - mean[second]) / scale
    spread = np.sqrt(variance[first] + variance[second]) / scale
    z = np.divide(np.abs(gaps), spread, out=np.zeros_like(gaps), where=spread > 0)
    draws = gaps + (noise[:, first] - noise[:, second]) / scale
    return gaps, draws, 2 * stats.norm.sf(z)
