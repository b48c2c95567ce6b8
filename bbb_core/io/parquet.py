"""Tables in parquet: bounded by what their metadata announce, read batch by batch."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from bbb_core.errors import InputError
from bbb_core.io.batches import check_kind, fill_batch, kind
from bbb_core.io.columns import BLOCK, Column, clean
from bbb_core.io.files import open_bytes, shown
from bbb_core.io.footer import announced

__all__ = ["MOST_BYTES", "MOST_UNPACKED", "ParquetRows", "open_parquet", "row_groups"]

MOST_BYTES = 2_000_000_000
"""Bytes of a file."""

MOST_UNPACKED = 500_000_000
"""Bytes of the columns that are read, before compression, of a row group."""

PART = 2**18
"""Rows at least that one worker reads."""


@contextlib.contextmanager
def open_parquet(
    path: Path, *, name: str, most: int = MOST_BYTES, **options: Any
) -> Iterator[tuple[Any, BinaryIO]]:
    """Open a parquet file; yield pyarrow's view of it and the file itself.

    Whatever pyarrow raises while the block reads becomes an `InputError`.
    """
    import pyarrow
    from pyarrow import parquet

    with open_bytes(path, name=name, most=most) as handle:
        try:
            with parquet.ParquetFile(handle, **options) as file:
                yield file, handle
        except InputError:
            raise
        except (pyarrow.ArrowException, OSError, ValueError, MemoryError) as error:
            reason = next(iter(str(error).splitlines()), "damaged")
            what = f"{name} {shown(path)}"
            raise InputError(f"{what} cannot be read as parquet ({reason}).") from None


def row_groups(sizes: Sequence[int]) -> list[tuple[list[int], int]]:
    """Return parts of `PART` rows or more: their row groups, and how many rows stand before.

    Examples
    --------
    >>> row_groups([200_000, 100_000, 50_000])
    [([0, 1], 0), ([2], 300000)]
    """
    found: list[tuple[list[int], int]] = []
    held, before = PART, 0
    for group, rows in enumerate(sizes):
        if held >= PART:
            found.append(([], before))
            held = 0
        found[-1][0].append(group)
        held, before = held + rows, before + rows
    return found


class ParquetRows:
    """The rows of a parquet table.

    Labels may be text in any of Arrow's forms, whole numbers, truth values or dictionaries of
    these, all of them with or without nulls; numbers any real numbers, or text.

    Parameters
    ----------
    path, name
        The file, and the option that names it.
    """

    unit = "row"

    def __init__(self, path: Path, *, name: str) -> None:
        self.path, self.name, self.title = path, name, f"{name} {shown(path)}"
        self._groups: list[int] | None = None  # row groups; None for all of them
        self._before = 0  # rows before these
        with open_parquet(path, name=name) as (file, _):
            self.columns = tuple(map(clean, file.schema_arrow.names))

    def parts(self) -> list[ParquetRows]:
        """Return the rows in parts, each of whole row groups, in their order."""
        with open_parquet(self.path, name=self.name) as (_, handle):
            sizes = announced(handle, []).groups
        found = []
        for groups, before in row_groups(sizes):
            part = copy.copy(self)
            part._groups, part._before = groups, before
            found.append(part)
        return found or [self]

    def blocks(self, columns: Sequence[tuple[str, Column]]) -> Iterator[Sequence[int]]:
        """Read the rows into columns by name; yield the numbers, from 1, of every block."""
        with open_parquet(self.path, name=self.name) as (file, handle):
            fields = {n: file.schema_arrow.field(self.columns.index(clean(n))) for n, _ in columns}
            for name, field in fields.items():
                check_kind(self.title, name, field.type)
            self._check_size(handle, [field.name for field in fields.values()])
        # text is decoded as codes and a dictionary: a repeated value takes its memory once
        text = [field.name for field in fields.values() if kind(field.type) == "text"]
        rows, names = self._before, [field.name for field in fields.values()]
        with open_parquet(self.path, name=self.name, read_dictionary=text) as (file, _):
            for batch in file.iter_batches(BLOCK, row_groups=self._groups, columns=names):
                places = {n: batch.schema.get_field_index(f.name) for n, f in fields.items()}
                fill_batch(self.title, rows, batch, places, columns)
                yield range(rows + 1, rows + len(batch) + 1)
                rows += len(batch)

    def _check_size(self, handle: BinaryIO, names: Sequence[str]) -> None:
        largest = announced(handle, names).largest
        if largest > MOST_UNPACKED:
            raise InputError(
                f"{self.title}: a row group unpacks to {largest} bytes in {len(names)} columns, "
                f"more than {MOST_UNPACKED}; write smaller row groups."
            )
