"""Disk cache of embeddings by content: encoder fingerprint and text (embedding chapter)."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from bbb_core.io.writing import cache_dir

__all__ = ["EmbeddingCache"]

_LOOKUP = 500  # keys per query, below SQLite's smallest limit on variables
_SEAL = 8  # bytes of the digest behind each row
_WAIT = 10.0  # seconds for somebody else's transaction, which takes milliseconds
_COLUMNS = ["encoder", "text", "vector"]
_SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    encoder TEXT NOT NULL,
    text BLOB NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (encoder, text)
) WITHOUT ROWID
"""


class EmbeddingCache:
    """Rows that an encoder computed before, in one SQLite file.

    Each `put` is one transaction, so an interrupted run keeps all its finished batches and two
    processes can write at the same time. Nothing that happens to the file ends a run: a damaged
    file or one of another kind is moved aside and begun again, and where the folder cannot be
    read or written, or the disk is full, rows are computed each time. Every row carries a digest
    of its encoder, text and numbers, so what is read is what was written.

    Parameters
    ----------
    encoder
        Fingerprint of the encoder: hash of its weights and of the way it is applied.
    dim
        Length of a row.
    path
        The SQLite file; by default ``embeddings.sqlite`` in the cache folder.
    """

    def __init__(self, encoder: str, dim: int, *, path: Path | None = None) -> None:
        self._encoder = encoder
        self._dim = dim
        self._path = path
        self._usable = True

    def get(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the rows that are known, by text."""
        keys = {_key(text): text for text in texts}
        wanted, size = list(keys), 4 * self._dim + _SEAL
        found: dict[str, np.ndarray] = {}

        def look(db: sqlite3.Connection) -> None:
            for start in range(0, len(wanted), _LOOKUP):
                part = wanted[start : start + _LOOKUP]
                marks = ",".join("?" * len(part))
                query = (
                    "SELECT text, vector FROM rows "
                    f"WHERE encoder = ? AND length(vector) = ? AND text IN ({marks})"
                )
                for key, sealed in db.execute(query, (self._encoder, size, *part)):
                    numbers = sealed[:-_SEAL] if isinstance(sealed, bytes) else b""
                    if key in keys and sealed == self._sealed(key, numbers):
                        found[keys[key]] = np.frombuffer(numbers, dtype="<f4")

        self._run(look)
        return found

    def put(self, rows: Mapping[str, np.ndarray]) -> None:
        """Add rows in one transaction."""
        values = []
        for text, row in rows.items():
            key, numbers = _key(text), np.asarray(row, dtype="<f4").tobytes()
            values.append((self._encoder, key, self._sealed(key, numbers)))

        def store(db: sqlite3.Connection) -> None:
            db.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", values)
            db.commit()

        self._run(store)

    def _sealed(self, key: bytes, numbers: bytes) -> bytes:
        seal = hashlib.blake2b(key + numbers, key=_key(self._encoder), digest_size=_SEAL)
        return numbers + seal.digest()

    def _run(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Do some work with the database; where that cannot be done, do without from now on."""
        for _ in range(2 if self._usable else 0):
            try:
                path = cache_dir() / "embeddings.sqlite" if self._path is None else self._path
                with contextlib.closing(_open(path)) as db:
                    return work(db)
            except sqlite3.OperationalError:  # cannot be opened or written, locked, disk full
                break
            except sqlite3.DatabaseError:  # damaged, or no cache: move it aside, begin again
                _move_aside(path)
            except (sqlite3.Error, OSError, RuntimeError, ValueError):
                break
        self._usable = False


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():
        raise FileExistsError(path)
    db = sqlite3.connect(path, timeout=_WAIT)
    try:
        db.text_factory = bytes
        db.execute(_SCHEMA)
        columns = [name.decode() for _, name, *_ in db.execute("PRAGMA table_info(rows)")]
        if columns != _COLUMNS:
            raise sqlite3.DatabaseError("a table of another kind")
    except BaseException:
        db.close()
        raise
    return db


def _move_aside(path: Path) -> None:
    for ending in ("", "-journal"):  # a journal left behind would be played into the new file
        with contextlib.suppress(OSError):
            os.replace(f"{path}{ending}", f"{path.with_suffix('.damaged')}{ending}")


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8")).digest()
