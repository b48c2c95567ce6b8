"""What commands print: lines that move no terminal's cursor, and results that are never lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from bbb_core.io.cells import plain

__all__ = ["printed", "say"]


def say(text: str) -> None:
    """Print text of one or several lines; see `bbb_core.io.cells.plain`."""
    click.echo(plain(text, keep="\n"))


@contextmanager
def printed(text: str) -> Iterator[None]:
    """Print a result after the block that delivers it, even if that fails.

    The other way round, too: the block has ended when standard output turns out to be full.
    """
    try:
        yield
    finally:
        say(text)
