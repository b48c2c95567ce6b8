"""Notebooks for Colab: the book is fetched where it is missing, and only there."""

from __future__ import annotations

import nbformat
import pytest
from click.testing import CliRunner

from bbb_book.press.colab import for_colab
from bbb_core.cli import main

REPOSITORY = "https://github.com/a/b"


@pytest.fixture
def first_cell(executed, tmp_path):
    for_colab([executed], REPOSITORY, tmp_path)
    written = nbformat.read(tmp_path / executed.name, as_version=4)
    nbformat.validate(written)
    assert written.cells[1:] == nbformat.read(executed, as_version=4).cells
    return written.cells[0].source


def test_where_the_book_is_missing_it_is_fetched(first_cell, tmp_path, monkeypatch):
    calls = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["elsewhere"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("subprocess.run", lambda words, check: calls.append(words))
    names: dict = {}
    exec(first_cell, names)
    assert calls[0][-2:] == [REPOSITORY, "book"]
    assert calls[1][-1] == "./book[book]"
    assert names["sys"].path == [str(tmp_path / "book"), str(tmp_path / "book/book"), "elsewhere"]


def test_where_the_book_is_at_hand_nothing_happens(first_cell, monkeypatch):
    monkeypatch.setattr("subprocess.run", lambda *words, **options: pytest.fail("it is here"))
    exec(first_cell, {})


def test_the_command_writes_every_chapter_and_refuses_an_address_without_https(book, tmp_path):
    words = ["book", "notebooks", "--out", str(tmp_path / "out"), "--repository"]
    done = CliRunner().invoke(main, [*words, "git@github.com:a/b"])
    assert done.exit_code == 2
    assert "must be an address that begins https://" in done.stderr
    assert not (tmp_path / "out").exists()
    done = CliRunner().invoke(main, [*words, REPOSITORY])
    assert done.exit_code == 0, done.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sample.ipynb"]
