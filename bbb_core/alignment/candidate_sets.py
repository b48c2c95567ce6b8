"""Summed errors of the sets of rows that a repair may move: groups and level sets (D5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from bbb_core.alignment.confidence_limits import Limits, normal_to_t
from bbb_core.alignment.groups import GroupTable
from bbb_core.alignment.sampling_errors import Reach
from bbb_core.stats.rounding import rounding_error

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CandidateSets", "tabulate_errors"]


@dataclass(frozen=True)
class CandidateSets:
    """Every group and everybody, within each level set and over all of them.

    Arrays with a value per set have a column per group and one for everybody, and a row per level
    set; with two level sets or more, one row for all together comes last.
    """

    table: GroupTable
    levels: np.ndarray
    n_levels: int

    def cells(self, values: np.ndarray) -> np.ndarray:
        """Add up values of rows per level set and pattern, [levels, patterns]."""
        p = self.table.members.shape[1]
        cell = self.levels * p + self.table.patterns
        return np.bincount(cell, values, self.n_levels * p).reshape(self.n_levels, p)

    def totals(self, cells: np.ndarray) -> np.ndarray:
        """Add up cells [levels, patterns] to sets."""
        found = np.hstack([self.table.sums(cells), cells.sum(axis=1, keepdims=True)])
        return found if len(found) == 1 else np.vstack([found, found.sum(axis=0)])

    def inside(self, place: int) -> np.ndarray:
        """Return which cells [levels, patterns] make up one set, by its place among all."""
        level, group = divmod(place, len(self.table.names) + 1)
        member = np.ones(self.table.members.shape[1])
        if group < len(self.table.names):
            member = self.table.members[[group]].toarray()[0]
        every = level == self.n_levels or self.n_levels == 1
        return np.outer(np.ones(self.n_levels) if every else np.eye(self.n_levels)[level], member)

    def families(self, rows: np.ndarray, support: int) -> list[np.ndarray]:
        """Return the places of disjoint sets tested together: one attribute, one level set."""
        place = np.arange(rows.size).reshape(rows.shape)
        kinds = list(dict.fromkeys(self.table.attributes))
        kind = np.array([kinds.index(a) for a in self.table.attributes])
        made = (
            place[level, :-1][(kind == k) & (rows[level, :-1] >= support)]
            for level in range(len(rows))
            for k in range(len(kinds))
        )
        return [family for family in made if len(family) > 1]

    def errors(
        self, f: np.ndarray, truth: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, Callable[[np.ndarray], Limits]]:
        """Return rows and summed errors f* - f of all sets, and what puts limits to such sums."""
        r = truth - f
        r = np.where(np.abs(r) <= rounding_error(f, truth), 0.0, r)
        rows, first, second, third, score = (
            self.totals(self.cells(x)) for x in (np.ones_like(r), r, r**2, r**3, f)
        )
        n = np.maximum(rows, 1)
        variance = (second - first**2 / n) * n / np.maximum(n - 1, 1)
        skewed = third - 3 * first * second / n + 2 * first**3 / n**2
        below, above = Reach.of(r, truth).sides(score / n)
        return rows, first, lambda sums: Limits.of(sums, variance, skewed, below, above)


def tabulate_errors(
    table: GroupTable, stages: Mapping[str, np.ndarray], truth: np.ndarray, support: int,
    level: float,
) -> pd.DataFrame:  # fmt: skip
    """Return the mean error of each group at some stages of its scores, with simultaneous limits.

    Groups below the support have the limits that any truth in [0, 1] allows.
    """
    import pandas as pd

    everywhere = CandidateSets(table, np.zeros(len(truth), np.int64), 1)
    columns: dict[str, Any] = {"group": table.names, "n": 0}
    for stage, f in stages.items():
        rows, error, limits = everywhere.errors(f, truth)
        enough, score = rows >= support, everywhere.totals(everywhere.cells(f))
        tail = (1 - level) / 2 / max(enough.sum(), 1)
        low, high = limits(error).interval(normal_to_t(stats.norm.isf(tail), len(f) - 1))
        low, high = np.where(enough, low, -score), np.where(enough, high, rows - score)
        columns["n"] = rows[0, :-1].astype(int)
        for name, values in ((stage, error), (f"{stage}_low", low), (f"{stage}_high", high)):
            mean = np.divide(values, rows, out=np.full_like(values, np.nan), where=rows > 0)
            columns[name] = mean[0, :-1].clip(-1, 1)
    return pd.DataFrame(columns)
