"""Tables of embeddings in parquet: texts first, then the rows of those that were asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bbb_core.embedding import table_rows
from bbb_core.embedding.table_rows import Found, Wanted, check_size, picked, ragged
from bbb_core.errors import InputError
from bbb_core.io.batches import kind
from bbb_core.io.footer import announced
from bbb_core.io.parquet import open_parquet, row_groups

__all__ = ["parquet_parts", "parquet_texts", "read_parquet"]

_BATCH = 2**12  # rows in memory at a time
_NUMBERED = re.compile(r"(.*?)(\d+)")


def parquet_parts(path: Path) -> list[tuple[list[str], list[int], int]]:
    """Return the parts of a table: columns of the rows, row groups, and rows before them."""
    with open_parquet(path, name="table", most=table_rows.ANY_SIZE) as (file, handle):
        columns = _columns(path, file.schema_arrow)
        sizes = announced(handle, []).groups
    return [(columns, *part) for part in row_groups(sizes) or [([], 0)]]


def read_parquet(
    path: Path, columns: list[str], groups: list[int], before: int, wanted: Wanted
) -> Found:
    """Read rows of some row groups: first the texts, then the rows of those that are wanted."""
    found, places, size = picked(parquet_texts(path, "text", groups, before, wanted), wanted)
    parts: list[np.ndarray] = []
    chosen, start = np.array(places, np.int64), 0
    with open_parquet(path, name="table", most=table_rows.ANY_SIZE) as (file, handle):
        said = announced(handle, columns)
        held = said.values if wanted is None else _BATCH * said.values // max(said.rows, 1)
        check_size(path, (said.rows,), numbers=held)
        batches = file.iter_batches(_BATCH, row_groups=groups, columns=columns)
        for batch in batches if places else ():
            inside = slice(*np.searchsorted(chosen, [start, start + len(batch)]))
            if inside.start < inside.stop:
                arrays = [batch.column(name) for name in columns]
                rows = _matrix(path, arrays, before + start)[chosen[inside] - start]
                if parts and rows.shape[1] != parts[0].shape[1]:
                    raise ragged(path, before + start, rows.shape[1], parts[0].shape[1])
                parts.append(rows)
            start += len(batch)
    return Found(found, places, np.concatenate(parts) if parts else np.empty((0, 1)), size)


def parquet_texts(
    path: Path, column: str, groups: list[int] | None, before: int, wanted: Wanted
) -> Iterator[str]:
    """Yield the texts of a column, of some row groups; different ones of a batch are bounded."""
    with open_parquet(path, name="table", most=table_rows.ANY_SIZE) as (_, handle):
        said = announced(handle, [column])
        held = said.unpacked if wanted is None else said.largest // 4
        check_size(path, (said.rows,), characters=held)
    room = table_rows.MAX_TEXT
    # text comes as codes and a dictionary: a repeated one takes its memory once
    with open_parquet(path, name="table", most=table_rows.ANY_SIZE, read_dictionary=[column]) as (
        file,
        _,
    ):
        for batch in file.iter_batches(_BATCH, row_groups=groups, columns=[column]):
            texts = _decoded(path, batch.column(0), before, room)
            room -= sum(map(len, set(texts))) if wanted is None else 0
            before += len(texts)
            yield from texts


def _columns(path: Path, schema: Any) -> list[str]:
    """Return ``["embedding"]``, or one column per dimension in the order of their numbers."""
    from pyarrow import types

    for name in ("text", "embedding"):
        if schema.names.count(name) > 1:
            raise InputError(f"table {path} has the column {name!r} twice; rename one.")
    if "text" not in schema.names:
        raise InputError(f"table {path} must have the columns 'text' and 'embedding'.")
    held = schema.field("text").type
    if kind(held) != "text":
        raise InputError(f"table {path}: the column 'text' must hold strings, not {held}.")
    if "embedding" in schema.names:
        held = schema.field("embedding").type
        if not (types.is_nested(held) and types.is_floating(getattr(held, "value_type", held))):
            raise InputError(f"table {path}: the column 'embedding' must hold lists of floats.")
        return ["embedding"]
    others = [n for n in schema.names if n != "text" and not n.startswith("__index_level_")]
    numbered = [_NUMBERED.fullmatch(name) for name in others]
    if others and all(numbered) and len({one[1] for one in numbered if one}) == 1:
        place = {int(one[2]): one[0] for one in numbered if one}
        if (
            len(place) == len(others)
            and sorted(place) in (list(range(len(others))), list(range(1, len(others) + 1)))
            and all(types.is_floating(schema.field(name).type) for name in others)
        ):
            return [place[number] for number in sorted(place)]
    raise InputError(
        f"table {path} must have the columns 'text' and 'embedding', or beside 'text' only one "
        "column of floats per dimension, numbered from 0 or 1 (as 0, 1, ... or dim_0, dim_1, ...)."
    )


def _decoded(path: Path, column: Any, start: int, room: int) -> list[str]:
    """Return the texts of a batch, whose different ones have room for so many characters."""
    import pyarrow
    from pyarrow import compute

    _no_nulls(path, column, start, "text")
    coded = column if pyarrow.types.is_dictionary(column.type) else column.dictionary_encode()
    codes = coded.indices.cast(pyarrow.int64()).to_numpy(zero_copy_only=False)
    used, place = np.unique(codes, return_inverse=True)
    words = coded.dictionary.take(pyarrow.array(used)).cast(pyarrow.large_string())
    length = compute.sum(compute.binary_length(words)).as_py() or 0
    if length > 4 * max(room, 0):  # bytes, up to four a character
        check_size(path, (start,), characters=table_rows.MAX_TEXT + 1)
    found = words.to_pylist()
    return [found[i] for i in place]


def _matrix(path: Path, columns: list[Any], start: int) -> np.ndarray:
    """Return the numbers of a batch: one column of lists, or one column for each dimension."""
    from pyarrow import compute

    column = columns[0]
    if len(columns) > 1 or not hasattr(column.type, "value_type"):
        return np.stack([one.to_numpy(zero_copy_only=False) for one in columns], axis=1)
    _no_nulls(path, column, start, "embedding")
    lengths = compute.list_value_length(column).to_numpy(zero_copy_only=False)
    odd = np.flatnonzero(lengths != lengths[0])
    if odd.size:
        raise ragged(path, start + int(odd[0]), int(lengths[odd[0]]), int(lengths[0]))
    values = compute.list_flatten(column).to_numpy(zero_copy_only=False)
    return values.reshape(len(lengths), int(lengths[0]))


def _no_nulls(path: Path, column: Any, start: int, what: str) -> None:
    if column.null_count:
        row = start + int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise InputError(f"table {path}: row {row} has no {what}; drop it or give it one.")
