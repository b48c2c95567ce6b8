"""Gaps of a score between groups where no truth is known (theorem T6, open question 2)."""

from __future__ import annotations

import itertools
from typing import Any, Literal

import numpy as np

from bbb_core import checks, rng
from bbb_core.alignment.gap_noise import rows_noise, strata_noise
from bbb_core.alignment.gap_tables import GroupGaps, gap_table, group_summary
from bbb_core.alignment.groups import GroupTable, group_table
from bbb_core.errors import InputError
from bbb_core.stats.rounding import rounding_error

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
        The stratum of each row. Strata are then the independent units of intervals and tests.
        Without it, rows are independent.
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
    confidence : float
        Of the intervals.
    n_resamples, seed : int
        Draws of noise for the simultaneous intervals, and the stream of these and of random signs.

    Returns
    -------
    GroupGaps

    Raises
    ------
    InputError
        If scores are constant within strata (no unit), or no two groups can be compared.

    Notes
    -----
    Limits are those of t, widened for skewness and by one imagined unit as far out as any
    (`gap_noise`). In samples without a gap (`experiments.audit_designs`, 400 of each and more)
    tests at 5 % rejected and intervals at .95 covered, of rows: 60 and 60 of a rare binary score
    5.0 % and .95; 200 and 20 exponential, heavy-tailed or tied ones at most 1.7 % and at least
    .98; 30 and 30 normal ones 3.7 % and .96. Of strata: 6 normal ones 2.0 % and .98; 12 exponential
    or rare binary ones with 20 and 3 rows at most 1.0 % and at least .998; 20 with skewed effects
    3.3 % and .98. The level is not held where the gaps of few strata are very skewed themselves:
    log-normal ones reject 11, 9, 7 and 4 % with 6, 12, 20 and 60 strata, exponential ones 5.8, 5.1,
    5.2 and 2.8 % (2,000 samples each). A gap of one standard deviation lay in its interval in .94
    (log-normal, t with 3 degrees of freedom, 100 and 100 rows; 60 strata of exponential rows) to
    .99 (6 strata).

    References
    ----------
    :cite:`hall1992` (skewness), :cite:`holm1979` (all pairs). Theorem T6 of the book.

    Examples
    --------
    >>> f = np.array([1.0, 0.0, 3.0, 2.0, 5.0, 4.0])
    >>> found = group_gaps(f, ["a", "b"] * 3, within=[0, 0, 1, 1, 2, 2], unit="given",
    ...                    minimum_support=3)
    >>> float(found.gap("a", "b")["gap"])
    1.0
    """
    given = checks.vector("scores", _plain(scores), minimum=4)
    x, error = np.asarray(given, dtype=np.float64), rounding_error(given)
    checks.choice("unit", unit, ("within-sd", "given", "rank"))
    level = checks.confidence_level(confidence)
    n_resamples = checks.integer("n_resamples", n_resamples, low=100)
    margin = checks.number("margin", margin, low=0)
    table = group_table(groups, len(x), order=order)
    strata, k = _strata(within, len(x))
    if unit == "rank":
        x, error = _ranks(x, strata, k), rounding_error(1.0)
    centre = np.bincount(strata, x, k) / np.bincount(strata, minlength=k)
    x = x - centre[strata]
    freedom = len(x) - k
    square = float((x**2).sum())
    if unit == "within-sd" and (freedom < 1 or square <= 1e-24 * max(1.0, float(centre @ centre))):
        raise InputError("scores are constant within every stratum; that leaves no unit.")
    scale = float(np.sqrt(square / freedom)) if unit == "within-sd" else 1.0
    stream = rng.generator(seed, "gaps")
    count, total = (_per_stratum(table, values, strata, k) for values in (np.ones(len(x)), x))
    pairs = _pairs(table, count, minimum_support)
    if not pairs:
        raise InputError(
            f"groups leave no pair with {minimum_support} rows each in common strata; lower "
            "minimum_support, or pass fewer attributes."
        )
    first, second = np.array(pairs).T
    ends = (float(x.min()), float(x.max()))
    if within is None:
        sums = np.stack(
            [count[0], total[0], *(_per_stratum(table, x**i, strata, k)[0] for i in (2, 3))]
        )
        noise = rows_noise(
            sums, first, second, scale=scale, ends=ends, n=len(x), rounding=error,
            fourth=float((x**4).mean()) if unit == "within-sd" else None,
        )  # fmt: skip
    else:
        noise = strata_noise(
            count, total, first, second, scale=scale, ends=ends, rounding=error, rng=stream,
            squares=np.bincount(strata, x**2, k) if unit == "within-sd" else None,
            sizes=np.bincount(strata, minlength=k),
        )  # fmt: skip
    share = count.sum(axis=0) / len(x)
    harmonic = 1 / (1 / share[first] + 1 / share[second])
    frame = gap_table(table, noise, pairs, level, noise.draws(n_resamples, stream))
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
