"""Embeddings that somebody computed elsewhere, read from a file (embedding chapter).

Formats, all of them in half, single or double precision, rows of any length but zero:

- ``.safetensors`` with a tensor ``embeddings`` and a metadata entry ``texts`` (a JSON list),
- ``.npz`` with the arrays ``texts`` and ``embeddings``,
- ``.npy`` with the embeddings and a text file with one text a line: of the same name with the
  ending ``.txt``, or named behind a colon (``rows.npy:names.txt``),
- ``.parquet`` with the columns ``text`` and ``embedding`` (lists), or ``text`` and one numbered
  column per dimension, as pandas and polars write them,
- a folder of clip-retrieval: ``text_emb/*.npy`` beside ``metadata/*.parquet`` with ``caption``.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bbb_core.embedding.encoder import BatchedEncoder, shortened
from bbb_core.embedding.table_files import MAX_VALUES, READERS, read_folder, read_named_npy
from bbb_core.errors import InputError
from bbb_core.io.files import shown
from bbb_core.io.writing import sha256

__all__ = ["MAX_VALUES", "Table", "load_table"]

_NAMED = 3  # unknown texts that a message names
_PAIR = re.compile(r"(?P<rows>.+?\.npy):(?P<names>.+)", re.IGNORECASE)
_ALIKE = 1e-6  # what rounding leaves of equal unit rows
_BLOCK = 2**20  # numbers that are scaled at a time


class Table(BatchedEncoder):
    """An encoder that looks texts up; an unknown text is an error that names it."""

    def __init__(self, texts: list[str], rows: np.ndarray, *, name: str, fingerprint: str) -> None:
        super().__init__(
            name=name, level="sentence", fingerprint=fingerprint, dim=int(rows.shape[1]),
            batch_size=4096, cached=False,
        )  # fmt: skip
        self._index = {text: row for row, text in enumerate(texts)}  # of equal rows the last
        self._table = rows

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that the table knows."""
        return tuple(self._index)

    def _rows(self, texts: list[str]) -> Tensor:
        unknown = [text for text in texts if text not in self._index]
        if unknown:
            more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
            named = ", ".join(repr(shortened(text)) for text in unknown[:_NAMED])
            raise InputError(f"{self.name} has no row for {named}{more}; embed those texts too.")
        return torch.from_numpy(self._table[[self._index[text] for text in texts]])


def load_table(path: str | Path) -> Table:
    """Read a table of texts and embeddings, check every row and scale it to length one.

    Raises
    ------
    InputError
        When the file is missing, hostile (pickled, too large), malformed, or a row is NaN,
        infinite or zero, or a text stands twice with two embeddings; rows are counted from 0.
    """
    said = str(path)
    pair = _PAIR.fullmatch(said)
    file = Path(pair["rows"] if pair else said)
    kind = file.suffix.lower()
    if kind == ".npy":
        names = Path(pair["names"]) if pair else file.with_suffix(".txt")
        texts, rows = read_named_npy(file, names)
        digests = [sha256(one, name="table") for one in (file, names)]
    elif file.is_dir():
        (texts, rows), files = read_folder(file)
        digests = [sha256(one, name="table") for one in files]
    elif kind in READERS:
        texts, rows = READERS[kind](file)
        digests = [sha256(file, name="table")]
    else:
        raise InputError(
            f"table {shown(said)} must be a folder or end in .npy, {', '.join(READERS)}."
        )
    return Table(
        texts, _unit(said, texts, rows), name=f"table:{said}",
        fingerprint=f"table-2:{':'.join(digests)}",
    )  # fmt: skip


def _unit(path: str, texts: list[str], rows: np.ndarray) -> np.ndarray:
    """Return unit rows in float32 after checking texts and rows."""
    if rows.ndim != 2 or 0 in rows.shape:
        raise InputError(f"table {path}: embeddings have shape {rows.shape}; pass [n, d].")
    if len(texts) != len(rows):
        raise InputError(f"table {path}: {len(texts)} texts but {len(rows)} rows of embeddings.")
    found = np.empty(rows.shape, dtype=np.float32)
    step = max(1, _BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        part = rows[start : start + step].astype(np.float64)
        largest = np.abs(part).max(axis=1, keepdims=True)  # first, so that no square overflows
        bad = np.flatnonzero(~np.isfinite(largest) | (largest == 0))
        if bad.size:
            row = start + int(bad[0])
            zero = largest[bad[0], 0] == 0
            what = "norm zero, so no direction" if zero else "a value that is no finite number"
            raise InputError(
                f"table {path}: row {row} ({shortened(texts[row])!r}) has {what}; drop it."
            )
        part /= largest
        found[start : start + step] = part / np.linalg.norm(part, axis=1, keepdims=True)
    seen: dict[str, int] = {}
    for number, text in enumerate(texts):
        if not text.strip():
            raise InputError(f"table {path}: the text of row {number} ({text!r:.80}) is empty.")
        first = seen.setdefault(text, number)
        if first != number and np.abs(found[first] - found[number]).max() > _ALIKE:
            raise InputError(
                f"table {path}: the text of row {number} ({shortened(text)!r}) repeats row {first} "
                "with another embedding; keep one of them."
            )
    return found
