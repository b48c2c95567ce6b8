"""Tables as text: CSV and its relatives, read line by line."""

from __future__ import annotations

import contextlib
import csv
import itertools
from array import array
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.io.columns import BLOCK, Column, Unreadable, clean
from bbb_core.io.files import open_text, shown

__all__ = ["MOST_BYTES", "SEPARATORS", "DelimitedRows"]

MOST_BYTES = 2_000_000_000
"""Bytes of a file, and of what a gzip file holds."""

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
"""What may part the cells of a line."""


class DelimitedRows:
    """The rows of a table with a header and one row a line, plain or gzipped.

    The separator is the one under which the header has the needed columns (and most columns)
    unless it is said. Lines without any value are skipped.

    Parameters
    ----------
    path, name
        The file, and the option that names it.
    needs
        Columns by which the separator is recognised.
    separator
        A key of `SEPARATORS`, or None.
    """

    unit = "line"

    def __init__(
        self, path: Path, *, name: str, needs: Iterable[str], separator: str | None
    ) -> None:
        said = None if separator is None else checks.choice("separator", separator, SEPARATORS)
        self._separators = [SEPARATORS[said]] if said else list(SEPARATORS.values())
        self._needs = set(map(clean, needs))
        self.path, self.name, self.title = path, name, f"{name} {shown(path)}"
        with contextlib.closing(self._rows()) as rows:
            _, header = next(rows, (0, []))
        if not header:
            raise InputError(f"{self.title} is empty; begin with a line of column names.")
        self.columns = tuple(map(clean, header))

    def _rows(self) -> Generator[tuple[int, list[str]], None, None]:
        """Yield (number of the line, cells) of each row, the header first."""
        with open_text(self.path, name=self.name, most=MOST_BYTES, unpacked=MOST_BYTES) as lines:
            skipped, first = next(((i, x) for i, x in enumerate(lines) if x.strip()), (0, ""))
            reader = _reader(itertools.chain([first], lines), self._separator(first))
            try:
                for row in reader:
                    if any(map(str.strip, row)):
                        yield skipped + reader.line_num, row
            except csv.Error as error:
                raise InputError(
                    f"{self.title}, line {skipped + reader.line_num}: no valid CSV ({error}); "
                    "mend that line."
                ) from None

    def _separator(self, header: str) -> str:
        def columns(separator: str) -> list[str]:
            with contextlib.suppress(csv.Error):
                return list(map(clean, next(_reader([header], separator), [])))
            return []

        found = {separator: columns(separator) for separator in self._separators}
        fits = [s for s, names in found.items() if self._needs.issubset(names)]
        return max(fits or found, key=lambda s: len(found[s]))

    def parts(self) -> list[DelimitedRows]:
        """Return the table: lines are read one after the other."""
        return [self]

    def blocks(self, columns: Sequence[tuple[str, Column]]) -> Iterator[Sequence[int]]:
        """Read the rows into columns by name; yield the lines of every block."""
        places = array("q")
        with contextlib.closing(self._rows()) as rows:
            _, header = next(rows, (0, []))
            if tuple(map(clean, header)) != self.columns:
                raise InputError(f"{self.title} changed while it was read; run again.")
            picks = [(self.columns.index(clean(n)), column.append, n) for n, column in columns]
            for line, row in rows:
                if len(row) != len(header):
                    raise InputError(
                        f"{self.title}, line {line}: {len(row)} cells, but the header has "
                        f"{len(header)}; mend that line."
                    )
                for index, append, name in picks:
                    try:
                        append(row[index])
                    except Unreadable as error:
                        raise InputError(
                            f"{self.title}, line {line}, column {name!r}: {error}"
                        ) from None
                places.append(line)
                if len(places) == BLOCK:
                    yield places
                    places = array("q")
        if places:
            yield places


def _reader(lines: Iterable[str], separator: str) -> Any:
    return csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
