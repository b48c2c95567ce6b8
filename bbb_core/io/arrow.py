"""Tables in Arrow's own format (feather files, streams of datasets): bounded batch by batch.

A compressed buffer of a few bytes may announce gigabytes, and Arrow takes its word. So the sizes
are read first, from the headers of the messages (FlatBuffers).
"""

from __future__ import annotations

import contextlib
import mmap
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bbb_core.errors import InputError
from bbb_core.io.batches import check_kind, fill_batch
from bbb_core.io.columns import BLOCK, Column, clean
from bbb_core.io.files import open_bytes, shown
from bbb_core.io.parquet import MOST_BYTES, MOST_UNPACKED

__all__ = ["ArrowRows"]

_MAGIC = b"ARROW1\0\0"
_DICTIONARY, _BATCH = 2, 3  # kinds of messages


class ArrowRows:
    """The rows of an Arrow file or stream; columns are read as those of parquet.

    Parameters
    ----------
    path, name
        The file, and the option that names it.
    """

    unit = "row"

    def __init__(self, path: Path, *, name: str) -> None:
        self.path, self.name, self.title = path, name, f"{name} {shown(path)}"
        with self._opened() as data, self._stream(data) as stream:
            self.columns = tuple(map(clean, stream.schema.names))

    def parts(self) -> list[ArrowRows]:
        """Return the table: its batches are read one after the other."""
        return [self]

    def blocks(self, columns: Sequence[tuple[str, Column]]) -> Iterator[Sequence[int]]:
        """Read the rows into columns by name; yield the numbers, from 1, of every block."""
        import pyarrow

        with self._opened() as data:
            self._check_sizes(data)
            picks = sorted({self.columns.index(clean(name)) for name, _ in columns})
            options = pyarrow.ipc.IpcReadOptions(included_fields=picks)
            names = [self.columns[place] for place in picks]
            done = 0
            with self._stream(data, options=options) as stream:
                for name, type_ in zip(names, stream.schema.types, strict=True):
                    check_kind(self.title, name, type_)
                for batch in stream:
                    batch.validate(full=True)  # offsets that point elsewhere
                    places = {name: names.index(clean(name)) for name, _ in columns}
                    for start in range(0, len(batch), BLOCK):
                        block = batch.slice(start, BLOCK)
                        fill_batch(self.title, done, block, places, columns)
                        yield range(done + 1, done + len(block) + 1)
                        done += len(block)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Any]:
        """Yield the bytes after the magic of a file, which are those of a stream."""
        import pyarrow

        with open_bytes(self.path, name=self.name, most=MOST_BYTES) as handle:
            try:
                mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
                start = len(_MAGIC) if mapped[: len(_MAGIC)] == _MAGIC else 0
                yield pyarrow.py_buffer(mapped).slice(start)
            except InputError:
                raise
            except (pyarrow.ArrowException, OSError, ValueError, MemoryError) as error:
                reason = next(iter(str(error).splitlines()), "damaged")
                raise InputError(f"{self.title} cannot be read as Arrow ({reason}).") from None

    def _stream(self, data: Any, **options: Any) -> Any:
        import pyarrow

        return pyarrow.ipc.open_stream(pyarrow.BufferReader(data), **options)

    def _check_sizes(self, data: Any) -> None:
        """Refuse batches that announce too much before they are unpacked."""
        import pyarrow

        kept = 0
        for message in pyarrow.ipc.MessageReader.open_stream(pyarrow.BufferReader(data)):
            what, size = _announced(message)
            kept += size if what == _DICTIONARY else 0
            if max(size, kept) > MOST_UNPACKED:
                raise InputError(
                    f"{self.title} unpacks to more than {MOST_UNPACKED} bytes at a time; write it "
                    "in smaller batches."
                )


def _announced(message: Any) -> tuple[int, int]:
    """Return kind and unpacked bytes of a message; see Arrow's Message.fbs."""
    data = message.metadata.to_pybytes()
    body = message.body

    def number(form: str, at: int) -> int:
        return int(struct.unpack_from(f"<{form}", data, at)[0])

    def field(table: int, index: int) -> int:
        """Return where a table has its field, 0 if it lacks it."""
        fields = table - number("i", table)
        inside = 4 + 2 * index < number("H", fields)
        offset = number("H", fields + 4 + 2 * index) if inside else 0
        return table + offset if offset else 0

    def follow(at: int) -> int:
        return at + number("I", at)

    try:
        root = follow(0)
        what = number("B", field(root, 1))
        if what not in (_DICTIONARY, _BATCH):
            return what, 0
        batch = follow(field(root, 2))
        if what == _DICTIONARY:
            batch = follow(field(batch, 1))
        packed = field(batch, 3)
        buffers = follow(field(batch, 2))
        size = 0
        for i in range(number("I", buffers)):
            start, held = (number("q", buffers + 4 + 16 * i + 8 * j) for j in (0, 1))
            said = -1
            if packed and held >= 8:
                said = int(struct.unpack("<q", body.slice(start, 8).to_pybytes())[0])
            size += held if said == -1 else said
    except (struct.error, IndexError, OverflowError) as error:
        raise ValueError(f"the header of a message is damaged: {error}") from None
    if size < 0:
        raise ValueError("a message announces fewer bytes than none")
    return what, size
