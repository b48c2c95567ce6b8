"""The one reader of users' tables: in any format, or a folder of tables of one format.

`open_table` gives a file whose columns are known and whose rows are still to be read; `read_table`
reads named columns at once.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bbb_core.errors import InputError
from bbb_core.io.columns import Column
from bbb_core.io.delimited import DelimitedRows
from bbb_core.io.files import shown
from bbb_core.io.tables import Rows, Table, TableFile

__all__ = ["SUFFIXES", "numbered", "open_table", "read_table", "source_files"]

SUFFIXES = {
    "csv": "text", "tsv": "text", "tab": "text", "txt": "text",
    "json": "json", "jsonl": "lines", "ndjson": "lines",
    "parquet": "parquet", "pq": "parquet",
    "arrow": "arrow", "feather": "arrow", "ipc": "arrow",
}  # fmt: skip
"""Formats by the ending of a file's name, ``.gz`` aside; every other ending means text."""

MOST_FILES = 10_000
"""Tables of a folder."""


def open_table(
    path: str | Path,
    *,
    name: str = "FILE",
    needs: Iterable[str] = (),
    separator: str | None = None,
    notation: str = "1234.5",
) -> TableFile:
    r"""Open a table in any format whose columns are to be looked at before they are read.

    Parameters
    ----------
    path
        A file: parquet, Arrow (``.arrow``, ``.feather``, streams too), JSON, JSON lines, or text
        with a header; text and JSON may be gzipped. Or a folder: its ``metadata.*`` if there is
        one (a list beside images), else all its tables, which must have one format and the same
        columns; other files are left alone.
    name
        The option or argument, as messages call it.
    needs
        Columns by which the separator of text is recognised.
    separator
        A key of `SEPARATORS`; by default the one that parts the header into `needs`.
    notation
        How numbers are written in text, a key of `NOTATIONS`. It is never guessed.

    Returns
    -------
    TableFile
        With the attribute ``columns`` and the methods ``need`` and ``read``.

    Raises
    ------
    InputError
        If a file is of no use, or a folder holds no table or different ones.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "1.jsonl").write_text('{"group": "NA"}\n{"group": null}\n')
    >>> _ = (folder / "2.jsonl").write_text('{"group": true}\n')
    >>> table = open_table(folder).read(labels=["group"])
    >>> list(table.labels["group"].categories), table.missing, table.place(2).split(", ")[1]
    (['NA', 'True'], {'group': 1}, 'line 1 of 2.jsonl')
    """
    files = source_files(path, name=name)
    parts = [_rows(file, name, tuple(needs), separator) for file in files]
    rows = parts[0] if files == [Path(path)] else _Shards(parts, files, f"{name} {shown(path)}")
    return TableFile(rows, notation=notation)


def read_table(
    path: str | Path,
    *,
    labels: Sequence[str] = (),
    numbers: Sequence[str] = (),
    counts: Sequence[str] = (),
    name: str = "FILE",
    separator: str | None = None,
    notation: str = "1234.5",
) -> Table:
    r"""Read named columns of a table; the others are left alone.

    Labels are text as written, ``NA``, ``None`` and ``null`` too: only an empty cell is missing.
    Numbers and counts are parsed strictly. Sizes are bounded before anything is kept.

    Parameters
    ----------
    labels, numbers, counts
        Columns to read as text, as float64 with NaN for empty cells, and as whole numbers.
    path, name, separator, notation
        See `open_table`.

    Raises
    ------
    InputError
        See `open_table` and `TableFile.read`; the message names file, line and column.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "scores.csv"
    >>> _ = file.write_text("race,score\nNA,0.5\n,0.25\n")
    >>> table = read_table(file, labels=["race"], numbers=["score"])
    >>> list(table.labels["race"].categories), table.numbers["score"].tolist(), table.missing
    (['NA'], [0.5, 0.25], {'race': 1, 'score': 0})
    """
    file = open_table(
        path,
        name=name,
        needs=[*labels, *numbers, *counts],
        separator=separator,
        notation=notation,
    )
    return file.read(labels=labels, numbers=numbers, counts=counts)


