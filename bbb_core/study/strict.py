"""Strict JSON from files that anybody may have written: bounded, no NaN, no key twice."""

from __future__ import annotations

import errno
import json
import stat
from pathlib import Path
from typing import Any

__all__ = ["TooLarge", "load_json"]


class TooLarge(ValueError):
    """The file is larger than allowed."""


def load_json(path: Path, *, largest: int) -> Any:
    """Return the JSON value in a file.

    Raises
    ------
    OSError
        If the file cannot be read, or is a device or a pipe.
    ValueError
        If it is larger than `largest` bytes (`TooLarge`), no UTF-8, no JSON, nested too deeply,
        holds NaN or an infinity, or an object with one key twice.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for a writer
        raise OSError(errno.EINVAL, "it is no regular file")
    with path.open("rb") as handle:
        raw = handle.read(largest + 1)
    if len(raw) > largest:
        raise TooLarge(f"it is larger than {largest} bytes")
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has one key twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")
