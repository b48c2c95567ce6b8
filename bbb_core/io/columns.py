"""Columns while they are read: compact, and strict about every cell."""

from __future__ import annotations

import unicodedata
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bbb_core.io.notation import LARGEST, Notation, Unreadable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Counts", "Labels", "Numbers", "clean", "lookalikes"]

MOST_TEXT = 100_000_000
"""Characters of all the different labels of a column."""


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
