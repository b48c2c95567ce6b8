"""The commands of `bbb` that belong to the book: where each lies, and what it is for."""

from __future__ import annotations

__all__ = ["COMMANDS"]

COMMANDS = {
    "book": ("bbb_book.cli.book", "Build, check and reproduce the book."),
    "chapter": ("bbb_book.cli.chapter", "List the chapters; run one with other parameters."),
    "sweep": ("bbb_book.cli.sweep", "Run a chapter over a grid of parameters."),
}
