"""Rows with equal labels as one row, with their number and sums: what audits are made of.

A table is read in parts, and a part in blocks; what is held grows with the number of different
rows, not with the number of rows. Sums of parts are added in the order of the parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bbb_core.errors import InputError
from bbb_core.io.columns import Labels, Unreadable
from bbb_core.io.tables import Table, TableFile
from bbb_core.io.workers import Over

__all__ = ["MOST_DIFFERENT", "Tally", "tally"]

MOST_DIFFERENT = 5_000_000
"""Rows that differ in their labels."""

Measure = Callable[[Table], tuple[np.ndarray, ...]]
"""From a block of n rows: more codes, whole numbers [e, n]; numbers to add up, [m, n]; and numbers
of which the largest counts, [h, n]."""


@dataclass(frozen=True)
class Tally:
    """The different rows of a table, in the order in which they first stand in it.

    Parameters
    ----------
    table : Table
        Their labels, the place of each one's first row, and how many rows each stands for.
    codes : numpy.ndarray, shape [e, different]
        What else they differ in.
    sums : numpy.ndarray, shape [m, different]
        Sums over the rows that each stands for.
    largest : numpy.ndarray, shape [h, different]
        The largest numbers among them.
    """

    table: Table
    codes: np.ndarray
    sums: np.ndarray
    largest: np.ndarray


def tally(
    file: TableFile,
    *,
    labels: Sequence[str],
    measure: Measure,
    over: Over = map,
    **roles: Sequence[str],
) -> Tally:
    """Count the different rows of a table, and add up what is measured of them.

    Parameters
    ----------
    file
        The table.
    labels
        Columns of text in which rows differ or not; an empty cell is one more label.
    measure
        What else rows differ in, and what is added up: a function that workers can be sent.
    over
        See `workers.workers`.
    **roles
        Columns of ``numbers`` and ``counts`` that `measure` looks at.

    Raises
    ------
    InputError
        See `TableFile.read`; or if more than `MOST_DIFFERENT` rows differ.
    """
    labels = list(dict.fromkeys(labels))
    file.need([*labels, *(name for names in roles.values() for name in names)])
    work = partial(_part, labels=labels, measure=measure, roles=roles)
    words, cells = [Labels() for _ in labels], _Cells(file.title)
    for part, known in over(work, file.parts()):
        codes = part.codes()
        for row, (column, names) in enumerate(zip(words, known, strict=True)):
            try:
                codes[row] = np.array([*map(column.code, names), -1])[codes[row]]
            except Unreadable as error:
                raise InputError(f"{file.title}, column {labels[row]!r}: {error}") from None
        cells.add(codes, part.places, part.rows, part.sums, part.largest)
    codes, made = cells.codes(), {}
    for name, column, own in zip(labels, words, codes, strict=False):
        column.extend(own)
        made[name] = column.values()
    table = Table(made, {}, {}, cells.places, file.title, file.unit, cells.rows)
    return Tally(table, codes[len(labels) :], cells.sums, cells.largest)


def _part(
    part: TableFile, *, labels: Sequence[str], measure: Measure, roles: Any
) -> tuple[_Cells, list[list[str]]]:
    """Return the different rows of a part, and the labels of its codes."""
    cells = _Cells(part.title)
    for block in part.blocks(labels=labels, **roles):
        columns = [block.labels[name] for name in labels]
        names = [column.categories.tolist() for column in columns]
        more, *values = measure(block)
        codes = np.array([*(column.codes for column in columns), *more], np.int64)
        cells.add(codes, block.places, np.ones(len(block), np.int64), *values)
    return cells, names


class _Cells:
    """Sums over rows with equal codes, in the order of the first of each."""

    def __init__(self, title: str) -> None:
        self.title, self.width = title, 0
        self.places: list[int] = []
        self.rows = np.zeros(0, np.int64)
        self.sums = self.largest = np.zeros((0, 0))
        self._known: dict[tuple[int, ...], int] = {}

    def codes(self) -> np.ndarray:
        """Return the codes of every cell, [columns, cells]."""
        return np.array(list(self._known), np.int64).reshape(-1, self.width).T

    def add(
        self,
        codes: np.ndarray,
        places: Sequence[int],
        rows: np.ndarray,
        sums: np.ndarray,
        largest: np.ndarray,
    ) -> None:
        """Add n rows: their codes [columns, n], how many each stands for, and what is measured."""
        import pandas as pd

        self.width, n = codes.shape
        same = np.zeros(n, np.int64)
        for code in codes:
            same, _ = pd.factorize(same * (code.max(initial=0) + 2) + code + 1)
        first = np.empty(same.max(initial=-1) + 1, np.int64)
        first[same[::-1]] = np.arange(n)[::-1]
        before = len(self._known)
        spots = [
            self._known.setdefault(key, len(self._known))
            for key in map(tuple, codes[:, first].T.tolist())
        ]
        fresh = [at for at, spot in zip(first.tolist(), spots, strict=True) if spot >= before]
        if len(self._known) > MOST_DIFFERENT:
            raise InputError(
                f"{self.title} has more than {MOST_DIFFERENT} rows with different labels; merge "
                "rare ones, or split it."
            )
        self.places += [places[at] for at in fresh]
        self.rows = np.concatenate([self.rows, np.zeros(len(fresh), np.int64)])
        self.sums = _wider(self.sums, sums, len(self.rows), 0.0)
        self.largest = _wider(self.largest, largest, len(self.rows), -np.inf)
        cell = np.array(spots, np.int64)[same]
        for total, added in zip((self.rows, *self.sums), (rows, *sums), strict=True):
            np.add.at(total, cell, added)
        for most, value in zip(self.largest, largest, strict=True):
            np.maximum.at(most, cell, value)


def _wider(held: np.ndarray, like: np.ndarray, cells: int, fill: float) -> np.ndarray:
    """Return what is held with room for more cells."""
    made = np.full((len(like), cells), fill, like.dtype)
    made[: len(held), : held.shape[1]] = held
    return made
