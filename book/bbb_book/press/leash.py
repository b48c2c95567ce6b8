"""Processes that end with the one that started them, however that one ended (`bbb sweep`, book).

A killed process cannot tell its children. So a child holds one end of a pipe whose other end
belongs to the parent alone: when the system closes that end, the child leaves.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Leash", "follow", "follow_parent", "leash", "program"]

GRACE = 20.0
"""Seconds in which a process that was told to leave may tidy up."""


class Leash:
    """What children get as their standard input (`end`); `let_go` ends all of them."""

    def __init__(self) -> None:
        self.end, self._ours = os.pipe()

    def let_go(self) -> None:
        """Tell the children to leave, as the death of this process would; once is enough."""
        for name in ("_ours", "end"):
            number = self.__dict__.pop(name, None)
            if number is not None:
                os.close(number)


@contextmanager
def leash() -> Iterator[Leash]:
    """Yield a leash for any number of children; it is let go after the block."""
    held = Leash()
    try:
        yield held
    finally:
        held.let_go()


def program(code: str) -> list[str]:
    """Return the command line of a Python process that runs `code` on a leash."""
    return [sys.executable, "-c", f"import {__name__} as own; own.follow(); {code}"]


def follow() -> None:
    """End this process when its standard input, the leash, ends."""
    _end_after(lambda: os.read(0, 1))


def follow_parent() -> None:
    """End this worker of a pool when the process that started it ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        _end_after(parent.join)


def _end_after(gone: Callable[[], object]) -> None:
    def watch() -> None:
        gone()
        os.kill(os.getpid(), signal.SIGTERM)  # which commands answer by tidying up
        time.sleep(GRACE)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="leash").start()
