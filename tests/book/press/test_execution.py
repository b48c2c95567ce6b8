"""Execution: what makes a run stale, what a failed or interrupted run leaves."""

from __future__ import annotations

import json
import subprocess
import sys

import papermill
import pytest

from bbb_book.press import book as workshop
from bbb_book.press.chapters import chapter, preset
from bbb_book.press.execution import convert, execute, is_valid, key, source_hash
from bbb_book.press.failures import ChapterFailed


@pytest.fixture
def package(tmp_path):
    root = tmp_path / "checkout" / "bbb_core"
    for name in ("stats/intervals.py", "press/site.py", "data/facts.csv"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("0.95")
    (root.parent / "requirements.txt").write_text("numpy==2.4.6\n")
    return root


def test_a_change_in_the_library_makes_runs_stale(package):
    before = source_hash(package)
    assert source_hash(package) == before
    (package / "stats" / "intervals.py").write_text("0.96")
    changed = source_hash(package)
    assert changed != before
    (package / "data" / "facts.csv").write_text("1")
    assert source_hash(package) != changed


def test_a_change_of_a_pinned_package_makes_runs_stale(package):
    before = source_hash(package)
    (package.parent / "requirements.txt").write_text("numpy==2.4.7\n")
    assert source_hash(package) != before


def test_a_change_in_the_press_does_not(package):
    before = source_hash(package)
    (package / "press" / "site.py").write_text("0.96")
    assert source_hash(package) == before


def test_text_values_source_register_and_data_are_in_the_key(book, tmp_path, monkeypatch):
    values = preset(book, "ci")["sample"]
    found = [
        key(chapter(book, "sample"), values, source="a"),
        key(chapter(book, "sample"), values, source="b"),
        key(chapter(book, "sample"), {**values, "tosses": 101}, source="a"),
    ]
    path = book / "sample.md"
    path.write_text(path.read_text() + "\nMore.\n")
    found.append(key(chapter(book, "sample"), values, source="a"))
    monkeypatch.setenv("BBB_REGISTER", str(tmp_path))
    found.append(key(chapter(book, "sample"), values, source="a"))
    monkeypatch.setenv("BBB_DATA_DIR", str(tmp_path))
    found.append(key(chapter(book, "sample"), values, source="a"))
    (tmp_path / "published.csv").touch()
    found.append(key(chapter(book, "sample"), values, source="a"))
    assert len(set(found)) == 7


def test_a_valid_run_is_not_repeated_and_a_damaged_one_is(book, monkeypatch):
    monkeypatch.setattr(workshop, "source_hash", lambda: "the same")
    folder, lines = book / "_build" / "executed", []
    workshop.run_chapters(book, "ci", folder, say=lines.append)
    workshop.run_chapters(book, "ci", folder, say=lines.append)
    assert "sample: up to date" in lines
    target = folder / "sample.ipynb"
    stamp = json.loads((folder / "sample.stamp.json").read_text())
    assert is_valid(target, stamp["key"])
    target.write_text(target.read_text().replace("0.50", "0.51"))
    assert not is_valid(target, stamp["key"])
    assert not is_valid(target, "another key")


def test_the_conversion_is_stable_and_keeps_the_tag(book, tmp_path):
    found = chapter(book, "sample")
    first = convert(found, tmp_path).read_bytes()
    assert convert(found, tmp_path).read_bytes() == first
    cells = json.loads(first)["cells"]
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in cells) == 1
    assert papermill.inspect_notebook(str(tmp_path / "sample.ipynb"))["tosses"]["default"] == "400"


def test_plain_papermill_runs_the_paired_notebook(book, tmp_path):
    source = convert(chapter(book, "sample"), tmp_path)
    done = tmp_path / "done.ipynb"
    subprocess.run(
        [sys.executable, "-m", "papermill", str(source), str(done), "-p", "tosses", "30"],
        check=True,
        capture_output=True,
    )
    assert "n = 30" in done.read_text()


def test_a_failed_run_says_where_and_leaves_nothing(book, tmp_path):
    path = book / "sample.md"
    path.write_text(path.read_text().replace("value=0.9871234", "value=1 / 0"))
    target = tmp_path / "runs" / "sample.ipynb"
    with pytest.raises(ChapterFailed, match=r"(?s)value=1 / 0.*ZeroDivisionError"):
        execute(
            chapter(book, "sample"),
            preset(book, "ci")["sample"],
            target,
            preset="ci",
            wanted="some key",
        )
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_chapter_that_says_nothing_of_a_claim_fails(book, tmp_path):
    path = book / "sample.md"
    path.write_text(path.read_text().replace('record_or_say("sample-later", None)', "pass"))
    target = tmp_path / "runs" / "sample.ipynb"
    with pytest.raises(ChapterFailed, match="ended without a word on sample-later"):
        execute(chapter(book, "sample"), preset(book, "ci")["sample"], target, preset="ci")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_failed_run_takes_the_older_one_away(book, tmp_path):
    target = tmp_path / "sample.ipynb"
    target.write_text("{}")
    path = book / "sample.md"
    path.write_text(path.read_text().replace("value=0.9871234", "value=None"))
    with pytest.raises(ChapterFailed):
        execute(chapter(book, "sample"), preset(book, "ci")["sample"], target, preset="ci")
    assert not target.exists()


def test_the_executed_notebook_knows_its_run_and_no_clock(executed):
    content = json.loads(executed.read_text())
    assert content["metadata"]["bbb"]["preset"] == "ci"
    assert content["metadata"]["bbb"]["parameters"]["tosses"] == 100
    assert "papermill" not in content["metadata"]
    assert not any("papermill" in cell["metadata"] for cell in content["cells"])
