"""Golden files: the outputs of the claim cells under the preset `ci`, which nbval compares.

papermill executes a chapter; `with_golden` replaces the outputs of its claim cells by the stored
ones; nbval executes the result again and compares. So a changed number anywhere in `bbb_core`
turns the comparison red, and the stored numbers change only when somebody stores them anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bbb_core.errors import InputError
from bbb_core.io.writing import write_json

__all__ = ["claim_cells", "golden_of", "with_golden", "write_golden"]

_TAGS = {"claim", "nbval-check-output"}


def claim_cells(notebook: dict[str, Any], *, name: str) -> list[dict[str, Any]]:
    """Give the cells that carry claims, after checking their tags and outputs.

    Raises
    ------
    InputError
        If a cell records a claim without the tags `claim` and `nbval-check-output`, or a tagged
        cell shows anything but records and glued texts.
    """
    found = []
    for cell in notebook["cells"]:
        outputs = cell.get("outputs", [])
        ids = [o["metadata"]["bbb"]["id"] for o in outputs if "bbb" in o.get("metadata", {})]
        tags = set(cell["metadata"].get("tags", []))
        if ids and not tags >= _TAGS:
            raise InputError(
                f"chapter '{name}': the cell that records '{ids[0]}' lacks the tags "
                f"{' and '.join(sorted(_TAGS - tags))}."
            )
        if "claim" in tags:
            if not ids:
                raise InputError(f"chapter '{name}': a cell is tagged 'claim' but records none.")
            spare = [o for o in outputs if not {"bbb", "scrapbook"} & set(o.get("metadata", {}))]
            if spare:
                raise InputError(
                    f"chapter '{name}': the cell that records '{ids[0]}' shows something else; "
                    "move that to a cell of its own."
                )
            found.append(cell)
    return found


def golden_of(notebook: Path) -> dict[str, Any]:
    """Take the outputs of the claim cells of an executed notebook."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    cells = claim_cells(content, name=notebook.stem)
    preset = content["metadata"].get("bbb", {}).get("preset")
    return {"preset": preset, "cells": [_stored(cell) for cell in cells]}


def write_golden(notebook: Path, folder: Path) -> Path:
    """Store the golden file of an executed notebook in `folder`."""
    target = folder / f"{notebook.stem}.json"
    write_json(target, golden_of(notebook))
    return target


def with_golden(notebook: Path, folder: Path, target: Path) -> Path:
    """Write the executed notebook to `target` with the stored outputs in its claim cells.

    Raises
    ------
    InputError
        If the golden file is missing, or was made from other claim cells.
    """
    source = folder / f"{notebook.stem}.json"
    content = json.loads(notebook.read_text(encoding="utf-8"))
    cells = claim_cells(content, name=notebook.stem)
    remedy = "run `make golden` and review the difference"
    try:
        stored = json.loads(source.read_text(encoding="utf-8"))["cells"]
        ids = [list(cell["claims"]) for cell in stored]
        outputs = [list(cell["outputs"]) for cell in stored]
    except FileNotFoundError:
        raise InputError(f"chapter '{notebook.stem}' has no golden file; {remedy}.") from None
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError(f"the golden file {source.name} cannot be read: {error}") from error
    if [_ids(cell) for cell in cells] != ids:
        raise InputError(f"chapter '{notebook.stem}' records other claims; {remedy}.")
    for cell, golden in zip(cells, outputs, strict=True):
        cell["outputs"] = [
            {"output_type": "display_data", "data": data, "metadata": {}} for data in golden
        ]
    write_json(target, content)
    return target


def _ids(cell: dict[str, Any]) -> list[str]:
    records = (output["metadata"].get("bbb") for output in cell["outputs"])
    return [record["id"] for record in records if record]


def _stored(cell: dict[str, Any]) -> dict[str, Any]:
    outputs = [
        {mime: "".join(text) for mime, text in output["data"].items()} for output in cell["outputs"]
    ]
    return {"claims": _ids(cell), "outputs": outputs}
