"""The list of drawn pictures: names that say what drew them, and the readings filled in.

So the call that reads finds out whether it belongs to the call that drew, wherever the list or a
part of it has been in between.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import numpy as np

from bbb_core.errors import InputError
from bbb_core.io.cells import plain
from bbb_core.io.identity import digest
from bbb_core.io.writing import sha256

__all__ = ["NEITHER", "picture_order", "read_list", "run_name"]

NEITHER = {"", "none", "unclear"}
"""Readings that name no group: an empty cell, and what `bbb study` writes."""

_DRAWING = ("sweep", "images", "seed", "steps", "sampler", "eta", "guidance")
"""Options that decide what is drawn, besides the model and the group prompts."""

_RUN = re.compile(r"m([0-9a-f]{6})-p([0-9a-f]{6})-s([0-9a-f]{6})-[0-9]{5}\.png")


def run_name(options: dict[str, Any], files: dict[str, Path], groups: dict[str, str]) -> str:
    """Return what names a run: hashes of the model, of the group prompts and of the drawing."""
    from bbb_core.embedding import load_encoder

    encoder = options["encoder"] and load_encoder(options["encoder"]).fingerprint
    model = [{name: sha256(path, name=name) for name, path in files.items()}, encoder]
    drawing = {name: options[name] for name in _DRAWING}
    parts = {"m": model, "p": list(groups.items()), "s": drawing}
    return "-".join(letter + digest(value)[:6] for letter, value in parts.items())


def picture_order(run: str, points: int, options: dict[str, Any]) -> dict[str, int]:
    """Return the point (or prompt) of each picture by its name, in an order drawn by lot."""
    from bbb_core.rng import generator

    n = points * options["images"]
    shuffled = generator(options["seed"], "order of the sweep").permutation(n)
    return {f"{run}-{i:05d}.png": int(j) // options["images"] for i, j in enumerate(shuffled)}


def read_list(path: str, order: dict[str, int], groups: list[str], points: int) -> np.ndarray:
    """Return how many pictures show each group, and none of them, [points, groups + 1]."""
    from bbb_core.io.sources import open_table

    file = open_table(path, name="--readings", needs=["file"])
    column = "label" if "label" in file.columns and "group" not in file.columns else "group"
    file.need(["file", column], advice="It is the list images.csv of the call that drew.")
    table = file.read(labels=["file", column])
    counts, seen = np.zeros((points, len(groups) + 1), np.int64), set()
    for row, written in enumerate(table.keys("file")):
        name = PurePosixPath(written.replace("\\", "/")).name
        if name not in order:
            _refuse(name, next(iter(order)), table.place(row))
        if name in seen:
            raise InputError(f"{table.place(row)}: {name} stands twice; keep one of the rows.")
        seen.add(name)
        cell = table.labels[column][row]
        reading = "" if table.labels[column].codes[row] < 0 else str(cell)
        if reading not in groups and reading not in NEITHER:
            raise InputError(
                f"{table.place(row)}: {reading!r} is no group; write "
                f"{' or '.join(map(repr, groups))}, or leave the cell empty for neither."
            )
        counts[order[name], groups.index(reading) if reading in groups else -1] += 1
    lacking = [name for name in order if name not in seen]
    if lacking:
        raise InputError(
            f"{table.title} lacks {len(lacking)} of {len(order)} pictures, such as {lacking[0]}; "
            "give every picture a row, with an empty cell for neither."
        )
    return counts


def _refuse(name: str, own: str, place: str) -> NoReturn:
    """Say what about a picture is of another run, or that it is of none."""
    theirs, ours = _RUN.fullmatch(name), _RUN.fullmatch(own)
    if theirs is None or ours is None or theirs.groups() == ours.groups():
        raise InputError(f"{place}: {plain(name)!r} is no picture of this run; remove the row.")
    parts = (
        "by another model or encoder",
        "with other group prompts",
        f"with other settings ({', '.join('--' + name for name in _DRAWING)})",
    )
    pairs = zip(parts, theirs.groups(), ours.groups(), strict=True)
    differ = " and ".join(part for part, one, other in pairs if one != other)
    raise InputError(f"{place}: {name} was drawn {differ}; repeat the line that drew it.")
