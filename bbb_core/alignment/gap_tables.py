"""What `group_gaps` found: pairs, groups and the label-free bound (theorem T6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bbb_core import stats as tests
from bbb_core.alignment.groups import GroupTable
from bbb_core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GroupGaps", "gap_table", "group_summary"]


@dataclass(frozen=True)
class GroupGaps:
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


def gap_table(
    table: GroupTable,
    gaps: np.ndarray,
    draws: np.ndarray,
    p: np.ndarray,
    pairs: list[tuple[int, int]],
    level: float,
) -> pd.DataFrame:
    """Tabulate the pairs: gaps with pointwise and simultaneous intervals, adjusted p-values.

    Parameters
    ----------
    table : GroupTable
    gaps : numpy.ndarray, shape [pairs]
    draws : numpy.ndarray, shape [draws, pairs]
        Gaps of resamples.
    p : numpy.ndarray, shape [pairs]
    pairs : list of tuple of int
        Places of the two groups in the table.
    level : float
        Confidence.
    """
    import pandas as pd

    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(draws, tails, axis=0)
    spread = draws.std(axis=0)
    safe = np.where(spread > 0, spread, 1.0)
    critical = float(np.quantile((np.abs(draws - gaps) / safe).max(axis=1), level))
    return pd.DataFrame(
        {
            "attribute": [" & ".join(table.attributes[a]) for a, _ in pairs],
            "first": [table.names[a] for a, _ in pairs],
            "second": [table.names[b] for _, b in pairs],
            "gap": gaps, "low": low, "high": high,
            "family_low": gaps - critical * spread, "family_high": gaps + critical * spread,
            "p_value": p, "adjusted": tests.holm(p),
        }
    )  # fmt: skip


def group_summary(
    table: GroupTable, count: np.ndarray, total: np.ndarray, scale: float
) -> pd.DataFrame:
    """Tabulate size, share and mean of each group."""
    import pandas as pd

    n = count.sum(axis=0)
    return pd.DataFrame(
        {
            "group": table.names, "n": n.astype(int), "share": n / table.n,
            "mean": total.sum(axis=0) / n / scale,
        }
    )  # fmt: skip


def _turned(row: pd.Series) -> pd.Series:
    turned = row.copy()
    turned["first"], turned["second"] = row["second"], row["first"]
    turned["gap"] = -row["gap"]
    for low, high in (("low", "high"), ("family_low", "family_high")):
        turned[low], turned[high] = -row[high], -row[low]
    return turned
