"""Columns while they are read: numbers in a notation that was said, labels as they are written.

Nothing is guessed: a cell is what its column asks for, or the reading ends with its place.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bbb_core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BLOCK",
    "LARGEST",
    "NOTATIONS",
    "Column",
    "Counts",
    "Labels",
    "Notation",
    "Numbers",
    "Unreadable",
    "check_cells",
    "clean",
    "lookalikes",
]

BLOCK = 2**16
"""Rows that are read at one time."""

MOST_CELLS = 20_000_000
"""Cells of the columns that are held."""

MOST_TEXT = 100_000_000
"""Characters of all the different labels of a column."""

LARGEST = 1e100
"""Largest size of a number: its square and sums of squares stay finite."""

_UNMEASURED = {"-", "--", "?", "na", "n/a", "nan", "none", "null", "missing", "#n/a"}
_TRUTH = {"true": 1.0, "false": 0.0}


class Unreadable(ValueError):
    """A cell that cannot be read as asked: the rest of a sentence that begins with its place."""


class _Marks(NamedTuple):
    group: str  # characters of which one may stand before every third digit
    point: str


NOTATIONS = {
    "1234.5": _Marks("", "."),
    "1,234.5": _Marks(",", "."),
    "1234,5": _Marks("", ","),
    "1.234,5": _Marks(".", ","),
    "1 234,5": _Marks(" \u00a0\u202f", ","),
}
"""Ways to write one thousand two hundred thirty-four and a half, with their marks."""


class Notation:
    """Parses the numbers of one notation.

    Parameters
    ----------
    name : str
        A key of `NOTATIONS`.

    Examples
    --------
    >>> Notation("1234.5").number("1.200"), Notation("1.234,5").number("1.200")
    (1.2, 1200.0)
    >>> Notation("1,234.5").count("1,200")
    1200
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._marks = NOTATIONS[name]

    @cached_property
    def _whole(self) -> str:
        group = self._marks.group
        if not group:
            return "[0-9]+"
        return rf"(?:[1-9][0-9]{{0,2}}(?:[{re.escape(group)}][0-9]{{3}})+|[0-9]+)"

    @cached_property
    def _number(self) -> re.Pattern[str]:
        point = re.escape(self._marks.point)
        digits = rf"(?:{self._whole}(?:{point}[0-9]*)?|{point}[0-9]+)"
        return re.compile(rf"[+-]?{digits}(?:[eE][+-]?[0-9]+)?")

    @cached_property
    def _count(self) -> re.Pattern[str]:
        return re.compile(rf"({self._whole})(?:{re.escape(self._marks.point)}0)?")

    def number(self, text: str) -> float:
        """Return a finite number of at most `LARGEST`; true and false are 1 and 0.

        Raises
        ------
        Unreadable
            If the text is anything else.
        """
        if self._number.fullmatch(text) is None:
            truth = _TRUTH.get(text.casefold())
            if truth is None:
                raise Unreadable(f"{_short(text)} is no number; {self._remedy(text)}.")
            return truth
        if self._marks.group:
            text = text.translate({ord(mark): None for mark in self._marks.group})
        value = float(text.replace(self._marks.point, "."))
        if abs(value) > LARGEST:
            raise Unreadable(f"{_short(text)} is larger than {LARGEST:g}; rescale the column.")
        return value

    def count(self, text: str) -> int:
        """Return a whole number of at most twelve digits; ``3.0`` is one, ``1.200`` is none.

        Raises
        ------
        Unreadable
            If the text is anything else.
        """
        found = self._count.fullmatch(text)
        digits = "".join(filter(str.isdigit, found[1])) if found else ""
        if not 0 < len(digits) <= 12:
            raise Unreadable(f"{_short(text)} is no whole number; {self._remedy(text, True)}.")
        return int(digits)

    def _remedy(self, text: str, count: bool = False) -> str:
        if not text or text.casefold() in _UNMEASURED:
            return "fill it in" if count else "leave the cell empty if nothing was measured"
        others = [
            name
            for name, other in ((name, Notation(name)) for name in NOTATIONS)
            if (other._count if count else other._number).fullmatch(text)
        ]
        if others:
            return f"if numbers are written like {' or '.join(others)}, say that notation"
        return f"write {'whole numbers' if count else 'numbers like ' + self.name}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def clean(text: str) -> str:
    """Return text without blanks around it, each character in its composed form (NFC)."""
    return unicodedata.normalize("NFC", text.strip())


