"""Tables of users: one whose rows are still to be read, in any format, and one that was read."""

from __future__ import annotations

import bisect
import copy
import difflib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.io.columns import (
    NOTATIONS,
    Column,
    Counts,
    Labels,
    Notation,
    Numbers,
    check_cells,
    clean,
    lookalikes,
)
from bbb_core.io.delimited import SEPARATORS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NOTATIONS", "SEPARATORS", "Places", "Rows", "Table", "TableFile"]


@dataclass(frozen=True)
class Table:
    """Columns that were read from a file.

    Parameters
    ----------
    labels : mapping of str to pandas.Categorical
        Text as written; missing (code -1) only where the cell is empty.
    numbers : mapping of str to numpy.ndarray
        float64, NaN where the cell is empty.
    counts : mapping of str to numpy.ndarray
        int64, none missing.
    places : sequence of int
        For each row its line in a CSV file, or its number from 1 in a parquet file.
    title, unit : str
        How a message names the file, and a place in it: ``"FILE scores.csv"``, ``"line"``.
    rows : numpy.ndarray, optional
        How many rows of the file each of these stands for; None: itself only.
    """

    labels: Mapping[str, pd.Categorical]
    numbers: Mapping[str, np.ndarray]
    counts: Mapping[str, np.ndarray]
    places: Sequence[int]
    title: str
    unit: str
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.places)

    @property
    def weight(self) -> np.ndarray:
        """How many rows of the file each row stands for, int64."""
        return np.ones(len(self), np.int64) if self.rows is None else self.rows

    def place(self, row: int) -> str:
        """Return how a message names a row, counted from 0."""
        return f"{self.title}, {self.unit} {self.places[row]}"

    def keys(self, column: str) -> list[str]:
        """Return the labels of a column in which each stands once and none is missing.

        Raises
        ------
        InputError
            If a cell is empty or repeats an earlier one; the message names the place.
        """
        labels = self.labels[column]
        fresh = np.zeros(len(self), bool)
        fresh[np.unique(labels.codes, return_index=True)[1]] = True
        wrong = np.flatnonzero((labels.codes < 0) | ~fresh)
        if wrong.size:
            row = int(wrong[0])
            how = "is empty" if labels.codes[row] < 0 else f"{labels[row]!r} stands twice"
            raise InputError(f"{self.place(row)}: {column} {how}; mend that row.")
        return [str(label) for label in labels]

    @property
    def missing(self) -> dict[str, int]:
        """How many cells of each column of labels or numbers are empty."""
        empty = {name: column.codes < 0 for name, column in self.labels.items()}
        empty |= {name: np.isnan(x) for name, x in self.numbers.items()}
        return {name: int(self.weight[rows].sum()) for name, rows in empty.items()}

    @property
    def notes(self) -> list[str]:
        """Sentences about labels that look alike but are kept apart."""
        return [
            f"{name}: {first!r} and {second!r} are written differently, so they are two labels"
            for name, column in self.labels.items()
            for first, second in lookalikes(list(column.categories))
        ]


@runtime_checkable
class Rows(Protocol):
    """The rows of a file, such as `delimited.DelimitedRows` or `parquet.ParquetRows`."""

    title: str
    unit: str
    columns: tuple[str, ...]

    def parts(self) -> Sequence[Rows]:
        """Return parts that can be read by themselves; their rows are these, in this order."""
        ...

    def blocks(self, columns: Sequence[tuple[str, Column]]) -> Iterator[Sequence[int]]:
        """Read the rows into columns by name, block by block; yield the places of each."""
        ...


class Places(Sequence[int]):
    """Places of several blocks, one block after the other."""

    def __init__(self, blocks: Sequence[Sequence[int]]) -> None:
        self._blocks = blocks
        self._ends = list(itertools.accumulate(map(len, blocks), initial=0))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, row: Any) -> Any:
        row = range(len(self))[row]
        block = bisect.bisect_right(self._ends, row) - 1
        return self._blocks[block][row - self._ends[block]]


