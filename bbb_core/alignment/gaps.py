"""Gaps of a score between groups where no truth is known (theorem T6)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import sparse, stats

from bbb_core import checks, rng
from bbb_core import stats as tests
from bbb_core.alignment.confidence_limits import normal_to_t
from bbb_core.alignment.gap_noise import CentredScores, GapNoise, rows_noise, strata_noise
from bbb_core.alignment.groups import GroupTable, group_table
from bbb_core.errors import InputError
from bbb_core.report.shown import Shown
from bbb_core.stats.rounding import rounding_error

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GroupGaps", "Unit", "group_gaps", "stratum_codes"]

MOST_PAIRS = 20_000
"""Pairs of groups: every resample holds a gap of each."""

Unit = Literal["within-sd", "given", "rank"]


@dataclass(frozen=True)
class GroupGaps(Shown):
    """What `group_gaps` found; see there for the definitions.

    Attributes
    ----------
    pairs : pandas.DataFrame
        One row per pair of groups of the same attributes: ``gap`` (first minus second), pointwise
        interval ``low, high``, simultaneous interval ``family_low, family_high``, ``p_value``,
        ``adjusted`` (Holm over all pairs), the number of ``strata``, and ``bound``: the pair's
        term of theorem T6.
    by_group : pandas.DataFrame
        n, share and mean of each group (in `unit`, centred within strata).
    bound, bound_low : float
        Label-free lower bound on the multiaccuracy error (T6), in `unit`, and its lower confidence
        limit; zero proves nothing.
    unit : str
    scale : float
        What one unit is in the score's own scale (1 for ``given``; ranks have none: 1).
    """

    pairs: pd.DataFrame
    by_group: pd.DataFrame
    bound: float
    bound_low: float
    unit: str
    scale: float

    def gap(self, first: str, second: str) -> pd.Series:
        """Return the row of one pair, with its sign turned if need be."""
        for a, b, sign in ((first, second, 1), (second, first, -1)):
            row = self.pairs[(self.pairs["first"] == a) & (self.pairs["second"] == b)]
            if len(row):
                return row.iloc[0] if sign == 1 else _turned(row.iloc[0])
        raise InputError(f"no pair of {first!r} and {second!r} was compared; see pairs.")


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
    (`gap_noise`). In samples without a gap (`audit_designs` of the book, 400 of each and more)
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
    import pandas as pd

    given = scores.detach().cpu().numpy() if hasattr(scores, "detach") else scores
    given = checks.vector("scores", given, minimum=4)
    x, error = np.asarray(given, dtype=np.float64), rounding_error(given)
    checks.choice("unit", unit, ("within-sd", "given", "rank"))
    level = checks.confidence_level(confidence)
    n_resamples = checks.integer("n_resamples", n_resamples, low=100)
    margin = checks.number("margin", margin, low=0)
    table = group_table(groups, len(x), order=order)
    strata, k = stratum_codes(within, len(x))

    # scores less the means of their strata, and the unit sigma
    if unit == "rank":
        x, error = _ranks(x, strata, k), rounding_error(1.0)
    centre = np.bincount(strata, x, k) / np.bincount(strata, minlength=k)
    x = x - centre[strata]
    freedom, square = len(x) - k, float((x**2).sum())
    if unit == "within-sd" and (freedom < 1 or square <= 1e-24 * max(1.0, float(centre @ centre))):
        raise InputError("scores are constant within every stratum; that leaves no unit.")
    scale = float(np.sqrt(square / freedom)) if unit == "within-sd" else 1.0
    centred = CentredScores(x, strata, k, scale, unit == "within-sd", error)

    # gaps of all pairs, and their noise
    count, total = (_per_stratum(table, values, strata, k) for values in (np.ones(len(x)), x))
    first, second = np.array(_pairs(table, count, minimum_support)).T
    stream = rng.generator(seed, "gaps")
    if within is None:
        powers = (_per_stratum(table, x**i, strata, k)[0] for i in (2, 3))
        noise = rows_noise(centred, np.stack([count[0], total[0], *powers]), first, second)
    else:
        noise = strata_noise(centred, count, total, first, second, stream)
    frame = _pair_table(table, noise, first, second, level, noise.draws(n_resamples, stream))

    # what every truth with this margin leaves at least (T6)
    n = count.sum(axis=0)
    share = n / len(x)
    harmonic = 1 / (1 / share[first] + 1 / share[second])
    frame["strata"] = ((count[:, first] > 0) & (count[:, second] > 0)).sum(axis=0)
    frame["bound"] = (frame["gap"].abs() - margin).clip(lower=0) * harmonic
    closest = np.maximum(frame["family_low"], -frame["family_high"]).clip(lower=0)
    low = float(((closest - margin).clip(lower=0) * harmonic).max())
    by_group = pd.DataFrame(
        {
            "group": table.names, "n": n.astype(int), "share": share,
            "mean": total.sum(axis=0) / n / scale,
        }
    )  # fmt: skip
    return GroupGaps(frame, by_group, float(frame["bound"].max()), low, unit, scale)


def stratum_codes(within: Any, n: int) -> tuple[np.ndarray, int]:
    """Return the stratum of each row as a number, and how many there are; None makes one."""
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
    out = np.empty_like(x)
    for s in range(k):
        rows = strata == s
        out[rows] = (stats.rankdata(x[rows]) - 0.5) / rows.sum()
    return out


def _per_stratum(table: GroupTable, values: np.ndarray, strata: np.ndarray, k: int) -> np.ndarray:
    """Return sums of `values` per stratum and group, shape [strata, groups]."""
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
    if not pairs:
        raise InputError(
            f"groups leave no pair with {support} rows each in common strata; lower "
            "minimum_support, or pass fewer attributes."
        )
    if len(pairs) > MOST_PAIRS:
        raise InputError(
            f"groups make {len(pairs)} pairs, and at most {MOST_PAIRS} can be compared; merge rare "
            "labels, pass fewer attributes, or lower order."
        )
    return pairs


def _pair_table(
    table: GroupTable, noise: GapNoise, first: np.ndarray, second: np.ndarray, level: float,
    draws: np.ndarray,
) -> pd.DataFrame:  # fmt: skip
    """Tabulate gaps with pointwise and simultaneous intervals, and adjusted p-values."""
    import pandas as pd

    critical = float(np.quantile(np.abs(draws).max(axis=1), level))
    one, all_ = (
        noise.limits.interval(normal_to_t(z, noise.freedom))
        for z in (float(stats.norm.isf((1 - level) / 2)), critical)
    )
    return pd.DataFrame(
        {
            "attribute": [" & ".join(table.attributes[a]) for a in first],
            "first": [table.names[a] for a in first],
            "second": [table.names[b] for b in second],
            "gap": noise.limits.estimate, "low": one[0], "high": one[1],
            "family_low": all_[0], "family_high": all_[1],
            "p_value": noise.p_value, "adjusted": tests.holm(noise.p_value),
        }
    )  # fmt: skip


def _turned(row: pd.Series) -> pd.Series:
    turned = row.copy()
    turned["first"], turned["second"] = row["second"], row["first"]
    turned["gap"] = -row["gap"]
    for low, high in (("low", "high"), ("family_low", "family_high")):
        turned[low], turned[high] = -row[high], -row[low]
    return turned