def lookalikes(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return pairs of names that differ only in case, width or blanks within.

    Examples
    --------
    >>> lookalikes(["Woman", "man", "woman"])
    [('Woman', 'woman')]
    """
    seen: dict[str, str] = {}
    pairs = []
    for name in names:
        key = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        first = seen.setdefault(key, name)
        if first != name:
            pairs.append((first, name))
    return pairs


class Labels:
    """Text as written, blanks around it aside; only an empty cell is missing."""

    def __init__(self) -> None:
        self._codes = array("i")
        self._known: dict[str, int] = {"": -1}  # spelling -> code
        self._names: dict[str, int] = {}
        self._length = 0

    def append(self, cell: str) -> None:
        """Add a cell."""
        self._codes.append(self.code(cell))

    def extend(self, codes: np.ndarray) -> None:
        """Add cells by the codes that `code` gave them; -1 is missing."""
        self._codes.frombytes(codes.astype(np.int32).tobytes())

    def code(self, cell: str) -> int:
        """Return the number of a label, a new one for a new label."""
        code = self._known.get(cell)
        if code is None:
            self._length += len(cell)
            if self._length > MOST_TEXT:
                raise Unreadable(f"holds more than {MOST_TEXT} characters of labels; shorten them.")
            name = clean(cell)
            code = self._names.setdefault(name, len(self._names)) if name else -1
            self._known[cell] = code
        return code

    def values(self) -> pd.Categorical:
        """Return the column; missing cells have the code -1."""
        import pandas as pd

        codes = np.frombuffer(self._codes, np.int32) if self._codes else np.empty(0, np.int32)
        names = pd.Index(list(self._names), dtype=object)
        return pd.Categorical.from_codes(codes, names)

    def clear(self) -> None:
        """Forget the cells; labels keep their codes."""
        self._codes = array("i")


class Numbers:
    """Finite numbers; an empty cell is missing and becomes NaN."""

    refusal = f"no finite number of at most {LARGEST:g}"

    def __init__(self, notation: Notation) -> None:
        self._values = array("d")
        self._parse = notation.number

    def append(self, cell: str) -> None:
        """Add a cell."""
        self._values.append(self.parse(cell))

    def parse(self, cell: str) -> float:
        """Return the number in a cell."""
        cell = cell.strip()
        return self._parse(cell) if cell else float("nan")

    def refused(self, values: np.ndarray) -> np.ndarray:
        """Return which numbers the column does not take."""
        return np.abs(values) > LARGEST

    def extend(self, values: np.ndarray) -> None:
        """Add numbers that were checked."""
        self._values.frombytes(values.astype(np.float64).tobytes())

    def values(self) -> np.ndarray:
        """Return the column in float64."""
        return np.frombuffer(self._values, np.float64) if self._values else np.empty(0)

    def clear(self) -> None:
        """Forget the cells."""
        self._values = array("d")


class Counts(Numbers):
    """Whole numbers; a missing one is no zero and is refused."""

    refusal = "no whole number of at most twelve digits"

    def __init__(self, notation: Notation) -> None:
        super().__init__(notation)
        self._parse = notation.count

    def parse(self, cell: str) -> float:
        """Return the whole number in a cell."""
        return float(self._parse(cell.strip()))

    def refused(self, values: np.ndarray) -> np.ndarray:
        """Return which numbers are no counts."""
        return ~((values >= 0) & (values < 1e12) & (values == np.floor(values)))

    def values(self) -> np.ndarray:
        """Return the column in int64."""
        return super().values().astype(np.int64)


Column = Labels | Numbers


def check_cells(title: str, rows: int, columns: int) -> None:
    """Refuse a table of more than `MOST_CELLS` cells."""
    if rows * columns > MOST_CELLS:
        raise InputError(
            f"{title} has more than {MOST_CELLS} cells in {columns} columns; split it."
        )
