"""Rows of a table of embeddings that were asked for, and how many of them memory may hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from bbb_core.errors import InputError

__all__ = [
    "ANY_SIZE",
    "MAX_TEXT",
    "MAX_VALUES",
    "Found",
    "Wanted",
    "check_size",
    "picked",
    "ragged",
    "together",
]

#: Bytes of a file of which rows are picked.
ANY_SIZE = 2**62

#: Most numbers that are kept (2 GiB as float32).
MAX_VALUES = 2**29

#: Most characters of all texts that are kept.
MAX_TEXT = 2**28

Wanted = Collection[str] | None
"""The texts that are asked for; None for all of them."""


@dataclass(frozen=True)
class Found:
    """Texts with their rows [kept, d], and where they stand among the `size` rows of a part."""

    texts: list[str]
    places: list[int]
    rows: np.ndarray
    size: int


def together(path: Path, found: Iterable[Found]) -> Found:
    """Return what the parts hold as one, in their order.

    Raises
    ------
    InputError
        If rows have different lengths, or are more than memory should hold.
    """
    kept: list[Found] = []
    numbers = 0
    for one in found:
        kept += [one] if one.size else []
        numbers += one.rows.size
        check_size(path, one.rows.shape, numbers=numbers)
    before = list(accumulate((one.size for one in kept), initial=0))
    first = next((one for one in kept if one.texts), None)
    if first is None:
        return Found([], [], np.empty((0, 1)), before[-1])
    for one, start in zip(kept, before, strict=False):
        if one.texts and one.rows.shape[1:] != first.rows.shape[1:]:
            raise ragged(path, start, one.rows.shape[-1], first.rows.shape[-1])
    return Found(
        [text for one in kept for text in one.texts],
        [start + at for one, start in zip(kept, before, strict=False) for at in one.places],
        np.concatenate([one.rows for one in kept if one.texts]),
        before[-1],
    )


def picked(texts: Iterable[str], wanted: Wanted) -> tuple[list[str], list[int], int]:
    """Return the texts that are asked for, their places among all, and how many there are."""
    found: list[str] = []
    places: list[int] = []
    size = 0
    for text in texts:
        if wanted is None or text in wanted:
            found.append(text)
            places.append(size)
        size += 1
    return found, places, size


def ragged(path: Path, row: int, found: int, first: int) -> InputError:
    """Return the error that a row has another length than those before."""
    return InputError(
        f"table {path}: row {row} has {found} values but rows before have {first}; give all "
        "rows one length."
    )


def check_size(path: Path, shape: Any, *, numbers: int = 0, characters: int = 0) -> None:
    """Refuse more numbers, or characters, than memory should hold."""
    for found, most, what in (
        (numbers, MAX_VALUES, "numbers"), (characters, MAX_TEXT, "characters of text"),
    ):  # fmt: skip
        if found > most:
            raise InputError(
                f"table {path} announces shape {tuple(shape)}, more than {most} {what}; split it."
            )
