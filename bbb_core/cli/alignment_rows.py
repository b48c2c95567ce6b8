"""The rows, or sums of them, that `bbb audit alignment` compares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from bbb_core.cli.output import as_read, empty_cells
from bbb_core.errors import InputError
from bbb_core.io.labels import merged, perhaps
from bbb_core.io.sources import open_table
from bbb_core.io.tables import Table, TableFile
from bbb_core.io.tallies import Measure, Tally, tally
from bbb_core.io.workers import Over

__all__ = ["Rows", "read_rows", "score_sums"]


@dataclass(frozen=True)
class Rows:
    """The rows that have all that every row needs, and how many cells were empty.

    Without a truth, rows with equal labels are one, with their mean score and `weight`; `passes`
    reads the table again for `kept` of them.
    """

    score: np.ndarray
    truth: np.ndarray | None
    groups: dict[str, Any]
    within: Any
    weight: np.ndarray
    kept: np.ndarray
    passes: _Passes | None
    empty: dict[str, int]
    lost: str
    notes: list[str]

    def __len__(self) -> int:
        return int(self.weight.sum())


def read_rows(options: dict[str, Any], over: Over) -> Rows:
    """Read the rows of a table, or sums of them where there is no truth.

    Raises
    ------
    InputError
        If columns are missing or not named, no row is whole, clusters and groups do not go
        together, or workers are to share the rows of an audit with a truth.
    """
    score, truth, within, cluster = (options[k] for k in ("score", "truth", "within", "cluster"))
    numbers, units = ([x for x in pair if x is not None] for pair in
                      ((score, truth), (within, cluster)))  # fmt: skip
    named = [*numbers, *options["groups"], *units]
    file = open_table(options["file"], needs=named, **as_read(options))
    for role, given in (("score", score), ("group", options["groups"])):
        if not given:
            raise InputError(
                f"--{role} is missing; name a column of {file.title}{perhaps(file.columns, role)}; "
                f"it has {', '.join(map(repr, file.columns[:12]))}."
            )
    if truth is not None and over is not map:
        raise InputError(
            "--scheduler adds up gaps; an audit with --truth looks at the rows again, in one "
            "place. Leave one of them out."
        )
    labels = list(dict.fromkeys([*options["groups"], *units]))
    passes = _Passes(file, labels, score, within, over) if truth is None else None
    table = passes.means() if passes else file.read(labels=labels, numbers=numbers)
    if not len(table):
        raise InputError(f"{table.title} holds no row; add a row per image.")
    kept = np.ones(len(table), bool)
    for name in numbers:
        kept &= ~np.isnan(table.numbers[name])
    for name in units:
        kept &= table.labels[name].codes >= 0
    needed = {*numbers, *units}
    if not kept.any():
        raise InputError(f"{table.title} has no row with all of {', '.join(map(repr, needed))}.")
    empty = table.missing
    left_out = {name: n for name, n in empty.items() if name in needed}
    elsewhere = {name: n for name, n in empty.items() if name not in needed}
    groups, notes = _groups(table, options)  # prompts and clusters keep their labels
    named_alike = replace(table, labels={**table.labels, **groups}).notes
    rows = Rows(
        table.numbers[score][kept],
        None if truth is None else table.numbers[truth][kept],
        {name: column[kept] for name, column in groups.items()},
        None if within is None else table.labels[within][kept],
        table.weight[kept],
        kept,
        passes,
        empty,
        empty_cells(elsewhere, left_out),
        [*named_alike, *notes],
    )
    return rows if cluster is None else _clustered(rows, table.labels[cluster][kept], options)


def _groups(table: Any, options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the columns of groups with --map and --ignore done, and notes of it."""
    names, aside = options["names"], options["aside"]
    labels = {name: table.labels[name] for name in options["groups"]}
    known = sorted({str(label) for column in labels.values() for label in column.categories})
    for label in names:
        if label not in known:
            raise InputError(f"--map names {label!r}, but the groups of FILE are {known[:12]}.")
    made = {name: merged(column, names, aside) for name, column in labels.items()}
    gone = [(made[name].codes < 0) & (labels[name].codes >= 0) for name in made]
    lost = sum(int(table.weight[rows].sum()) for rows in gone)
    said = f"{lost} labels are {' or '.join(map(repr, aside))}: in no group"
    return made, [said] if aside else []


