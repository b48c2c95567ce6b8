"""`bbb audit generations`: representational balance of counted or labelled images."""

from __future__ import annotations

from typing import Any

import click

from bbb_core import checks
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
from bbb_core.cli.output import as_read, audited, empty_cells, report_options, result_options
from bbb_core.errors import InputError
from bbb_core.io.cells import plain, table_text
from bbb_core.io.folders import records, require_new

__all__ = ["generations"]


@click.command("generations", cls=Sectioned)
@click.argument("file", metavar="FILE")
@section(
    "Columns of FILE",
    column("--prompt-column", "prompt", help="What was asked for; default: 'prompt'."),
    columns("--group-column", "groups", help="Readings; several are crossed; default: 'group'."),
    columns("--count-column", "counts", help="Counts: one per group, or one with --group-column."),
    columns("--probability-column", "probabilities", help="Probabilities of classes, per image."),
    column("--image-column", "image", help="Rows of one image (faces, readers) count once."),
    click.option(
        "--prompt-pattern",
        "pattern",
        metavar="REGEX",
        help="Fits the prompt's whole cell; what stands in parentheses is the prompt.",
    ),
)
@label_options
@section(
    "Balance",
    click.option("--target", metavar="A=.5,B=.5", help="Target shares; equal by default."),
    click.option(
        "--none",
        "none",
        metavar="NAME",
        default="none",
        show_default=True,
        help="Column or label that means none of the groups; its target is 0.",
    ),
    click.option("--before", metavar="FILE", help="Counts of the same prompts before a change."),
    click.option("--confusion", metavar="FILE", help="'true,LABEL,...': the reader's errors."),
)
@scheduler_option
@report_options("the mean imbalance over the prompts (the imbalance, of a single one)")
@result_options
def generations(**options: Any) -> None:
    """Measure how far generated images are from balance, prompt by prompt.

    FILE is a table: CSV and its relatives (also gzipped), JSON, JSON lines, parquet or Arrow; or a
    folder of tables of one format, or with a metadata.csv. It holds one of

    \b
    a row per image                  prompt,group
    a row per prompt and group       prompt,group,n     --count-column n
    a row per prompt                 prompt,man,woman
    a row per image, probabilities   prompt,man,woman   --probability-column man ...

    FairFace's and DeepFace's outputs are known (name --group-column), and Fair Diffusion's .txt.
    The first two and probabilities are added up while they are read: memory grows with different
    prompts and groups, not with rows, unless there are several rows per image.

    Names are text as written, and only an empty cell is missing. Intervals are exact and hold for
    all prompts together; p-values are Holm's. Groups are readings by whoever labelled the images.
    """  # noqa: D301 (click's sign for lines that stay as they are)
    from bbb_core.balance.count_columns import Columns
    from bbb_core.balance.count_files import read_counts
    from bbb_core.io.workers import workers
    from bbb_core.report.of_balance import by_prompt

    options["out"] = require_new(options["out"])
    single = ("prompt", "image", "pattern")
    said = Columns(
        **{key: options[key] for key in (*single, "groups", "counts", "probabilities", "aside")},
        names=given_names(options["names"]),
    )
    with workers(options["scheduler"]) as over:
        read = {
            key: read_counts(options[key], columns=said, name=name, over=over, **as_read(options))
            for key, name in (("file", "FILE"), ("before", "--before"))
            if options[key] is not None
        }
    before = read["before"].counts if "before" in read else None
    found, tables = _audit(read["file"].counts, before, options)
    found["empty cells"] = {key: one.missing for key, one in read.items() if one.missing}
    found["notes"] = [note for one in read.values() for note in one.notes]
    audited(
        "bbb audit generations",
        options,
        found | {"tables": {name: records(one.reset_index()) for name, one in tables.items()}},
        tables,
        _report(found, tables),
        inputs=read_from(options, "file", "before", "confusion"),
        index=True,
        report=by_prompt(found, tables, read_by=options["confusion"] is not None),
    )


