"""Readers of tables of embeddings: texts and rows from a file that nobody vouches for.

Sizes are read from headers before any row is, every file is a regular one, nothing is unpickled.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bbb_core.errors import InputError
from bbb_core.io.batches import kind
from bbb_core.io.files import open_bytes, read_text, regular_file
from bbb_core.io.footer import announced
from bbb_core.io.parquet import open_parquet
from bbb_core.io.sources import numbered, open_table

__all__ = ["MAX_VALUES", "READERS", "read_folder", "read_named_npy"]

#: Most numbers that a table may hold (2 GiB as float32).
MAX_VALUES = 2**29

#: Most characters of all its texts.
MAX_TEXT = 2**28

_MOST = 8 * MAX_VALUES + 4 * MAX_TEXT  # bytes of a file
_HEADER = 2**16  # bytes within which the header of a NumPy array ends
_BATCH = 2**12  # rows of parquet in memory at a time
_NUMBERED = re.compile(r"(.*?)(\d+)")

Read = tuple[list[str], np.ndarray]


def read_named_npy(path: Path, names: Path) -> Read:
    """Read rows from a ``.npy`` file and their texts from a text file, one a line."""
    with open_bytes(path, name="table", most=_MOST) as stream:
        rows = _array(path, stream, path.stat().st_size, "embeddings")
    lines = read_text(names, name="names of a table", most=4 * MAX_TEXT).split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.strip() for line in lines], rows


def read_folder(path: Path) -> tuple[Read, list[Path]]:
    """Read a folder as clip-retrieval writes it: ``text_emb/*.npy`` beside ``metadata/*.parquet``.

    The texts are those of the column ``caption``; the files, numbered alike, come second.
    """
    rows = sorted((path / "text_emb").glob("*.npy"), key=numbered)
    lists = sorted((path / "metadata").glob("*.parquet"), key=numbered)
    if not rows or len(rows) != len(lists):
        raise InputError(
            f"table {path} holds {len(rows)} files text_emb/*.npy and {len(lists)} files "
            "metadata/*.parquet; it needs as many of both, as clip-retrieval writes them."
        )
    texts: list[str] = []
    parts: list[np.ndarray] = []
    for one, captions in zip(rows, lists, strict=True):
        with open_bytes(one, name="table", most=_MOST) as stream:
            parts.append(_array(one, stream, one.stat().st_size, "embeddings"))
        table = open_table(captions, name="table").read(labels=["caption"])
        if len(table) != len(parts[-1]) or table.missing["caption"]:
            raise InputError(
                f"table {captions} has {len(table)} rows, {table.missing['caption']} without a "
                f"caption, but {one} has {len(parts[-1])}; give every row of embeddings its text."
            )
        texts += map(str, table.labels["caption"])
        _check_size(path, (len(texts),), numbers=sum(map(np.size, parts)))
        if parts[-1].shape[1] != parts[0].shape[1]:
            raise _ragged(one, 0, parts[-1].shape[1], parts[0].shape[1])
    return (texts, np.concatenate(parts)), [*rows, *lists]


def _read_npz(path: Path) -> Read:
    try:
        with (
            open_bytes(path, name="table", most=_MOST) as handle,
            zipfile.ZipFile(handle) as archive,
        ):
            texts, rows = (_member(path, archive, name) for name in ("texts", "embeddings"))
            return texts.tolist(), rows
    except InputError:
        raise
    except (
        zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError,
        ValueError,
    ) as error:  # fmt: skip
        raise InputError(f"table {path} is no .npz table: {error}.") from None


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    found = [one for one in archive.infolist() if one.filename.removesuffix(".npy") == name]
    if not found:
        raise InputError(f"table {path} must hold the arrays 'texts' and 'embeddings'.")
    if len(found) > 1 or found[0].filename != f"{name}.npy":
        raise InputError(f"table {path} must hold {name!r} once, as {name}.npy; save it again.")
    with archive.open(found[0]) as stream:
        return _array(path, stream, found[0].file_size, name)


def _array(path: Path, stream: Any, size: int, name: str) -> np.ndarray:
    """Read a NumPy array of floats, or of strings, whose header keeps to the bounds."""
    start = io.BytesIO(stream.read(_HEADER))
    try:
        shape, fortran, dtype = _HEADERS[np.lib.format.read_magic(start)](start)
    except Exception as error:  # NumPy parses the header as Python and raises what that raises
        raise InputError(f"table {path}: {name} is no NumPy array ({error}).") from None
    if dtype.hasobject:
        raise InputError(
            f"table {path}: {name} is pickled, which may run code when it is read; save texts as a "
            "NumPy string array and embeddings as float32."
        )
    wanted, ndim = ("U", 1) if name == "texts" else ("f", 2)
    if dtype.kind != wanted or len(shape) != ndim:
        what = "one row of strings" if wanted == "U" else "floating-point, [n, d]"
        raw = " (bfloat16 has no name in NumPy files; save float32)" if dtype.kind == "V" else ""
        raise InputError(f"table {path}: {name} must be {what}, not {dtype} {shape}{raw}.")
    count = math.prod(shape)
    _check_size(path, shape, numbers=count if wanted == "f" else 0)
    _check_size(path, shape, characters=count * dtype.itemsize // 4 if wanted == "U" else 0)
    if min(shape, default=0) < 0 or start.tell() + count * dtype.itemsize > size:
        raise InputError(f"table {path}: {name} announces shape {shape}, but the file ends before.")
    data = start.read(count * dtype.itemsize)
    data += stream.read(count * dtype.itemsize - len(data))
    return np.frombuffer(data, dtype, count).reshape(shape, order="F" if fortran else "C")


_HEADERS: dict[tuple[int, int], Callable[[BinaryIO], Any]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def _read_safetensors(path: Path) -> Read:
    import torch
    from safetensors import SafetensorError, safe_open

    regular_file(path, name="table", most=_MOST)
    try:
        with safe_open(path, framework="pt") as stream:
            if "embeddings" not in stream.keys():  # noqa: SIM118 (no mapping)
                raise InputError(f"table {path} holds no tensor 'embeddings'.")
            shape = tuple(stream.get_slice("embeddings").get_shape())
            _check_size(path, shape, numbers=math.prod(shape))
            texts = json.loads((stream.metadata() or {}).get("texts", "null"))
            rows = stream.get_tensor("embeddings")
    except InputError:
        raise
    except (SafetensorError, ValueError, OSError, RecursionError) as error:
        raise InputError(f"table {path} is no safetensors table: {error}.") from None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InputError(f"table {path}: texts must be a list of strings.")
    if not rows.is_floating_point():
        raise InputError(f"table {path}: embeddings must be floating-point, not {rows.dtype}.")
    return texts, (rows if rows.dtype == torch.float64 else rows.float()).numpy()


def _read_parquet(path: Path) -> Read:
    texts: list[str] = []
    parts: list[np.ndarray] = []
    with open_parquet(path, name="table", most=_MOST) as (file, handle):
        columns = _columns(path, file.schema_arrow)
        text, numbers = announced(handle, ["text"]), announced(handle, columns)
        _check_size(path, (text.rows,), numbers=numbers.values, characters=text.unpacked)
    room = MAX_TEXT
    # text comes as codes and a dictionary: a repeated one takes its memory once
    with open_parquet(path, name="table", most=_MOST, read_dictionary=["text"]) as (file, _):
        for batch in file.iter_batches(_BATCH, columns=["text", *columns]):
            start = len(texts)
            texts += _texts(path, batch.column("text"), start, room)
            room -= sum(map(len, set(texts[start:])))
            parts.append(_matrix(path, [batch.column(name) for name in columns], start))
            width, first = parts[-1].shape[1], parts[0].shape[1]
            if width != first:
                raise _ragged(path, start, width, first)
    return texts, np.concatenate(parts) if parts else np.empty((0, 0))


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


def _texts(path: Path, column: Any, start: int, room: int) -> list[str]:
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
        _check_size(path, (start,), characters=MAX_TEXT + 1)
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
        raise _ragged(path, start + int(odd[0]), int(lengths[odd[0]]), int(lengths[0]))
    values = compute.list_flatten(column).to_numpy(zero_copy_only=False)
    return values.reshape(len(lengths), int(lengths[0]))


def _no_nulls(path: Path, column: Any, start: int, what: str) -> None:
    if column.null_count:
        row = start + int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise InputError(f"table {path}: row {row} has no {what}; drop it or give it one.")


def _ragged(path: Path, row: int, found: int, first: int) -> InputError:
    return InputError(
        f"table {path}: row {row} has {found} values but row 0 has {first}; give all rows one "
        "length."
    )


def _check_size(path: Path, shape: Any, *, numbers: int = 0, characters: int = 0) -> None:
    for found, most, what in (
        (numbers, MAX_VALUES, "numbers"), (characters, MAX_TEXT, "characters of text"),
    ):  # fmt: skip
        if found > most:
            raise InputError(
                f"table {path} announces shape {tuple(shape)}, more than {most} {what}; split it."
            )


READERS: dict[str, Callable[[Path], Read]] = {
    ".safetensors": _read_safetensors,
    ".npz": _read_npz,
    ".parquet": _read_parquet,
}