def source_files(path: str | Path, *, name: str = "FILE") -> list[Path]:
    """Return the files that `open_table` reads, in the order of their names.

    Raises
    ------
    InputError
        If a folder holds no table, too many, or tables of several formats.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    try:
        held = sorted(path.iterdir(), key=numbered)
    except OSError as error:
        raise InputError(f"{name} {shown(path)} cannot be read ({error.strerror}).") from None
    aside = re.compile(r"\..*|.*_stats\.json")  # hidden files, and img2dataset's beside its shards
    tables = [one for one in held if _ending(one) in SUFFIXES and not aside.fullmatch(one.name)]
    lists = [one for one in tables if one.name.casefold().startswith("metadata.")]
    found = lists[:1] or [one for one in tables if _ending(one) != "txt"]
    kinds = sorted({_ending(one) for one in found})
    if len(kinds) != 1 or len(found) > MOST_FILES:
        several = f"tables of several formats ({', '.join(kinds)})" if kinds else "no table"
        what = f"more than {MOST_FILES} tables" if len(kinds) == 1 else several
        raise InputError(f"{name} {shown(path)} holds {what}; name a file, or one format's folder.")
    return found


def numbered(path: Path) -> list[tuple[int, str]]:
    """Return the key that sorts files by name, ``part-10`` after ``part-2``."""
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in re.split(r"([0-9]+)", path.name)]


def _ending(path: Path) -> str:
    return path.name.casefold().removesuffix(".gz").rpartition(".")[2]


def _rows(path: Path, name: str, needs: Sequence[str], separator: str | None) -> Rows:
    match SUFFIXES.get(_ending(path), "text"):
        case "parquet":
            from bbb_core.io.parquet import ParquetRows

            return ParquetRows(path, name=name)
        case "arrow":
            from bbb_core.io.arrow import ArrowRows

            return ArrowRows(path, name=name)
        case "json" | "lines" as kind:
            from bbb_core.io.records import JsonRows

            return JsonRows(path, name=name, lines=kind == "lines")
    return DelimitedRows(path, name=name, needs=needs, separator=separator)


class _Shards:
    """The rows of several tables with the same columns, one table after the other."""

    def __init__(self, parts: Sequence[Rows], files: Sequence[Path], title: str) -> None:
        self.title, self.unit = title, parts[0].unit
        self.columns = tuple(dict.fromkeys(name for part in parts for name in part.columns))
        self._parts = list(zip(parts, files, strict=True))
        for part in parts if SUFFIXES[_ending(files[0])] not in ("json", "lines") else ():
            odd = sorted(set(part.columns) ^ set(self.columns))  # records may lack what is empty
            if odd:
                raise InputError(
                    f"{part.title} has other columns than its neighbours ({odd[0]!r}); tables of "
                    "one folder must have the same ones."
                )

    def parts(self) -> list[_Shards]:
        """Return the parts of every table."""
        found = []
        for whole, file in self._parts:
            for rows in whole.parts():
                part = copy.copy(self)
                part._parts = [(rows, file)]
                found.append(part)
        return found

    def blocks(self, columns: Sequence[tuple[str, Column]]) -> Iterator[Sequence[int]]:
        """Read the rows of all tables into columns by name; yield the places of every block."""
        for part, file in self._parts:
            for places in part.blocks(columns):
                yield _InFile(places, shown(file.name))


class _Place(int):
    """A place in one file of several; shown with the file's name."""

    file: str

    def __format__(self, form: str) -> str:
        return f"{int(self)} of {self.file}"


class _InFile(Sequence[int]):
    """Places in one file of several."""

    def __init__(self, places: Sequence[int], file: str) -> None:
        self._places, self._file = places, file

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, row: Any) -> Any:
        place = _Place(self._places[row])
        place.file = self._file
        return place
