"""The print edition: the whole book as one page, printed as a PDF by a headless Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from bbb_book.press.book import executed, run_chapters
from bbb_book.press.failures import BuildFailed
from bbb_book.press.site import build_book
from bbb_core.errors import InputError
from bbb_core.io.writing import atomic_write, workspace

__all__ = ["chromium", "print_book", "print_page"]

_FLAGS = (
    "--headless",
    "--no-sandbox",  # the page is ours and loads nothing from elsewhere
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-pdf-header-footer",
    "--generate-pdf-document-outline",
    "--virtual-time-budget=3600000",  # milliseconds: the mathematics is set after loading
)
_LIMIT = 1800
"""Seconds in which a browser must have printed."""


def chromium() -> str:
    """Return the path of a Chromium: `$BBB_CHROMIUM`, or one that the system knows.

    Raises
    ------
    InputError
        If there is none.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("BBB_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None or shutil.which(found) is None:
        raise InputError(
            f"printing needs a Chromium, and {found or 'none'} was found; install Chromium or "
            "Google Chrome, or name its program in BBB_CHROMIUM."
        )
    return found


def print_book(book: Path, name: str, out: Path, *, say: Callable[[str], None]) -> Path:
    """Execute what is stale with preset `name`, and print the whole book to the PDF `out`.

    Raises
    ------
    InputError
        If `out` is no place for a PDF, or there is no Chromium; before anything is executed.
    """
    if out.suffix != ".pdf" or out.is_dir() or not out.absolute().parent.is_dir():
        raise InputError(f"--out {out} must be a file .pdf in a folder that exists.")
    browser = chromium()
    notebooks = run_chapters(book, name, executed(book, name), say=say)
    with workspace(book / "_build") as folder:
        say("one page: building ...")
        page = build_book(book, notebooks, folder / "html", builder="singlehtml")
        say("PDF: printing ...")
        print_page(page, out, browser=browser)
    return out


def print_page(page: Path, out: Path, *, browser: str) -> None:
    """Print an HTML page, its folded texts unfolded, to a PDF.

    Raises
    ------
    BuildFailed
        If the browser left no PDF; an older one stays.
    """
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace('<details class="sd-', '<details open class="sd-'), "utf-8")
    with workspace(page.parent) as profile, atomic_write(out) as made:
        command = [browser, *_FLAGS, f"--user-data-dir={profile / 'profile'}"]
        try:
            done = subprocess.run(
                [*command, f"--print-to-pdf={made.resolve()}", page.resolve().as_uri()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=_LIMIT,
            )
        except subprocess.TimeoutExpired:
            raise BuildFailed(f"{browser} did not print within {_LIMIT} seconds.") from None
        if not made.read_bytes().startswith(b"%PDF"):
            raise BuildFailed(f"{browser} printed no PDF:\n{done.stdout[-2000:]}")
