"""What `group_gaps` found: pairs, groups and the label-free bound (theorem T6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from bbb_core import stats as tests
from bbb_core.alignment.gap_noise import GapNoise
from bbb_core.alignment.groups import GroupTable
from bbb_core.alignment.skewed import t_factor
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
    noise: GapNoise,
    pairs: list[tuple[int, int]],
    level: float,
    draws: np.ndarray,
) -> pd.DataFrame:
    """Tabulate the pairs: gaps with pointwise and simultaneous intervals, adjusted p-values.

    Parameters
    ----------
    table : GroupTable
    noise : GapNoise
    pairs : list of tuple of int
        Places of the two groups in the table.
    level : float
        Confidence.
    draws : numpy.ndarray, shape [draws, pairs]
        Standard normal noise with the correlation of the gaps.
    """
    import pandas as pd

    critical = float(np.quantile(np.abs(draws).max(axis=1), level))
    one, all_ = (
        noise.limits.interval(t_factor(z, noise.freedom))
        for z in (float(stats.norm.isf((1 - level) / 2)), critical)
    )
    return pd.DataFrame(
        {
            "attribute": [" & ".join(table.attributes[a]) for a, _ in pairs],
            "first": [table.names[a] for a, _ in pairs],
            "second": [table.names[b] for _, b in pairs],
            "gap": noise.limits.estimate, "low": one[0], "high": one[1],
            "family_low": all_[0], "family_high": all_[1],
            "p_value": noise.p_value, "adjusted": tests.holm(noise.p_value),
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
