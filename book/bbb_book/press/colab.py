"""Executed notebooks for Colab: each fetches the book before its own first cell."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import nbformat

from bbb_core.errors import InputError

__all__ = ["SET_UP", "for_colab"]

SET_UP = """\
# Where the book is not installed, as on Colab: fetch it, with what it needs (some minutes).
import importlib.util
import subprocess
import sys
from pathlib import Path

if importlib.util.find_spec("bbb_book") is None:
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", {address!r}, "book"], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "./book[book]"], check=True)
    sys.path[:0] = [str(Path("book").resolve()), str(Path("book/book").resolve())]"""
"""The first cell; the checkout goes before what pip installed, for stored results lie in it."""


def for_colab(notebooks: Iterable[Path], repository: str, folder: Path) -> None:
    """Write executed notebooks with a first cell that fetches the book from `repository`.

    Raises
    ------
    InputError
        If the repository's address is none of https.
    """
    if not repository.startswith("https://"):
        raise InputError(f"--repository {repository!r} must be an address that begins https://.")
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        cell = nbformat.v4.new_code_cell(SET_UP.format(address=repository), id="set-up")
        notebook.cells.insert(0, cell)
        nbformat.write(notebook, folder / path.name)
