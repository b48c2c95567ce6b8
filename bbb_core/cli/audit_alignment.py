"""`bbb audit alignment`: multiaccuracy, multicalibration and gaps of alignment scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bbb_core.errors import InputError
from bbb_core.results.folders import deliver, records, require_new

__all__ = ["alignment"]

_MOST = 2_000_000_000  # bytes of a table


@click.command("alignment")
@click.argument("file", metavar="FILE")
@click.option("--score", required=True, help="Column of the score; larger is better.")
@click.option("--truth", help="Column of the true alignment in [0, 1]; without it, gaps only.")
@click.option("--group", "groups", multiple=True, help="Column of an attribute; repeatable.")
@click.option("--within", help="Column of the prompt or occupation that scores are compared in.")
@click.option("--order", type=int, default=2, show_default=True, help="Attributes per group.")
@click.option("--level-sets", type=int, default=10, show_default=True)
@click.option(
    "--scale",
    type=click.Choice(["given", "shift-free", "affine-free"]),
    default="given",
    show_default=True,
    help="With --truth: fit the score's scale to the truth first, for everybody alike.",
)
@click.option("--margin", type=float, default=0.0, show_default=True, help="Theorem T6's kappa.")
@click.option("--minimum-support", type=int, default=30, show_default=True)
@click.option("--confidence", type=float, default=0.95, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", metavar="DIR", help="Write tables, audit.json, report.txt, manifest.json.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the report.")
def alignment(**options: Any) -> None:
    """Audit the alignment scores in FILE (CSV or parquet, one row per image).

    With --truth: signed error of every group and intersection with simultaneous intervals,
    multiaccuracy and multicalibration error. Without it: gaps between groups in standard
    deviations, and the error that they prove if the truth is group-blind (theorem T6). With
    --within, prompts are the independent units. Groups are labels that somebody assigned.
    """
    out = require_new(options["out"])
    if not options["groups"]:
        raise InputError("--group is missing; name at least one column of groups.")
    table = _read(Path(options["file"]))
    names = [options["score"], *options["groups"]]
    names += [options[key] for key in ("truth", "within") if options[key] is not None]
    for name in names:
        if name not in table.columns:
            known = ", ".join(map(str, table.columns[:12]))
            raise InputError(f"FILE has no column {name!r}; it has {known}.")
    found = _gaps(table, options) if options["truth"] is None else _audit(table, options)
    as_json, text = _as_json(found), _report(found)
    if out is not None:
        tables = found["tables"].items()
        texts = {f"{name}.csv": t.to_csv(index=False, lineterminator="\n") for name, t in tables}
        texts |= {"audit.json": as_json + "\n", "report.txt": text + "\n"}
        inputs = {"file": options["file"]}
        deliver(out, texts, command="bbb audit alignment", settings=options, inputs=inputs)
    click.echo(as_json if options["as_json"] else text)


def _read(path: Path) -> Any:
    import pandas as pd

    try:
        if path.stat().st_size > _MOST:
            raise InputError(f"FILE {path} is larger than {_MOST} bytes; split it.")
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        if isinstance(error, InputError):
            raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no table"
        raise InputError(f"FILE {path} cannot be read as a table: {reason}.") from None


def _audit(table: Any, options: dict[str, Any]) -> dict[str, Any]:
    from dataclasses import asdict

    from bbb_core.alignment.auditing import audit

    found = audit(
        _numbers(table, options["score"]), _numbers(table, options["truth"]),
        {name: table[name] for name in options["groups"]}, level_sets=options["level_sets"],
        order=options["order"], scale=options["scale"], confidence=options["confidence"],
        clusters=None if options["within"] is None else table[options["within"]],
        minimum_support=options["minimum_support"], seed=options["seed"],
    )  # fmt: skip
    return {
        "images": found.n,
        "confidence": found.confidence,
        "multiaccuracy error": asdict(found.multiaccuracy_error),
        "multicalibration error": asdict(found.multicalibration_error),
        "proportional error": asdict(found.proportional_error),
        "worst group": asdict(found.worst_group),
        "tables": {"groups": found.by_group, "cells": found.by_cell},
    }


def _gaps(table: Any, options: dict[str, Any]) -> dict[str, Any]:
    from bbb_core.alignment.gaps import group_gaps

    found = group_gaps(
        _numbers(table, options["score"]), {name: table[name] for name in options["groups"]},
        within=None if options["within"] is None else table[options["within"]],
        order=options["order"], margin=options["margin"], confidence=options["confidence"],
        minimum_support=options["minimum_support"], seed=options["seed"],
    )  # fmt: skip
    return {
        "images": len(table),
        "confidence": options["confidence"],
        "one unit (standard deviation)": found.scale,
        "label-free bound": {"value": found.bound, "low": found.bound_low},
        "tables": {"gaps": found.pairs, "groups": found.by_group},
    }


def _numbers(table: Any, name: str) -> Any:
    values = table[name]
    if values.dtype.kind not in "fiu":
        raise InputError(f"column {name!r} holds {values.dtype}; pass numbers.")
    return values.to_numpy()


def _report(found: dict[str, Any]) -> str:
    level = f"{found['confidence']:.0%}"
    head = [f"{found['images']} images; intervals at {level}, for all groups together"]
    for key in ("multiaccuracy error", "multicalibration error", "proportional error"):
        if key in found:
            e = found[key]
            head.append(
                f"{key} {e['value']:.4f} [{e['low']:.4f}, {e['high']:.4f}], "
                f"uncorrected {e['plug_in']:.4f}, p = {e['p_value']:.3g}"
            )
    if "worst group" in found:
        w = found["worst group"]
        side = "underrated" if w["error"] > 0 else "overrated"
        head.append(f"worst group: {w['group']}, {side} by {abs(w['bias']):.4f} (n = {w['n']})")
    if "label-free bound" in found:
        b = found["label-free bound"]
        head.append(
            f"if the truth is group-blind, the multiaccuracy error is at least {b['low']:.4f} "
            f"standard deviations (estimate {b['value']:.4f})"
        )
    name, table = next(iter(found["tables"].items()))
    order = "error" if "error" in table else "gap"
    shown = table.reindex(table[order].abs().sort_values(ascending=False).index)
    keep = [c for c in ("group", "first", "second", "n", "strata", "bias", "gap", "error", "low",
                        "high", "family_low", "family_high", "p_value", "adjusted")
            if c in shown]  # fmt: skip
    text = shown[keep].head(40).to_string(index=False, float_format=lambda x: f"{x:+.4f}")
    return "\n".join([*head, "", f"{name} (largest first)", text])


def _as_json(found: dict[str, Any]) -> str:
    tables = {name: records(table) for name, table in found["tables"].items()}
    return json.dumps({**found, "tables": tables}, indent=1, allow_nan=False)
