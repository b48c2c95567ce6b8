"""Arrow's arrays as columns: what parquet and Arrow tables are read by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from bbb_core.errors import InputError
from bbb_core.io.columns import Column, Labels, Numbers, Unreadable

__all__ = ["check_kind", "coded", "fill_batch", "kind"]


def check_kind(title: str, name: str, type_: Any) -> None:
    """Refuse a column of one of Arrow's types that holds neither text nor numbers."""
    if kind(type_) == "other":
        raise InputError(
            f"{title}, column {name!r} holds {type_}; pass text, numbers or true and false, one "
            "per row."
        )


def fill_batch(
    title: str,
    done: int,
    batch: Any,
    places: Mapping[str, int],
    columns: Sequence[tuple[str, Column]],
) -> None:
    """Add the rows of a record batch, after `done` others, to columns by name."""
    for name, column in columns:
        try:
            _append(column, batch.column(places[name]))
        except _Refused as refused:
            place = f"{title}, row {done + refused.row + 1}, column {name!r}"
            raise InputError(f"{place}: {refused}") from None


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
