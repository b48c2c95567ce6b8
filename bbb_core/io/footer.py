"""Sizes that the footer of a parquet file announces, read without Arrow.

Where the statistics of a column are damaged, Arrow's view of it ends the whole process (an
exception that nobody catches). The sizes are therefore read here, from the footer's Thrift.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any

__all__ = ["Announced", "announced"]

MOST_FOOTER = 2**24
"""Bytes of a footer; one of a thousand columns in a hundred row groups has a few million."""
_MAGIC = b"PAR1"
_DEEP = 16  # levels of structures within structures; the format has seven


@dataclass(frozen=True, kw_only=True)
class Announced:
    """What the footer says of the columns that are to be read: rows, values and bytes unpacked."""

    groups: tuple[int, ...]  # rows of each row group
    values: int
    unpacked: int
    largest: int  # bytes unpacked of the largest row group

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return sum(self.groups)


def announced(handle: IO[bytes] | io.BufferedIOBase, columns: Sequence[str]) -> Announced:
    """Add up what the footer of a parquet file says of top-level columns; the position stays.

    Raises
    ------
    ValueError
        If it is no footer.
    """
    place = handle.tell()
    try:
        said = _Thrift(_footer(handle)).structure()
        groups = said.get(4, [])
        chosen = [
            [chunk[3] for chunk in group[1] if chunk[3][3][0].decode() in columns]
            for group in groups
        ]
        unpacked = [sum(chunk[6] for chunk in chunks) for chunks in chosen]
        found = Announced(
            groups=tuple(int(group[3]) for group in groups),
            values=sum(chunk[5] for chunks in chosen for chunk in chunks),
            unpacked=sum(unpacked),
            largest=max(unpacked, default=0),
        )
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError) as error:
        raise ValueError(f"its footer is damaged ({error!r})") from None
    finally:
        handle.seek(place)
    if min(*found.groups, found.values, found.unpacked, found.largest) < 0:
        raise ValueError("its footer announces fewer values than none")
    return found


def _footer(handle: IO[bytes] | io.BufferedIOBase) -> bytes:
    end = handle.seek(0, 2)
    handle.seek(max(0, end - 8))
    tail = handle.read(8)
    size = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or not 0 < size <= min(MOST_FOOTER, end - 12):
        raise ValueError("it has no footer of parquet")
    handle.seek(end - 8 - size)
    return handle.read(size)


class _Thrift:
    """A reader of Thrift's compact protocol: structures become ``{field: value}``."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._depth = data, 0, 0

    def structure(self) -> dict[int, Any]:
        """Read a structure."""
        self._depth += 1
        if self._depth > _DEEP:
            raise IndexError("too deep")
        found: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._signed()
            kind = head & 15
            found[field] = kind == 1 if kind in (1, 2) else self._value(kind)
        self._depth -= 1
        return found

    def _value(self, kind: int) -> Any:
        return _READ[kind](self)

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _unsigned(self) -> int:
        number, shift = 0, 0
        while shift < 70:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7
        raise OverflowError("a number is too long")

    def _signed(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)

    def _bytes(self, length: int | None = None) -> bytes:
        length = self._unsigned() if length is None else length
        if length > len(self._data) - self._at:
            raise IndexError("a text runs over the end")
        self._at += length
        return self._data[self._at - length : self._at]

    def _list(self) -> list[Any]:
        head = self._byte()
        length = self._unsigned() if head >> 4 == 15 else head >> 4
        if length > len(self._data) - self._at:
            raise IndexError("a list runs over the end")
        return [self._value(head & 15) for _ in range(length)]

    def _map(self) -> list[Any]:
        length = self._unsigned()
        if length > len(self._data) - self._at:
            raise IndexError("a map runs over the end")
        kinds = self._byte() if length else 0
        return [(self._value(kinds >> 4), self._value(kinds & 15)) for _ in range(length)]


_READ: dict[int, Callable[[_Thrift], Any]] = {
    1: _Thrift._byte, 2: _Thrift._byte, 3: _Thrift._byte,
    4: _Thrift._signed, 5: _Thrift._signed, 6: _Thrift._signed,
    7: lambda thrift: thrift._bytes(8), 8: _Thrift._bytes,
    9: _Thrift._list, 10: _Thrift._list, 11: _Thrift._map, 12: _Thrift.structure,
}  # fmt: skip
