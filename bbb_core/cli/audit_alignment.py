"""`bbb audit alignment`: multiaccuracy, multicalibration and gaps of alignment scores."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import click

from bbb_core.cli.alignment_rows import Rows, read_rows, score_sums
from bbb_core.cli.input import (
    Sectioned,
    column,
    columns,
    given_names,
    label_options,
    read_from,
    scheduler_option,
    section,
)
from bbb_core.cli.output import audited, report_options, result_options
from bbb_core.io.cells import plain, table_text
from bbb_core.io.folders import records, require_new
from bbb_core.io.workers import workers

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
@scheduler_option
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

    Gaps are sums, read in two passes: memory grows with the different labels, prompts and clusters,
    not with rows. An audit with --truth holds the rows.
    """
    options["out"] = require_new(options["out"])
    options["names"] = given_names(options["names"])
    tell = _gaps if options["truth"] is None else _audit
    with workers(options["scheduler"]) as over:
        table = read_rows(options, over)
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


def _audit(table: Rows, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], Any]:
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


def _gaps(table: Rows, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], Any]:
    from bbb_core.alignment.gap_sums import gaps_from_sums
    from bbb_core.alignment.gaps import group_gaps
    from bbb_core.report.of_alignment import gaps

    order = options["order"]
    asked = {key: options[key] for key in ("margin", "confidence", "minimum_support", "seed")}
    if table.passes is None:  # clusters, each with its mean
        found = group_gaps(table.score, table.groups, order=order, **asked)
    else:
        found = gaps_from_sums(score_sums(table, order), **asked)
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
