"""Files: written whole or not at all, hashed, and the folder of the cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bbb_core.errors import InputError
from bbb_core.io.cells import plain

__all__ = [
    "atomic_write",
    "cache_dir",
    "is_workspace",
    "sha256",
    "workspace",
    "write_json",
    "write_text",
]

_WORKSPACE = re.compile(r"\.bbb\.[0-9a-f]{12}")

_HELD = ".held"
"""Lock in a workspace; it ends with the process that holds it, however that ends."""


def cache_dir() -> Path:
    """Return the cache folder: ``$BBB_CACHE_DIR``, or the user's cache folder ``bbb_core``."""
    named = os.environ.get("BBB_CACHE_DIR")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("bbb_core")


@contextlib.contextmanager
def workspace(parent: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty folder within `parent` to make something in; it is gone after the block.

    What is finished is renamed out of it, so that it appears whole or not at all. A process that
    is killed leaves its folder behind: the next workspace in `parent` takes it away, and leaves
    those alone whose processes still run. Missing folders are created.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> place = pathlib.Path(tempfile.mkdtemp())
    >>> with workspace(place) as folder:
    ...     _ = (folder / "note.txt").write_text("whole")
    ...     _ = (folder / "note.txt").rename(place / "note.txt")
    >>> [path.name for path in place.iterdir()]
    ['note.txt']
    """
    parent = Path(parent)
    parent.mkdir(parents=True, exist_ok=True)
    for left in filter(is_workspace, parent.iterdir()):
        _discard(left)
    folder, lock = _hold(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


def is_workspace(path: Path) -> bool:
    """Say whether a path has the name of a workspace, in use or left behind."""
    return _WORKSPACE.fullmatch(path.name) is not None


def _hold(parent: Path) -> tuple[Path, Any]:
    """Make a folder and lock it before somebody takes it for one that was left behind."""
    from filelock import FileLock, Timeout

    while True:
        folder = parent / f".bbb.{secrets.token_hex(6)}"
        folder.mkdir()
        lock = FileLock(folder / _HELD)
        try:
            lock.acquire(blocking=False)
        except (Timeout, FileNotFoundError):
            continue
        if folder.is_dir():
            return folder, lock
        lock.release()


def _discard(folder: Path) -> None:
    """Remove a workspace unless a process holds it; what is none is left alone."""
    from filelock import FileLock, Timeout

    with contextlib.suppress(OSError, Timeout):
        if (folder / _HELD).is_file():
            with FileLock(folder / _HELD, blocking=False):
                shutil.rmtree(folder, ignore_errors=True)
        else:
            folder.rmdir()  # killed before it was locked, so empty


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path; what the block wrote there replaces `path` when it ends well.

    The name is the same, the folder another one (see `workspace`). After an exception nothing is
    left behind and an older file stays as it was. The file gets the mode that the user's umask
    asks for, whatever the writer gave it. Missing folders are created.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "note.txt"
    >>> with atomic_write(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path = Path(path)
    with workspace(path.parent) as folder:
        temporary = folder / path.name
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        os.chmod(temporary, mode)
        with open(temporary, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8 with the line ends that it has, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as strict JSON (no NaN), indented, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def sha256(path: str | os.PathLike[str], *, name: str | None = None) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal.

    With a `name`, a file that cannot be read is an `InputError` that calls it so.
    """
    try:
        with open(path, "rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        if name is None:
            raise
        raise InputError(
            f"{plain(name)} {plain(os.fspath(path))} cannot be read ({error.strerror})."
        ) from None
