"""Tables in parquet: bounded by what their metadata announce, read batch by batch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from bbb_core.errors import InputError
from bbb_core.io.batches import check_kind, fill_batch, kind
from bbb_core.io.columns import Column, check_cells, clean
from bbb_core.io.files import open_bytes, shown
from bbb_core.io.footer import announced

__all__ = ["MOST_BYTES", "MOST_UNPACKED", "ParquetRows", "open_parquet"]

MOST_BYTES = 2_000_000_000
"""Bytes of a file."""

MOST_UNPACKED = 500_000_000
"""Bytes of the columns that are read, before compression."""

BATCH = 2**16
"""Rows that are decoded at one time."""


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
        with open_parquet(path, name=name) as (file, _):
            self.columns = tuple(map(clean, file.schema_arrow.names))

    def fill(self, columns: Sequence[tuple[str, Column]]) -> Sequence[int]:
        """Read the rows into columns by name; return the number of each, from 1."""
        with open_parquet(self.path, name=self.name) as (file, handle):
            fields = {n: file.schema_arrow.field(self.columns.index(clean(n))) for n, _ in columns}
            for name, field in fields.items():
                check_kind(self.title, name, field.type)
            self._check_size(handle, [field.name for field in fields.values()])
        # text is decoded as codes and a dictionary: a repeated value takes its memory once
        text = [field.name for field in fields.values() if kind(field.type) == "text"]
        rows = 0
        with open_parquet(self.path, name=self.name, read_dictionary=text) as (file, _):
            for batch in file.iter_batches(BATCH, columns=[f.name for f in fields.values()]):
                places = {n: batch.schema.get_field_index(f.name) for n, f in fields.items()}
                fill_batch(self.title, rows, batch, places, columns)
                rows += len(batch)
        return range(1, rows + 1)

    def _check_size(self, handle: BinaryIO, names: Sequence[str]) -> None:
        said = announced(handle, names)
        check_cells(self.title, said.rows, len(names))
        if said.unpacked > MOST_UNPACKED:
            raise InputError(
                f"{self.title} unpacks to {said.unpacked} bytes in {len(names)} columns, more than "
                f"{MOST_UNPACKED}; split it."
            )
