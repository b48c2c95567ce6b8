"""`bbb audit model --prompts`: draw the prompts of a file, read the pictures, one report."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

from bbb_core import checks
from bbb_core.cli.classifiers import CLIP, Classify, reader_of
from bbb_core.cli.drawing import draw, pictures, thumbnail
from bbb_core.cli.generators import loaded
from bbb_core.cli.input import read_from
from bbb_core.cli.output import audited
from bbb_core.cli.prompt_file import read_families
from bbb_core.cli.sweep_list import picture_order, read_list, run_name
from bbb_core.errors import InputError
from bbb_core.io.cells import csv_text, plain, table_text
from bbb_core.io.folders import records
from bbb_core.io.writing import write_text
from bbb_core.report.parts import Gallery

__all__ = ["audit_prompts"]

NONE = "none"
MOST = 99_999
"""Pictures of a run."""
ROWS, SHOWN = 20, 8
"""Neutral prompts in the gallery of a report, and pictures of each."""


def audit_prompts(options: dict[str, Any], *, own: bool) -> None:
    """Draw a file's prompts and list them, or report on what their pictures are read as.

    `own` says that --neutral and --group were given by the user.
    """
    import pandas as pd

    families = read_families(options, own=own)
    groups = list(families[0].names)
    _check(options, len(families) * (1 + len(groups)))
    classify, confusion = reader_of(options, families)

    # 1. The model, and which run the pictures are of: names in an order that tells no prompt
    process, encode, files = loaded(options)
    kinds = ["neutral", *groups]
    table = pd.DataFrame(
        [(i, kind, text) for i, one in enumerate(families)
         for kind, text in zip(kinds, one, strict=True)],
        columns=["family", "kind", "prompt"],
    )  # fmt: skip
    rows = encode(list(table["prompt"]))
    run = run_name(options, files, dict(zip(map(str, table.index), table["prompt"], strict=True)))
    order = picture_order(run, len(table), options)
    listed = pd.DataFrame({"file": [f"images/{name}" for name in order], "row": order.values()})
    listed = listed.join(table[["prompt", "kind"]], on="row").assign(group="")
    inputs = files | read_from(options, "prompts", "readings", "confusion")
    settings = options | {key: list(options[key]) for key in ("neutral", "groups")}
    said: dict[str, Any] = {"sampler": process.sampler, "run": run}
    said |= {"prompts": len(families), "pictures": len(order)}
    told: dict[str, Any] = {}
    tables: dict[str, Any] = {}
    if options["readings"] is not None:
        # 2. Second call: the list was filled in
        read = read_list(options["readings"], order, groups, len(table))
        counts = pd.DataFrame(read, columns=[*groups, NONE])
        report, told, tables = _found(process, rows, table, counts, confusion, options)
        audited("bbb audit model", options, said | told, tables, _text(said, report.answer, tables),
                inputs=inputs, settings=settings, report=report)  # fmt: skip
        return

    # 3. Draw what an interrupted run has not drawn yet, and read it
    part = Path(f"{options['out']}.part")
    names: list[list[str]] = [[] for _ in range(len(table))]
    for name, row in order.items():
        names[row].append(name)
    said["kept"] = draw(process, rows, names, part, seed=options["seed"])
    text, report = _drawn(said, options), None
    if classify is not None:
        listed["group"] = _labels(listed, table, part, names, classify)
        counts = pd.crosstab(listed["row"], listed["group"])
        counts = counts.reindex(index=table.index, columns=[*groups, NONE], fill_value=0)
        report, told, tables = _found(process, rows, table, counts, confusion, options)
        report = dataclasses.replace(report, gallery=_gallery(listed, table, part, names))
        text = _text(said, report.answer, tables)

    def fill(made: Path) -> None:
        shutil.copytree(part, made / "images", ignore=shutil.ignore_patterns(".bbb.*"))
        write_text(made / "images.csv", csv_text(listed.drop(columns="row")))

    try:
        audited("bbb audit model", options, said | told, tables, text, inputs=inputs,
                settings=settings, fill=fill, report=report)  # fmt: skip
    finally:
        if (options["out"] / "manifest.json").is_file():  # delivered, so nothing is to go on with
            shutil.rmtree(part, ignore_errors=True)


def _check(options: dict[str, Any], prompts: int) -> None:
    """Refuse options that do not go together, before anything is drawn."""
    if options["sweep"] is not None:
        raise InputError("--sweep and --prompts are two audits; give one of them.")
    checks.integer("--images", options["images"], low=1)
    if options["images"] * prompts > MOST:
        raise InputError(f"--images and --prompts ask for more than {MOST} pictures; ask for less.")
    reads = options["readings"] is not None or options["classifier"] is not None
    for key in ("fail_above", "confusion"):
        if not reads and options[key] is not None:
            raise InputError(
                f"--{key.replace('_', '-')} judges readings; give --classifier or --readings."
            )
    if options["readings"] is None and options["out"] is None:
        raise InputError("--prompts draws pictures; name a folder for them by --out.")
    if options["paths"] and options["paths"] < 20:
        raise InputError("--paths is too small for a certificate; give 20 or more, or 0 for none.")
    checks.confidence_level(options["confidence"], name="--confidence")
    checks.probability("--delta", options["delta"])


def _labels(listed: Any, table: Any, folder: Path, names: Any, classify: Classify) -> Any:
    """Return the label of each picture, in the order of the list."""
    found: dict[str, str] = {}
    for family, own in zip(table["family"].tolist(), names, strict=True):
        read = [label for batch in pictures(folder, own) for label in classify(batch, family)]
        found |= {f"images/{name}": label for name, label in zip(own, read, strict=True)}
    return listed["file"].map(found)


def _gallery(listed: Any, table: Any, folder: Path, names: list[list[str]]) -> Gallery:
    """Return the first pictures of the first neutral prompts, and what each was read as."""
    read = dict(zip(listed["file"], listed["group"], strict=True))
    rows = tuple(
        (
            str(table["prompt"][i]),
            tuple((thumbnail(folder / name), read[f"images/{name}"]) for name in names[i][:SHOWN]),
        )
        for i in table.index[table["kind"] == "neutral"][:ROWS]
    )
    return Gallery(
        "Pictures",
        f"The first pictures of each neutral prompt, at most {SHOWN}, and what each was read as; "
        f"prompts in the order of the file, at most {ROWS}.",
        rows,
    )


def _found(
    process: Any, rows: Any, table: Any, counts: Any, confusion: Any, options: dict[str, Any]
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Return the report, what was found for JSON, and the tables."""
    from bbb_core.balance.by_prompt import balance_by_prompt, corrected_by_prompt
    from bbb_core.balance.means import mean_imbalance
    from bbb_core.diffusion.prompt_certificates import certified_prompts, read_as_named
    from bbb_core.report.of_models import prompts

    level, groups = options["confidence"], [name for name in counts if name != NONE]
    if str(options["classifier"]).startswith(CLIP):
        counts = counts[groups]  # this reader never says none
    target = {name: 1 / len(groups) if name in groups else 0.0 for name in counts.columns}
    neutral = counts[table["kind"] == "neutral"]
    neutral = neutral.set_axis(list(table["prompt"][neutral.index]), axis=0).rename_axis("prompt")
    x, pi = neutral.to_numpy(), list(target.values())
    shares = neutral.div(neutral.sum(axis=1), axis=0).add_prefix("share ")
    balance = balance_by_prompt(x, prompts=list(neutral.index), target=pi, confidence=level)
    told: dict[str, Any] = {
        "target": target,
        "confidence": level,
        "prompts": len(x),
        "images": int(x.sum()),
        "detected": int((balance["p_holm"] <= 1 - level).sum()),
    }
    if len(x) > 1:
        mean = mean_imbalance(x, target=pi, confidence=level)
        e = mean.corrected
        told["mean"] = {"value": mean.plug_in, "low": e.low, "high": e.high}
        told["mean corrected"] = {"value": e.value, "low": e.low, "high": e.high}
        told["floor"] = mean.floor
    tables = {"balance": shares.join(balance)}
    if confusion is not None:
        known = [name for name in neutral if name in confusion.labels or neutral[name].any()]
        tables["corrected"] = corrected_by_prompt(
            neutral[known], confusion, target=target, confidence=level
        )
    tables = {name: one.reset_index() for name, one in tables.items()}
    tables["named"] = read_as_named(table, counts, confidence=level)
    if options["paths"]:
        tables["certificates"] = certified_prompts(
            process, rows, table, n=options["paths"], delta=options["delta"],
            confidence=level, seed=options["seed"],
        )  # fmt: skip
    report = prompts(told, tables, reader=options["classifier"] or "a list of readings",
                     delta=options["delta"])  # fmt: skip
    told["tables"] = {name: records(one) for name, one in tables.items()}
    return report, told, tables


def _drawn(said: dict[str, Any], options: dict[str, Any]) -> str:
    listed = plain(str(Path(options["out"]) / "images.csv"))
    return "\n".join([
        f"Sampler: {said['sampler']}.",
        f"Drawn: {said['pictures']} pictures of {said['prompts']} neutral prompts and their "
        f"groups' prompts ({said['kept']} kept from an interrupted run).",
        f"Now write the group that is seen into the column group of {listed}; leave it empty where",
        "none is seen. Then repeat this line with --readings and that list, and another --out.",
    ])  # fmt: skip


def _text(said: dict[str, Any], answer: str, tables: dict[str, Any]) -> str:
    shown = (
        f"{name}\n{table_text(one, index=False, float_format=lambda x: f'{x:.3f}')}"
        for name, one in tables.items()
    )
    return "\n\n".join([f"Sampler: {said['sampler']}.\n{plain(answer)}", *shown])
