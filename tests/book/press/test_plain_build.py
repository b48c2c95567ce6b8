"""A plain `jupyter-book build` of the sample book: what it executes, what it makes again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

BUILD = """
from pathlib import Path
from bbb_book.press import book, site
from bbb_book.press.execution import source_hash
book.source_hash = site.source_hash = lambda: source_hash(Path({library!r}))
from jupyter_book.cli.main import main
main()
"""
"""The command `jupyter-book`, for which a folder of the test is the library."""


@pytest.fixture
def library(tmp_path: Path, book: Path) -> Path:
    """A library whose one number the sample chapter uses."""
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "changing.py").write_text("BIAS = 0.5\n")
    chapter = book / "sample.md"
    text = chapter.read_text().replace("round(tosses * bias)", "round(tosses * changing.BIAS)")
    chapter.write_text(text.replace("from bbb_book", "import changing\nfrom bbb_book", 1))
    return folder


def build(book: Path, library: Path, *, fails: bool = False) -> str:
    path = os.pathsep.join([str(library), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-c", BUILD.format(library=str(library))]
    done = subprocess.run(
        [*command, "build", str(book), "-W", "--keep-going"],
        env={**os.environ, "PYTHONPATH": path, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def share(book: Path) -> str:
    """The value of the sample's first claim, as the front page has it."""
    page = BeautifulSoup((book / "_build" / "html" / "index.html").read_text(), "html.parser")
    return page.select_one(".pasted-text").get_text()


def test_what_is_current_is_not_executed_and_a_change_of_the_library_is_never_missed(
    book: Path, library: Path
) -> None:
    assert "1 chapters to execute" in build(book, library)  # a cold build executes
    assert share(book) == "0.50"
    page = book / "_build" / "html" / "sample.html"
    made = page.stat().st_mtime_ns
    said = build(book, library)
    assert "sample: up to date" in said
    assert "0 added, 0 changed, 0 removed" in said
    assert page.stat().st_mtime_ns == made
    (library / "changing.py").write_text("BIAS = 0.25\n")
    assert "1 chapters to execute" in build(book, library)
    assert share(book) == "0.25"


def test_pages_of_others_are_made_again(book: Path, library: Path) -> None:
    build(book, library)
    html = book / "_build" / "html"
    theirs = html.with_name("html.stamp")
    theirs.write_text("what `make book` knows of its pages")
    said = build(book, library)
    assert "sample: up to date" in said
    assert theirs.exists()  # nothing was made, so they are still what they were
    (html / ".pages").unlink()  # as when `make book` has put its own pages there
    (html / "index.html").write_text("other pages")
    said = build(book, library)
    assert "sample: up to date" in said
    assert "[config changed ('bbb_pages')] 3 added" in said
    assert share(book) == "0.50"
    assert not theirs.exists()


def test_a_build_that_warned_is_made_again_and_warns_again(book: Path, library: Path) -> None:
    index = book / "index.md"
    index.write_text(index.read_text() + "\nSee {numref}`fig-nowhere`.\n")
    for state in ("1 chapters to execute", "sample: up to date"):
        said = build(book, library, fails=True)
        assert state in said
        assert "fig-nowhere" in said


def test_a_chapter_that_fails_stops_the_build_and_says_where(book: Path, library: Path) -> None:
    (library / "changing.py").write_text("")
    said = build(book, library, fails=True)
    assert "chapter 'sample' failed in the cell" in said
    assert "has no attribute 'BIAS'" in said
    assert not (book / "_build" / "html" / "index.html").exists()
