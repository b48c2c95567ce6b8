"""Tables as JSON: records in a list, one a line, or by name; columns of one length, too."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bbb_core.errors import InputError
from bbb_core.io.columns import BLOCK, Column, Numbers, Unreadable, clean
from bbb_core.io.files import open_bytes, open_text, shown

__all__ = ["KEY", "MOST_WHOLE", "JsonRows"]

KEY = "key"
"""Column of the names under which a file holds its records."""

MOST_WHOLE = 32_000_000
"""Bytes of a file that has to be parsed as a whole; it takes twenty times as much memory."""

MOST_LINES = 2_000_000_000
"""Bytes of a file with a record a line."""

MOST_COLUMNS = 10_000


class JsonRows:
    """The rows of a table in JSON, plain or gzipped.

    A record's objects are columns with a dot: ``{"gender": {"man": 1}}`` has ``gender.man``. What a
    record lacks and ``null`` are empty cells. Numbers are JSON's own, whatever the notation.

    Parameters
    ----------
    path, name
        The file, and the option that names it.
    lines
        Whether each line is a record. Otherwise the whole is a list of records, an object of
        records or of lists of records (then the column ``key`` has their names), or an object of
        columns.
    """

    def __init__(self, path: Path, *, name: str, lines: bool) -> None:
        self.path, self.name, self.title = path, name, f"{name} {shown(path)}"
        self.unit = "line" if lines else "record"
        found: dict[str, None] = {}
        for _, record in self._records():
            found.update(dict.fromkeys(record))
            if len(found) > MOST_COLUMNS:
                raise InputError(f"{self.title} has more than {MOST_COLUMNS} columns; split it.")
        if not found:
            raise InputError(f"{self.title} is empty; write records such as {{...}}.")
        self.columns = tuple(found)

    def parts(self) -> list[JsonRows]:
        """Return the table: records are read one after the other."""
        return [self]

    def blocks(self, columns: Sequence[tuple[str, Column]]) -> Iterator[Sequence[int]]:
        """Read the records into columns by name; yield the places of every block."""
        places, picks = array("q"), [(clean(name), column) for name, column in columns]
        for place, record in self._records():
            for name, column in picks:
                try:
                    _append(column, record.get(name))
                except Unreadable as error:
                    raise InputError(
                        f"{self.title}, {self.unit} {place}, column {name!r}: {error}"
                    ) from None
            places.append(place)
            if len(places) == BLOCK:
                yield places
                places = array("q")
        if places:
            yield places

    def _records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield (place, cells by column) of each record."""
        if self.unit == "line":
            with open_text(
                self.path, name=self.name, most=MOST_LINES, unpacked=MOST_LINES
            ) as lines:
                for place, line in enumerate(lines, start=1):
                    if line.strip():
                        yield place, self._cells(self._parsed(line), f"line {place}")
            return
        with open_bytes(self.path, name=self.name, most=MOST_WHOLE) as handle:
            data = handle.read()
        if data.startswith(b"\x1f\x8b"):
            data = self._unpacked(data)
        whole = self._parsed(data)
        for place, (key, record) in enumerate(_listed(whole), start=1):
            cells = self._cells(record, f"record {place}")
            yield place, cells if key is None else {KEY: key, **cells}

    def _unpacked(self, data: bytes) -> bytes:
        try:
            made = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MOST_WHOLE + 1)
        except (EOFError, OSError, zlib.error):
            raise InputError(f"{self.title} is no whole gzip file; copy it again.") from None
        if len(made) > MOST_WHOLE:
            raise InputError(f"{self.title} holds more than {MOST_WHOLE} bytes; split it.")
        return made

    def _parsed(self, text: str | bytes) -> Any:
        try:
            return json.loads(text, parse_constant=_constant, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{self.title} is no valid JSON ({error}); mend it.") from None

    def _cells(self, record: Any, place: str) -> dict[str, Any]:
        if not isinstance(record, dict):
            raise InputError(
                f"{self.title}, {place} is no object with names; write records such as "
                '{"prompt": "nurse", "group": "man"}.'
            )
        cells: dict[str, Any] = {}
        for name, value in _flat(record):
            if name in cells:
                raise InputError(f"{self.title}, {place} has two cells {name!r}; rename one.")
            cells[name] = value
        return cells


def _listed(whole: Any) -> Iterator[tuple[str | None, Any]]:
    """Yield the records of a file, with the names of those that have some."""
    if isinstance(whole, list):
        if not any(isinstance(one, list) for one in whole):
            yield from ((None, one) for one in whole)
            return
        whole = {str(number): one for number, one in enumerate(whole, start=1)}
    if not isinstance(whole, dict):
        yield None, whole
        return
    columns = _columns(whole)
    if columns is not None:
        names, cells = list(columns), zip(*columns.values(), strict=True)
        yield from ((None, dict(zip(names, row, strict=True))) for row in cells)
        return
    for key, value in whole.items():
        # a name without a record is a row of empty cells: a picture in which nothing was found
        yield from ((key, one) for one in (value if isinstance(value, list) else [value]) or [{}])


def _columns(whole: dict[str, Any]) -> dict[str, list[Any]] | None:
    """Return columns as pandas writes them: lists of one length, or objects numbered alike."""
    parts = list(whole.values())
    if parts and all(isinstance(one, dict) and one for one in parts):
        numbers = list(parts[0])
        if all(map(str.isdigit, numbers)) and all(list(one) == numbers for one in parts):
            return {name: list(one.values()) for name, one in whole.items()}
    elif parts and all(isinstance(one, list) for one in parts):
        inner = any(isinstance(cell, (dict, list)) for one in parts for cell in one)
        if not inner and len({len(one) for one in parts}) == 1 and parts[0]:
            return whole
    return None


def _flat(record: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        name = above + clean(key)
        if isinstance(value, dict):
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def _append(column: Column, value: Any) -> None:
    if isinstance(value, list):
        raise Unreadable("a list is no cell; pass text, a number, true or false.")
    if isinstance(column, Numbers) and isinstance(value, (bool, int, float)):
        number = np.array([value if abs(value) <= 1e300 else np.inf], np.float64)
        if column.refused(number)[0]:
            raise Unreadable(f"{str(value)[:40]} is {column.refusal}.")
        column.extend(number)
    else:
        column.append("" if value is None else str(value))


def _constant(name: str) -> None:
    if name != "NaN":  # what writers put where nothing was measured
        raise ValueError(f"{name} is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return made
