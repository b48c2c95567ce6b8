"""`bbb audit alignment`: multiaccuracy, multicalibration and gaps of alignment scores."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import click
import numpy as np

from bbb_core.cli.input import (
    Sectioned,
    column,
    columns,
    given_names,
    label_options,
    read_from,
    section,
)
from bbb_core.cli.output import as_read, audited, empty_cells, report_options, result_options
from bbb_core.errors import InputError
from bbb_core.io.cells import plain, table_text
from bbb_core.io.folders import records, require_new
from bbb_core.io.labels import merged, perhaps
from bbb_core.io.sources import open_table

__all__ = ["alignment"]


@click.command("alignment", cls=Sectioned)
@click.argument("file", metavar="FILE")
@section(
    "Columns of FILE",
    column("--score", "--score-column", "score", help="The score; larger is better."),
    column("--truth", "--truth-column", "truth", help="True alignment in [0, 1]; else gaps only."),
    columns("--group", "--group-column", "groups", help="An attribute."),
    column("--within", "--prompt-column", "within", help="Prompt; scores are compared within it."),
    column("--cluster-column", "cluster", help="Rows that depend on one another: raters, seeds."),
)
@label_options
@section(
    "Audit",
    click.option("--order", type=int, default=2, show_default=True, help="Attributes per group."),
    click.option("--level-sets", type=int, default=10, show_default=True),
    click.option(
        "--scale",
        type=click.Choice(["given", "shift-free", "affine-free"]),
        default="given",
        show_default=True,
        help="With --truth: fit the score's scale to the truth first, for everybody alike.",
    ),
    click.option(
        "--margin", type=float, default=0.0, show_default=True, help="Theorem T6's kappa."
    ),
    click.option("--minimum-support", type=int, default=30, show_default=True),
    click.option("--seed", type=int, default=0, show_default=True),
)
@report_options("the multiaccuracy error (without --truth: the largest gap)")
@result_options
def alignment(**options: Any) -> None:
    """Audit the alignment scores in FILE, a table with a row per image.

    FILE is CSV or a relative (also gzipped), JSON, JSON lines, parquet or Arrow; or a folder of
    tables of one format, or with a metadata.csv.

    With --truth: signed error of every group and intersection with simultaneous intervals,
    multiaccuracy and multicalibration error. Without it: gaps between groups in standard
    deviations, and the error that they prove if the truth is group-blind (theorem T6). Groups are
    labels that somebody assigned; they are text as written, and only an empty cell is missing.

    Independent units are the rows; with --within, the prompts; with --cluster-column, the clusters,
    or the prompts if every cluster lies within one. Without --truth, the rows of a cluster that
    lies within no prompt must be of one group, and count once with their mean.
    """
    options["out"] = require_new(options["out"])
    options["names"] = given_names(options["names"])
    table = _read(options)
    tell = _gaps if options["truth"] is None else _audit
    made, tables, report = tell(table, options)
    found = {"images": len(table), "empty cells": table.empty, "notes": table.notes, **made}
    audited(
        "bbb audit alignment",
        options,
        found | {"tables": {name: records(one) for name, one in tables.items()}},
        tables,
        _report(found, tables, table.lost),
        inputs=read_from(options, "file"),
        report=report,
    )


@dataclass(frozen=True)
class _Rows:
    """The rows that have all that every row needs, and how many cells were empty."""

    score: np.ndarray
    truth: np.ndarray | None
    groups: dict[str, Any]
    within: Any
    empty: dict[str, int]
    lost: str
    notes: list[str]

    def __len__(self) -> int:
        return len(self.score)


def _read(options: dict[str, Any]) -> _Rows:
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
    table = file.read(labels=list(dict.fromkeys([*options["groups"], *units])), numbers=numbers)
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
    groups, notes = _groups(table, options)
    table = replace(table, labels={**table.labels, **groups})
    rows = _Rows(
        table.numbers[score][kept],
        None if truth is None else table.numbers[truth][kept],
        {name: table.labels[name][kept] for name in options["groups"]},
        None if within is None else table.labels[within][kept],
        empty,
        empty_cells(elsewhere, left_out),
        [*table.notes, *notes],
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
    lost = sum(int((made[name].codes < 0).sum() - (labels[name].codes < 0).sum()) for name in made)
    said = f"{lost} labels are {' or '.join(map(repr, aside))}: in no group"
    return made, [said] if aside else []


def _clustered(rows: _Rows, cluster: Any, options: dict[str, Any]) -> _Rows:
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
    means = np.bincount(place, rows.score) / np.bincount(place)
    note = f"{len(rows)} rows are {len(first)} clusters, which count once with their mean"
    groups = {name: column[first] for name, column in rows.groups.items()}
    return replace(rows, score=means, groups=groups, notes=[*rows.notes, note])


def _constant(codes: np.ndarray, unit: np.ndarray) -> bool:
    """Say whether rows of one unit have one code."""
    first = np.unique(unit, return_index=True, return_inverse=True)
    return bool((codes == codes[first[1]][first[2]]).all())


def _audit(table: _Rows, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], Any]:
    from bbb_core.alignment.auditing import audit
    from bbb_core.report.of_alignment import sampling_caveats

    found = audit(
        table.score, table.truth, table.groups, level_sets=options["level_sets"],
        order=options["order"], scale=options["scale"], confidence=options["confidence"],
        clusters=table.within, minimum_support=options["minimum_support"], seed=options["seed"],
    )  # fmt: skip
    said = {
        "confidence": found.confidence,
        "multiaccuracy error": asdict(found.multiaccuracy_error),
        "multicalibration error": asdict(found.multicalibration_error),
        "proportional error": asdict(found.proportional_error),
        "worst group": asdict(found.worst_group),
    }
    units = None if table.within is None else len(set(table.within.codes.tolist()))
    report = found.report()
    asked = {name: options[name] for name in ("scale", "level_sets", "order")}
    report = replace(
        report,
        caveats=(*report.caveats, *sampling_caveats(units)),
        like={**report.like, **asked, "within": units is not None},
    )
    return said, {"groups": found.by_group, "cells": found.by_cell}, report


def _gaps(table: _Rows, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], Any]:
    from bbb_core.alignment.gaps import group_gaps
    from bbb_core.report.of_alignment import gaps

    found = group_gaps(
        table.score, table.groups, within=table.within, order=options["order"],
        margin=options["margin"], confidence=options["confidence"],
        minimum_support=options["minimum_support"], seed=options["seed"],
    )  # fmt: skip
    said = {
        "confidence": options["confidence"],
        "one unit (standard deviation)": found.scale,
        "label-free bound": {"value": found.bound, "low": found.bound_low},
    }
    report = gaps(found, confidence=options["confidence"])
    return said, {"gaps": found.pairs, "groups": found.by_group}, report


def _report(found: dict[str, Any], tables: dict[str, Any], lost: str) -> str:
    level = f"{found['confidence']:.0%}"
    head = [f"{found['images']} images; intervals at {level}, for all groups together", lost]
    head += map(plain, found["notes"])
    for key in ("multiaccuracy error", "multicalibration error", "proportional error"):
        if key in found:
            head.append(f"{key} {_error(found[key])}")
    if "worst group" in found:
        w = found["worst group"]
        side = "underrated" if w["error"] > 0 else "overrated"
        group = plain(w["group"])
        head.append(f"worst group: {group}, {side} by {abs(w['bias']):.4f} (n = {w['n']})")
    if "label-free bound" in found:
        b = found["label-free bound"]
        head.append(
            f"if the truth is group-blind, the multiaccuracy error is at least {b['low']:.4f} "
            f"standard deviations (estimate {b['value']:.4f})"
        )
    parts = ["\n".join(head)]
    for name, by in (("gaps", "gap"), ("groups", "error" if "worst group" in found else "n")):
        if name in tables:
            parts.append(_largest(name, tables[name], by))
    return "\n\n".join(parts)


def _error(e: dict[str, Any]) -> str:
    if e["reason"]:
        return f"not measurable: {e['reason']}"
    return (
        f"{e['value']:.4f} [{e['low']:.4f}, {e['high']:.4f}], "
        f"uncorrected {e['plug_in']:.4f}, p = {e['p_value']:.3g}"
    )


def _largest(name: str, table: Any, by: str, most: int = 40) -> str:
    shown = table.reindex(table[by].abs().sort_values(ascending=False).index)
    keep = [c for c in ("group", "first", "second", "n", "share", "mean", "strata", "bias", "gap",
                        "error", "low", "high", "family_low", "family_high", "p_value", "adjusted")
            if c in shown]  # fmt: skip
    size = f" of {len(shown)}" if len(shown) > most else ""
    text = table_text(shown[keep].head(most), index=False, float_format=lambda x: f"{x:+.4f}")
    return f"{name} (largest first{size})\n{text}"