def _audit(
    counts: Any, before: Any, options: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    from bbb_core.balance.by_prompt import balance_by_prompt, change_by_prompt

    level = checks.confidence_level(options["confidence"])
    target = _target(options["target"], list(counts.columns), options["none"])
    shares = counts.div(counts.sum(axis=1), axis=0).add_prefix("share ")
    balance = balance_by_prompt(
        counts.to_numpy(), prompts=list(counts.index), target=target, confidence=level
    )
    found: dict[str, Any] = {
        "target": dict(zip(counts.columns, target, strict=True)),
        "confidence": level,
        "prompts": len(counts),
        "images": int(counts.to_numpy().sum()),
        "detected": int((balance["p_holm"] <= 1 - level).sum()),
    }
    tables = {"balance": shares.join(balance)}
    if len(counts) > 1:
        found |= _means(counts.to_numpy(), target, level)
    if before is not None:
        if set(before.columns) != set(counts.columns) or set(before.index) != set(counts.index):
            raise InputError("--before has other prompts or groups than FILE; make them the same.")
        old = before.loc[counts.index, counts.columns].to_numpy()
        tables["change"] = change_by_prompt(
            old, counts.to_numpy(), prompts=list(counts.index), target=target, confidence=level
        )
    if options["confusion"] is not None:
        tables["corrected"] = _corrected(counts, options, level)
    return found, tables


def _means(counts: Any, target: list[float], level: float) -> dict[str, Any]:
    from bbb_core.balance.means import mean_imbalance

    these = mean_imbalance(counts, target=target, confidence=level)
    like = mean_imbalance(counts, target=target, prompts="sampled", confidence=level)
    e, wide = these.corrected, like.corrected
    return {
        "mean": {"value": these.plug_in, "low": e.low, "high": e.high},
        "mean corrected": {"value": e.value, "low": e.low, "high": e.high},
        "mean of prompts like these": {"value": wide.value, "low": wide.low, "high": wide.high},
        "floor": these.floor,
    }


def _corrected(counts: Any, options: dict[str, Any], level: float) -> Any:
    import pandas as pd

    from bbb_core.balance.count_files import read_confusion
    from bbb_core.balance.labels import correct_labels

    confusion = read_confusion(options["confusion"], name="--confusion", **as_read(options))
    rows = {}
    for prompt, row in counts.iterrows():
        each = 1 - (1 - level) / len(counts)  # all prompts together
        try:
            made = correct_labels(row.to_dict(), confusion, confidence=each)
        except InputError as error:
            raise InputError(f"prompt {prompt!r}: {error}") from None
        rows[prompt] = {
            f"{group} {end}": value
            for group in confusion.groups
            for end, value in zip(
                ("share", "low", "high"), (made.shares[group], *made.interval[group]), strict=True
            )
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("prompt")


def _target(text: str | None, groups: list[str], none: str) -> list[float]:
    named = [group for group in groups if group != none]
    if text is None:
        if len(named) < 2:
            raise InputError(f"FILE names {len(named)} groups; balance needs at least two.")
        return [0.0 if group == none else 1 / len(named) for group in groups]
    shares = {}
    for part in text.split(","):
        name, _, value = (x.strip() for x in part.partition("="))
        try:
            shares[name] = float(value)
        except ValueError:
            raise InputError(f"--target part {part!r} is not NAME=SHARE; mend it.") from None
        if name not in groups:
            raise InputError(f"--target names {name!r}, which FILE lacks; it has {groups}.")
    missing = [group for group in named if group not in shares]
    if missing:
        raise InputError(f"--target lacks {missing[0]!r}; give every group a share.")
    values = [shares.get(group, 0.0) for group in groups]
    checks.distribution("--target", values)
    return values


def _report(found: dict[str, Any], tables: dict[str, Any]) -> str:
    head = [
        f"{found['prompts']} prompts, {found['images']} images; target "
        + ", ".join(f"{plain(name)} {share:.3g}" for name, share in found["target"].items()),
        *(empty_cells({}, missing) for missing in found["empty cells"].values()),
        *map(plain, found["notes"]),
        f"detectably imbalanced at {1 - found['confidence']:.3g} (Holm): {found['detected']}",
    ]
    if "mean" in found:
        told = {key: found[key] for key in ("mean corrected", "mean of prompts like these")}
        ends = [f"{e['low']:.3f}, {e['high']:.3f}" for e in told.values()]
        head += [
            f"mean imbalance {found['mean']['value']:.3f}; "
            f"a balanced generator would show {found['floor']:.3f}",
            f"mean corrected imbalance {found['mean corrected']['value']:.3f} [{ends[0]}] over "
            f"these prompts, [{ends[1]}] over prompts like these",
        ]
    parts = ["\n".join(head)]
    for name, table in tables.items():
        parts.append(f"{name}\n{table_text(table, float_format=lambda x: f'{x:.3f}')}")
    return "\n\n".join(parts)