class TableFile:
    """A table whose columns are known and whose rows are still to be read.

    Parameters
    ----------
    rows
        The file's rows, and its header, blanks around the names aside.
    notation : str
        How the numbers are written, a key of `NOTATIONS`.
    """

    def __init__(self, rows: Rows, *, notation: str) -> None:
        self._rows = rows
        self.title, self.unit, self.columns = rows.title, rows.unit, rows.columns
        self._notation = Notation(checks.choice("notation", notation, NOTATIONS))

    def read(
        self,
        *,
        labels: Sequence[str] = (),
        numbers: Sequence[str] = (),
        counts: Sequence[str] = (),
    ) -> Table:
        """Read some columns as labels, numbers or counts; the others are left alone.

        Raises
        ------
        InputError
            If a column is missing or stands twice, a cell cannot be read as asked, the file is
            damaged, or there are too many cells; the message names the place.
        """
        read = self._columns(labels, numbers, counts)
        pairs = [pair for columns in read.values() for pair in columns.items()]
        found: list[Sequence[int]] = []
        for places in self._rows.blocks(pairs):
            found.append(places)
            check_cells(self.title, sum(map(len, found)), len(pairs))
        return self._table(read, Places(found))

    def blocks(
        self,
        *,
        labels: Sequence[str] = (),
        numbers: Sequence[str] = (),
        counts: Sequence[str] = (),
    ) -> Iterator[Table]:
        """Read the same block by block: a label has the same code in all of them.

        Memory holds one block of rows, and the different labels. The last block is empty, so that
        there always is one.

        Raises
        ------
        InputError
            See `read`; there is no bound on cells.
        """
        read = self._columns(labels, numbers, counts)
        pairs = [pair for columns in read.values() for pair in columns.items()]
        for places in itertools.chain(self._rows.blocks(pairs), [()]):
            yield self._table(read, places)
            for _, column in pairs:
                column.clear()

    def parts(self) -> list[TableFile]:
        """Return parts that can be read by themselves; their rows are these, in this order.

        The files of a folder, and row groups of parquet; however many workers there are.
        """
        found = []
        for rows in self._rows.parts():
            part = copy.copy(self)
            part._rows = rows
            found.append(part)
        return found

    def _columns(
        self, labels: Sequence[str], numbers: Sequence[str], counts: Sequence[str]
    ) -> dict[str, dict[str, Column]]:
        self.need([*labels, *numbers, *counts])
        return {
            "labels": {name: Labels() for name in labels},
            "numbers": {name: Numbers(self._notation) for name in numbers},
            "counts": {name: Counts(self._notation) for name in counts},
        }

    def _table(self, read: dict[str, dict[str, Column]], places: Sequence[int]) -> Table:
        made: dict[str, Any] = {
            role: {name: column.values() for name, column in columns.items()}
            for role, columns in read.items()
        }
        return Table(**made, places=places, title=self.title, unit=self.unit)

    def need(self, names: Iterable[str], *, advice: str = "") -> None:
        """Refuse the file unless each of the columns stands in it exactly once.

        `advice` is a sentence that follows the message about a missing column.

        Raises
        ------
        InputError
            The message names the columns that there are.
        """
        for name in map(clean, names):
            if self.columns.count(name) > 1:
                raise InputError(f"{self.title} has two columns {name!r}; rename one.")
            if name not in self.columns:
                near = difflib.get_close_matches(
                    name.casefold(), [column.casefold() for column in self.columns], n=1
                )
                hint = next((c for c in self.columns if [c.casefold()] == near), None)
                known = ", ".join(map(repr, self.columns[:12])) or "none"
                raise InputError(
                    f"{self.title} has no column {name!r}"
                    + (f" (did you mean {hint!r}?)" if hint else "")
                    + f"; it has {known}{', ...' if len(self.columns) > 12 else ''}."
                    + (f" {advice}" if advice else "")
                )
