"""Readers of tables of embeddings: texts and rows from a file that nobody vouches for.

Sizes are read from headers before any row is, every file is a regular one, nothing is unpickled.
Where only some texts are asked for, only their rows are kept, and of most formats only they are
read: a table may then be larger than the memory.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bbb_core.embedding import table_rows
from bbb_core.embedding.table_parquet import parquet_parts, parquet_texts, read_parquet
from bbb_core.embedding.table_rows import Found, Wanted, check_size, picked
from bbb_core.errors import InputError
from bbb_core.io.columns import clean
from bbb_core.io.files import open_bytes, open_text, regular_file
from bbb_core.io.sources import numbered, open_table

__all__ = ["parts_of", "read_part"]

_MOST = 8 * table_rows.MAX_VALUES + 4 * table_rows.MAX_TEXT  # bytes of a file that is read whole
_HEADER = 2**16  # bytes within which the header of a NumPy array ends


def parts_of(path: Path, names: Path | None) -> list[Callable[[Wanted], Found]]:
    """Return readers of the parts of a table, in their order: shards, or row groups of parquet."""
    kind = path.suffix.lower()
    if kind == ".npy":
        return [partial(_read_npy, path, names or path.with_suffix(".txt"))]
    if path.is_dir():
        return [partial(_read_shard, *pair) for pair in _shards(path)]
    if kind == ".parquet":
        return [partial(read_parquet, path, *part) for part in parquet_parts(path)]
    readers = {".safetensors": _read_safetensors, ".npz": _read_npz}
    if kind not in readers:
        raise InputError(
            f"table {path} must be a folder or end in .npy, .safetensors, .npz, .parquet."
        )
    return [partial(readers[kind], path)]


def read_part(part: Callable[[Wanted], Found], *, wanted: Wanted) -> Found:
    """Return what a part holds of the texts that are asked for."""
    return part(wanted)


def _read_npy(path: Path, names: Path, wanted: Wanted) -> Found:
    """Read rows of a ``.npy`` file whose texts stand in a text file, one a line."""
    rows = _mapped(path, wanted)
    most = 4 * table_rows.MAX_TEXT if wanted is None else table_rows.ANY_SIZE
    with open_text(names, name="names of a table", most=most) as lines:
        found, places, size = picked((line.strip() for line in lines), wanted)
    _one_each(path, size, rows.shape)
    return Found(found, places, np.asarray(rows[places]), size)


def _shards(path: Path) -> list[tuple[Path, Path]]:
    """Return the pairs ``text_emb/*.npy``, ``metadata/*.parquet`` as clip-retrieval writes them."""
    rows = sorted((path / "text_emb").glob("*.npy"), key=numbered)
    lists = sorted((path / "metadata").glob("*.parquet"), key=numbered)
    if not rows or len(rows) != len(lists):
        raise InputError(
            f"table {path} holds {len(rows)} files text_emb/*.npy and {len(lists)} files "
            "metadata/*.parquet; it needs as many of both, as clip-retrieval writes them."
        )
    return list(zip(rows, lists, strict=True))


def _read_shard(path: Path, captions: Path, wanted: Wanted) -> Found:
    """Read rows of a shard whose texts are those of the column ``caption``."""
    rows = _mapped(path, wanted)
    open_table(captions, name="table").need(["caption"])
    texts = map(clean, parquet_texts(captions, "caption", None, 0, wanted))
    found, places, size = picked(texts, wanted)
    if size != len(rows):
        raise InputError(
            f"table {captions} has {size} rows, but {path} has {len(rows)}; give every row of "
            "embeddings its text."
        )
    return Found(found, places, np.asarray(rows[places]), size)


def _mapped(path: Path, wanted: Wanted) -> np.ndarray:
    """Return the rows of a ``.npy`` file, of which only those are read that are looked at."""
    with open_bytes(path, name="table", most=table_rows.ANY_SIZE) as stream:
        start = io.BytesIO(stream.read(_HEADER))
        size = path.stat().st_size
        shape, order, dtype = _header(path, start, size, "embeddings", whole=wanted is None)
        if 0 in shape:
            return np.empty(shape, dtype)
        return np.memmap(stream, dtype, "r", start.tell(), shape, order)


def _read_npz(path: Path, wanted: Wanted) -> Found:
    """Read a ``.npz`` file, whole: what is packed has no rows to pick."""
    try:
        with (
            open_bytes(path, name="table", most=_MOST) as handle,
            zipfile.ZipFile(handle) as archive,
        ):
            texts, rows = (_member(path, archive, name) for name in ("texts", "embeddings"))
    except InputError:
        raise
    except (
        zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError,
        ValueError,
    ) as error:  # fmt: skip
        raise InputError(f"table {path} is no .npz table: {error}.") from None
    found, places, size = picked(texts.tolist(), wanted)
    _one_each(path, size, rows.shape)
    return Found(found, places, np.asarray(rows[places]), size)


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    found = [one for one in archive.infolist() if one.filename.removesuffix(".npy") == name]
    if not found:
        raise InputError(f"table {path} must hold the arrays 'texts' and 'embeddings'.")
    if len(found) > 1 or found[0].filename != f"{name}.npy":
        raise InputError(f"table {path} must hold {name!r} once, as {name}.npy; save it again.")
    with archive.open(found[0]) as stream:
        start = io.BytesIO(stream.read(_HEADER))
        shape, order, dtype = _header(path, start, found[0].file_size, name, whole=True)
        length = math.prod(shape) * dtype.itemsize
        data = start.read(length)
        data += stream.read(length - len(data))
    return np.frombuffer(data, dtype, math.prod(shape)).reshape(shape, order=order)


def _header(
    path: Path, start: io.BytesIO, size: int, name: str, *, whole: bool
) -> tuple[tuple[int, ...], Any, np.dtype[Any]]:
    """Read the header of a NumPy array of floats, or of strings: shape, order and type.

    The array must keep to the bounds if it is to be read as a whole.
    """
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
    if whole:
        check_size(path, shape, numbers=count if wanted == "f" else 0)
        check_size(path, shape, characters=count * dtype.itemsize // 4 if wanted == "U" else 0)
    if min(shape, default=0) < 0 or start.tell() + count * dtype.itemsize > size:
        raise InputError(f"table {path}: {name} announces shape {shape}, but the file ends before.")
    return shape, "F" if fortran else "C", dtype


_HEADERS: dict[tuple[int, int], Callable[[io.BytesIO], Any]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def _read_safetensors(path: Path, wanted: Wanted) -> Found:
    import torch
    from safetensors import SafetensorError, safe_open

    regular_file(path, name="table", most=_MOST if wanted is None else table_rows.ANY_SIZE)
    try:
        with safe_open(path, framework="pt") as stream:
            if "embeddings" not in stream.keys():  # noqa: SIM118 (no mapping)
                raise InputError(f"table {path} holds no tensor 'embeddings'.")
            tensor = stream.get_slice("embeddings")
            shape = tuple(tensor.get_shape())
            texts = json.loads((stream.metadata() or {}).get("texts", "null"))
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                raise InputError(f"table {path}: texts must be a list of strings.")
            found, places, size = picked(texts, wanted)
            _one_each(path, size, shape)
            check_size(path, shape, numbers=len(places) * shape[1])
            rows = (
                stream.get_tensor("embeddings")
                if wanted is None
                else torch.cat([*(tensor[at : at + 1] for at in places), tensor[:0]])
            )
    except InputError:
        raise
    except (SafetensorError, ValueError, OSError, RecursionError) as error:
        raise InputError(f"table {path} is no safetensors table: {error}.") from None
    if not rows.is_floating_point():
        raise InputError(f"table {path}: embeddings must be floating-point, not {rows.dtype}.")
    rows = rows if rows.dtype == torch.float64 else rows.float()
    return Found(found, places, rows.numpy(), size)


def _one_each(path: Path, texts: int, shape: tuple[int, ...]) -> None:
    if len(shape) != 2 or 0 in shape:
        raise InputError(f"table {path}: embeddings have shape {shape}; pass [n, d].")
    if texts != shape[0]:
        raise InputError(f"table {path}: {texts} texts but {shape[0]} rows of embeddings.")
