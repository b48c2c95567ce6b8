"""The print edition: one page of the whole book, and what is said where it cannot be printed."""

from __future__ import annotations

from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from click.testing import CliRunner

from bbb_book.press.failures import BuildFailed
from bbb_book.press.print_edition import chromium, print_page
from bbb_book.press.site import build_book
from bbb_core.cli import main
from bbb_core.errors import InputError


def bad(*words: str) -> str:
    result = CliRunner().invoke(main, ["book", "print", *words])
    assert result.exit_code == 2, result.output
    return result.stderr


def test_without_a_browser_nothing_is_executed(book, tmp_path, monkeypatch):
    out = tmp_path / "book.pdf"
    monkeypatch.setenv("BBB_CHROMIUM", str(tmp_path / "nowhere"))
    assert "nowhere was found; install Chromium" in bad("--out", str(out))
    monkeypatch.delenv("BBB_CHROMIUM")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "printing needs a Chromium, and none was found" in bad("--out", str(out))
    assert not (book / "_build").exists()


@pytest.mark.parametrize("name", ["book.html", "folder.pdf", "missing/book.pdf"])
def test_only_a_pdf_in_a_folder_that_exists_can_be_printed(book, tmp_path, name):
    (tmp_path / "folder.pdf").mkdir()
    said = bad("--out", str(tmp_path / name))
    assert "must be a file .pdf in a folder that exists" in said
    assert not (book / "_build").exists()


def test_a_browser_that_prints_nothing_fails_and_an_older_pdf_stays(tmp_path):
    browser, page, out = (tmp_path / name for name in ("browser", "page.html", "book.pdf"))
    browser.write_text("#!/bin/sh\necho no display\n")
    browser.chmod(0o755)
    page.write_text("<p>Text</p>")
    out.write_bytes(b"older")
    with pytest.raises(BuildFailed, match=r"printed no PDF:\nno display"):
        print_page(page, out, browser=str(browser))
    assert out.read_bytes() == b"older"
    assert {path.name for path in tmp_path.iterdir()} == {"browser", "page.html", "book.pdf"}


def test_one_page_holds_all_and_is_printed(executed, tmp_path, monkeypatch):
    monkeypatch.setenv("BBB_REGISTER", str(Path(__file__).parent / "data" / "register"))
    html = tmp_path / "html"
    page = build_book(executed.parents[1], {"sample": executed}, html, builder="singlehtml")
    try:
        browser = chromium()
    except InputError as error:
        pytest.skip(str(error))
    out = tmp_path / "book.pdf"
    print_page(page, out, browser=browser)
    content = BeautifulSoup(page.read_text(), "html.parser")
    chapters = content.select(".toctree-wrapper > section")
    assert [one["id"] for one in chapters] == ["a-sample-chapter", "a-sample-register"]
    assert all(one.has_attr("open") for one in content.select("details.sd-dropdown"))
    assert content.select("details.sd-dropdown")
    printed = out.read_bytes()
    assert printed.startswith(b"%PDF")
    assert b"/Outlines" in printed
    assert printed.count(b"/Type /Page\n") >= 1 + len(chapters)  # each begins on a page of its own
