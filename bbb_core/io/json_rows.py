"""Tables as JSON: a list of records, or a record a line (JSON lines)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bbb_core.errors import InputError
from bbb_core.io.columns import Column, Numbers, Unreadable, check_cells, clean
from bbb_core.io.files import read_text, shown

__all__ = ["SUFFIXES", "JsonRows"]

SUFFIXES = (".json", ".jsonl", ".ndjson")
"""Names of files that are read as JSON; the first holds one list, the others a record a line."""

MOST_BYTES = 200_000_000


class JsonRows:
    """The rows of a table in JSON: objects whose values are text, numbers, true, false or null.

    The columns are the keys of all records; a record without one has an empty cell there.

    Parameters
    ----------
    path, name
        The file, and the option that names it.
    """

    unit = "record"

    def __init__(self, path: Path, *, name: str) -> None:
        self.title = f"{name} {shown(path)}"
        text = read_text(path, name=name, most=MOST_BYTES)
        try:
            if path.suffix.lower() == SUFFIXES[0]:
                found = json.loads(text, parse_constant=_refuse)
            else:
                lines = filter(str.strip, text.split("\n"))
                found = [json.loads(line, parse_constant=_refuse) for line in lines]
        except (ValueError, RecursionError) as error:
            raise InputError(f"{self.title} is no valid JSON ({error}); mend it.") from None
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise InputError(f"{self.title} holds no list of records; write [{{...}}, {{...}}].")
        self._records = [{clean(key): value for key, value in one.items()} for one in found]
        self.columns = tuple(dict.fromkeys(key for one in self._records for key in one))

    def fill(self, columns: Sequence[tuple[str, Column]]) -> Sequence[int]:
        """Read the records into columns by name; return the number of each, from 1."""
        check_cells(self.title, len(self._records), len(columns))
        for number, record in enumerate(self._records, 1):
            for name, column in columns:
                try:
                    _append(column, record.get(clean(name)))
                except Unreadable as error:
                    place = f"{self.title}, record {number}, column {name!r}"
                    raise InputError(f"{place}: {error}") from None
        return range(1, len(self._records) + 1)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _append(column: Column, value: Any) -> None:
    if isinstance(value, (dict, list)):
        raise Unreadable("a list or an object is no cell; pass text, a number, true or false.")
    if isinstance(column, Numbers) and isinstance(value, (int, float)):  # whatever the notation
        number = np.array([value], dtype=object)
        if not abs(value) <= 1e100 or column.refused(number.astype(np.float64))[0]:
            raise Unreadable(f"{str(value)[:40]} is {column.refusal}.")
        column.extend(number.astype(np.float64))
    elif value is None or isinstance(value, bool):
        column.append("" if value is None else str(value).lower())
    else:
        column.append(str(value))
