"""How numbers are written in a file: said by the user, parsed strictly, never guessed."""

from __future__ import annotations

import re
from functools import cached_property
from typing import NamedTuple

__all__ = ["LARGEST", "NOTATIONS", "Notation", "Unreadable"]

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