def _clustered(rows: Rows, cluster: Any, options: dict[str, Any]) -> Rows:
    """Return rows whose independent units are clusters, or prompts that hold them whole."""
    unit = cluster.codes
    if rows.within is not None:
        if _constant(rows.within.codes, unit):
            return replace(
                rows, notes=[*rows.notes, "clusters lie within prompts: these are units"]
            )
        if rows.truth is None or not _constant(unit, rows.within.codes):
            raise InputError(
                f"clusters of {options['cluster']!r} span several prompts of "
                f"{options['within']!r}, for which no interval is known here; leave out --within, "
                "or take the mean of each cluster."
            )
    if rows.truth is not None:
        return replace(
            rows, within=cluster, notes=[*rows.notes, "clusters are the independent units"]
        )
    mixed = next((k for k, g in rows.groups.items() if not _constant(g.codes, unit)), None)
    if mixed is not None:
        raise InputError(
            f"clusters of {options['cluster']!r} hold several groups of {mixed!r}; compare within "
            f"them: --within {options['cluster']}."
        )
    _, first, place = np.unique(unit, return_index=True, return_inverse=True)
    means = np.bincount(place, rows.score * rows.weight) / np.bincount(place, rows.weight)
    note = f"{len(rows)} rows are {len(first)} clusters, which count once with their mean"
    groups = {name: column[first] for name, column in rows.groups.items()}
    once = replace(rows, score=means, groups=groups, weight=np.ones_like(first), passes=None)
    return replace(once, notes=[*rows.notes, note])


def _constant(codes: np.ndarray, unit: np.ndarray) -> bool:
    """Say whether rows of one unit have one code."""
    first = np.unique(unit, return_index=True, return_inverse=True)
    return bool((codes == codes[first[1]][first[2]]).all())


@dataclass(frozen=True)
class _Passes:
    """Two passes over a table, in which rows with equal labels are added up."""

    file: TableFile
    labels: list[str]
    score: str
    within: str | None
    over: Over

    def means(self) -> Table:
        """Return the different rows with their mean scores, NaN where there is none."""
        told = self._tally(partial(_totals, score=self.score))
        mean = told.sums[0] / told.table.weight
        mean[told.codes[0] > 0] = np.nan
        return replace(told.table, numbers={self.score: mean})

    def powers(self, centre: Any, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """Return sums of powers of the scores less a centre per prompt, and their extremes."""
        told = self._tally(partial(_powers, score=self.score, within=self.within, centre=centre))
        counted, kept = told.table.weight, rows.kept
        if len(counted) != len(kept) or (counted[kept] != rows.weight).any():
            raise InputError(f"{self.file.title} changed while it was read; run again.")
        return told.sums[:, kept], told.largest[:, kept]

    def _tally(self, measure: Measure) -> Tally:
        return tally(
            self.file, labels=self.labels, numbers=[self.score], measure=measure, over=self.over
        )


def _totals(block: Table, *, score: str) -> tuple[np.ndarray, ...]:
    """Return which scores are missing, and all of them; see `tallies.Measure`."""
    x = block.numbers[score]
    return np.isnan(x)[None], np.nan_to_num(x)[None], np.empty((0, len(x)))


def _powers(block: Table, *, score: str, within: str | None, centre: Any) -> tuple[np.ndarray, ...]:
    """Return the powers of scores less a centre per prompt; see `tallies.Measure`."""
    x = block.numbers[score]
    if within is not None:
        column = block.labels[within]
        known = [centre.get(name, 0.0) for name in column.categories]
        centre = np.array([*known, 0.0])[column.codes]
    d = np.nan_to_num(x - centre)
    size = np.abs(np.nan_to_num(x))
    return np.isnan(x)[None], np.stack([d, d**2, d**3, d**4]), np.stack([-d, d, size])


def score_sums(rows: Rows, order: int) -> Any:
    """Return the sums that gaps are made of."""
    from bbb_core.alignment.gap_sums import ScoreSums
    from bbb_core.alignment.gaps import stratum_codes
    from bbb_core.alignment.groups import group_table
    from bbb_core.stats.rounding import rounding_error

    assert rows.passes is not None
    table = group_table(rows.groups, len(rows.score), order=order)
    strata, k = stratum_codes(rows.within, len(rows.score))
    means = np.bincount(strata, rows.score * rows.weight, k) / np.bincount(strata, rows.weight, k)
    centre: Any = means[0]
    if rows.within is not None:
        centre = dict(zip(rows.within, means[strata], strict=True))
    powers, largest = rows.passes.powers(centre, rows)
    below, above, size = largest.max(axis=1)
    return ScoreSums(
        table, strata, rows.within is not None, means, rows.weight, powers, -below, above,
        rounding_error(size),
    )  # fmt: skip
