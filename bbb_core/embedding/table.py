"""Embeddings that somebody computed elsewhere, read from a file (embedding chapter).

Formats, all of them in half, single or double precision, rows of any length but zero:

- ``.safetensors`` with a tensor ``embeddings`` and a metadata entry ``texts`` (a JSON list),
- ``.npz`` with the arrays ``texts`` and ``embeddings``,
- ``.npy`` with the embeddings and a text file with one text a line: of the same name with the
  ending ``.txt``, or named behind a colon (``rows.npy:names.txt``),
- ``.parquet`` with the columns ``text`` and ``embedding`` (lists), or ``text`` and one numbered
  column per dimension, as pandas and polars write them,
- a folder of clip-retrieval: ``text_emb/*.npy`` beside ``metadata/*.parquet`` with ``caption``.

A table may be larger than the memory if it is asked for some texts only (``.npz`` is read whole).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bbb_core.embedding.encoder import BatchedEncoder, shortened
from bbb_core.embedding.table_files import parts_of, read_part
from bbb_core.embedding.table_rows import Found, together
from bbb_core.errors import InputError
from bbb_core.io.workers import Over

__all__ = ["Table", "load_table"]

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


def load_table(path: str | Path, *, texts: Sequence[str] | None = None, over: Over = map) -> Table:
    """Read a table of texts and embeddings, check the rows and scale them to length one.

    Parameters
    ----------
    path
        The file or folder; for ``.npy`` also ``ROWS.npy:NAMES.txt``.
    texts
        Keep only the rows of these texts (each as it is written in the table). The others are
        neither held nor checked; memory does not grow with their number.
    over
        Shares the parts (shards of a folder, row groups of parquet); see
        `bbb_core.io.workers.workers`.

    Raises
    ------
    InputError
        When the file is missing, hostile (pickled, too large), malformed, or a row is NaN,
        infinite or zero, or a text stands twice with two embeddings; rows are counted from 0.
    """
    said = str(path)
    pair = _PAIR.fullmatch(said)
    file = Path(pair["rows"] if pair else said)
    parts = parts_of(file, Path(pair["names"]) if pair else None)
    wanted = None if texts is None else frozenset(texts)
    found = together(file, over(partial(read_part, wanted=wanted), parts))
    rows = _unit(said, found)
    digest = hashlib.sha256(rows.tobytes())
    for text in found.texts:
        digest.update(f"{len(text)}:{text}".encode())
    return Table(
        found.texts, rows, name=f"table:{said}", fingerprint=f"table-3:{digest.hexdigest()}"
    )


def _unit(path: str, found: Found) -> np.ndarray:
    """Return unit rows in float32 after checking texts and rows."""
    texts, places, rows = found.texts, found.places, found.rows
    if not found.size or rows.shape[1] == 0:
        raise InputError(f"table {path}: embeddings have shape {rows.shape}; pass [n, d].")
    unit = np.empty(rows.shape, dtype=np.float32)
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
                f"table {path}: row {places[row]} ({shortened(texts[row])!r}) has {what}; drop it."
            )
        part /= largest
        unit[start : start + step] = part / np.linalg.norm(part, axis=1, keepdims=True)
    seen: dict[str, int] = {}
    for row, text in enumerate(texts):
        if not text.strip():
            raise InputError(
                f"table {path}: the text of row {places[row]} ({text!r:.80}) is empty."
            )
        first = seen.setdefault(text, row)
        if first != row and np.abs(unit[first] - unit[row]).max() > _ALIKE:
            raise InputError(
                f"table {path}: the text of row {places[row]} ({shortened(text)!r}) repeats row "
                f"{places[first]} with another embedding; keep one of them."
            )
    return unit
