"""Tables in parquet: bounded by what their metadata announce, read batch by batch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from bbb_core.errors import InputError
from bbb_core.io.columns import Column, Labels, Numbers, Unreadable, check_cells, clean
from bbb_core.io.files import open_bytes, shown
from bbb_core.io.footer import announced

__all__ = ["MOST_BYTES", "MOST_UNPACKED", "ParquetRows", "coded", "kind", "open_parquet"]

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
                if kind(field.type) == "other":
                    raise InputError(
                        f"{self.title}, column {name!r} holds {field.type}; pass text, numbers or "
                        "true and false, one per row."
                    )
            self._check_size(handle, [field.name for field in fields.values()])
        # text is decoded as codes and a dictionary: a repeated value takes its memory once
        text = [field.name for field in fields.values() if kind(field.type) == "text"]
        rows = 0
        with open_parquet(self.path, name=self.name, read_dictionary=text) as (file, _):
            for batch in file.iter_batches(BATCH, columns=[f.name for f in fields.values()]):
                for name, column in columns:
                    values = batch.column(batch.schema.get_field_index(fields[name].name))
                    try:
                        _append(column, values)
                    except _Refused as refused:
                        raise InputError(
                            f"{self.title}, row {rows + refused.row + 1}, column {name!r}: "
                            f"{refused}"
                        ) from None
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


class _Refused(Unreadable):
    """A value that cannot be read as asked, and its row in the batch."""

    def __init__(self, reason: object, row: int) -> None:
        super().__init__(str(reason))
        self.row = row


def kind(type_: Any) -> Literal["text", "number", "other"]:
    """Return what values of one of Arrow's types are here."""
    from pyarrow import types

    if types.is_dictionary(type_):
        type_ = type_.value_type
    if types.is_string(type_) or types.is_large_string(type_) or types.is_string_view(type_):
        return "text"
    numeric = (types.is_boolean, types.is_integer, types.is_floating, types.is_decimal)
    return "number" if types.is_null(type_) or any(is_(type_) for is_ in numeric) else "other"


def _append(column: Column, values: Any) -> None:
    """Add an Arrow array to a column."""
    if isinstance(column, Numbers) and kind(values.type) == "number":
        numbers = _numbers(values)
        refused = np.flatnonzero(column.refused(numbers))
        if refused.size:
            row = int(refused[0])
            raise _Refused(f"{numbers[row]:g} is {column.refusal}.", row)
        column.extend(numbers)
        return
    texts, rows = coded(values)
    read = column.code if isinstance(column, Labels) else column.parse
    found = []
    for i, text in enumerate(texts):
        try:
            found.append(read(text))
        except Unreadable as error:
            raise _Refused(error, int(np.argmax(rows == i))) from None
    column.extend(np.array(found)[rows])


def _numbers(values: Any) -> np.ndarray:
    """Return numbers, truth values or nulls in float64; a null is NaN."""
    import pyarrow

    if pyarrow.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pyarrow.types.is_boolean(values.type):
        values = values.cast(pyarrow.uint8())
    return values.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)


def coded(values: Any) -> tuple[list[str], np.ndarray]:
    """Return the different values as text ('' for none), and for each row which it is."""
    import pyarrow

    if not pyarrow.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    codes = values.indices.cast(pyarrow.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    used, rows = np.unique(codes, return_inverse=True)
    found = values.dictionary.take(pyarrow.array(used[used >= 0])).to_pylist()
    texts = ["" if v is None or v != v else str(v) for v in found]
    return [""] * int((used < 0).sum()) + texts, rows
