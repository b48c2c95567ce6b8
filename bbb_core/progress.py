"""Progress bars that stay silent when nobody watches, so that no page carries their traces."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

from bbb_core.io.cells import plain

__all__ = ["bar", "say", "watched"]


def watched() -> bool:
    """Return whether standard error is a terminal and ``BBB_PROGRESS`` is not ``0``."""
    if os.environ.get("BBB_PROGRESS") == "0":
        return False
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # stderr absent or closed
        return False


def bar(iterable: Iterable | None = None, *, total: int | None = None, desc: str = "") -> Any:
    """Return a tqdm bar over `iterable` (or one to ``update``), disabled when unwatched."""
    from tqdm import tqdm

    return tqdm(iterable, total=total, desc=desc, disable=not watched(), leave=False)


def say(message: str) -> None:
    """Write one line to standard error if somebody watches, nothing otherwise."""
    if watched():
        print(plain(message), file=sys.stderr, flush=True)
