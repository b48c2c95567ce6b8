"""`bbb audit labels`: people's readings of images become labels, agreement and error rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from bbb_core.cli.input import given_names, read_from
from bbb_core.cli.output import as_read, audited, empty_cells, result_options, table_options
from bbb_core.errors import InputError
from bbb_core.io.cells import plain, table_text
from bbb_core.io.folders import records, require_new

__all__ = ["labels"]

_LIKELY = {
    "image": "image picture photo img file url item task",
    "rater": "rater worker annotator participant reader judge coder user",
    "answer": "answer label reading response gender sex race skin age",
}
"""Words in the names of columns that may play a part, the likeliest first."""


@click.command("labels")
@click.argument("file", metavar="FILE")
@click.option("--image", metavar="COL", default="image", show_default=True, help="Which image.")
@click.option("--rater", metavar="COL", default="rater", show_default=True, help="Who read it.")
@click.option("--answer", metavar="COL", default="answer", show_default=True, help="Read as what.")
@click.option("--prompt", metavar="COL", help="What was asked for: counts per prompt.")
@click.option("--none", "none", metavar="VALUE", multiple=True, help="Answer that means no group.")
@click.option("--map", "renamed", metavar="VALUE=NAME", multiple=True, help="Rename an answer.")
@table_options
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
@result_options
def labels(**options: Any) -> None:
    """Say how far people agree on images, and turn their readings into labels with known errors.

    FILE has a row per reading: CSV and its relatives (also gzipped), JSON, JSON lines, parquet or
    Arrow, or a folder of tables of one format.
    With --out, 'bbb audit generations DIR/counts.csv --confusion DIR/confusion.csv' reads on.
    """
    import numpy as np

    from bbb_core.balance.readings import audit_labels
    from bbb_core.io.sources import open_table
    from bbb_core.rng import generator

    options["out"] = require_new(options["out"])
    parts = {part: options[part] for part in ("image", "rater", "answer", "prompt")}
    columns = {part: name for part, name in parts.items() if name is not None}
    if len(set(columns.values())) < len(columns):
        raise InputError("--image, --rater, --answer and --prompt must name different columns.")
    table = open_table(options["file"], needs=columns.values(), **as_read(options))
    table.need(columns.values(), advice=_likely(table.columns))
    read = table.read(labels=list(columns.values()))
    cells = {part: read.labels[name] for part, name in columns.items()}
    whole = np.all([cell.codes >= 0 for cell in cells.values()], axis=0)
    given = {part: [str(value) for value in cell[whole]] for part, cell in cells.items()}
    names = _names(options, sorted(set(given["answer"])))
    found = audit_labels(
        given["image"], given["rater"], [names[answer] for answer in given["answer"]],
        prompts=given.get("prompt"), confidence=options["confidence"],
        rng=generator(options["seed"], "audit labels"),
    )  # fmt: skip
    confusion = found.confusion
    tables = {
        "labels": found.labels.reset_index(),
        "errors": found.errors.reset_index(),
        "shares": found.shares.rename_axis("answer").reset_index(),
        "counts": found.counts.reset_index(),
        "confusion": _frame(confusion),
    }
    agreement = {"alpha": found.alpha, "pairs that agree": found.agreement}
    told = {
        "images": len(found.labels),
        "readings": len(given["image"]),
        "raters": len(set(given["rater"])),
        "confidence": found.alpha.confidence,
        **{k: {"value": e.value, "low": e.low, "high": e.high} for k, e in agreement.items()},
        "empty cells": read.missing,
        "notes": [*read.notes, *found.notes],
    }
    audited(
        "bbb audit labels",
        options,
        told | {"tables": {name: records(one) for name, one in tables.items()}},
        tables,
        _report(told, tables),
        inputs=read_from(options, "file"),
    )


def _likely(columns: Sequence[str]) -> str:
    said = [
        f"--{part} {found[0]!r}"
        for part, words in _LIKELY.items()
        if (found := [c for word in words.split() for c in columns if word in c.casefold()])
    ]
    return "Name the columns" + (f", perhaps {' '.join(said)}." if said else ".")


def _names(options: dict[str, Any], answers: list[str]) -> dict[str, str]:
    """Return what each answer of the file is called from here on."""
    pairs = given_names(options["renamed"]).items()
    names = dict.fromkeys(answers)
    for value, name in [*pairs, *((value, "none") for value in options["none"])]:
        if value not in names:
            raise InputError(f"no answer is {value!r} (--map, --none); there are {answers}.")
        if not name or names[value] is not None:
            raise InputError(f"answer {value!r} must get one name: --map VALUE=NAME or --none.")
        names[value] = name
    made = {value: name or value for value, name in names.items()}
    for name in {"prompt", "group", "true"} & set(made.values()):
        raise InputError(f"an answer called {name!r} would be taken for a column; --map it.")
    return made


def _frame(confusion: Any) -> Any:
    import pandas as pd

    table = pd.DataFrame(confusion.counts, columns=confusion.labels)
    table.insert(0, "true", confusion.groups)
    return table


def _report(told: dict[str, Any], tables: dict[str, Any]) -> str:
    head = [f"{told['readings']} readings of {told['images']} images by {told['raters']} raters"]
    for name in ("alpha", "pairs that agree"):
        e = told[name]
        head.append(f"{name} {e['value']:.3f} [{e['low']:.3f}, {e['high']:.3f}] over images")
    head += [empty_cells({}, told["empty cells"]), *map(plain, told["notes"])]
    parts = ["\n".join(head)]
    for name in ("shares", "counts", "confusion"):
        shown = table_text(tables[name], index=False, float_format=lambda x: f"{x:.3f}")
        parts.append(f"{name}\n{shown}")
    return "\n\n".join(parts)
