"""What `make` does: build, warm build, golden files, reference, reproduction."""

from __future__ import annotations

import json

import pytest

from bbb_book.press import book as workshop
from bbb_book.press import site
from bbb_book.press.failures import BuildFailed, ChapterFailed
from bbb_book.results.artefacts import committed_dir
from bbb_book.results.comparison import Comparison
from bbb_core.device import describe
from bbb_core.errors import InputError


def test_a_second_build_does_only_what_is_stale(book, monkeypatch):
    for module in (workshop, site):  # somebody may edit the library while this runs
        monkeypatch.setattr(module, "source_hash", lambda: "the same")
    lines: list[str] = []
    first = workshop.build(book, "ci", say=lines.append)
    assert first == book / "_build" / "html-ci" / "index.html"
    lines.clear()
    workshop.build(book, "ci", say=lines.append)
    checks = "checks: 1 hold; open: sample-level"
    assert lines == ["sample: up to date", checks, "pages: up to date"]
    index = book / "index.md"
    index.write_text(index.read_text() + "\nMore text.\n")
    lines.clear()
    workshop.build(book, "ci", say=lines.append)
    assert lines[:3] == ["sample: up to date", checks, "pages: building ..."]
    assert "More text." in first.read_text()
    first.write_text("overwritten by something else")
    workshop.build(book, "ci", say=lines.append)
    assert "More text." in first.read_text()


def test_chapters_run_side_by_side_and_stand_afterwards(book):
    text = (book / "sample.md").read_text()
    for name in ("first", "second"):
        body = text.replace("thm-sample", f"thm-{name}").replace("eq-sample", f"eq-{name}")
        (book / f"{name}.md").write_text(body)
    toc = book / "_toc.yml"
    toc.write_text(toc.read_text() + "  - file: first\n  - file: second\n")
    lines: list[str] = []
    folder = book / "_build" / "apart"
    made = workshop.run_chapters(book, "book", folder, say=lines.append, jobs=2)
    assert set(made) == {"sample", "first", "second"}
    assert all(path.is_file() for path in made.values())
    assert "2 at a time" in lines[0]
    lines.clear()
    workshop.run_chapters(book, "book", folder, say=lines.append, jobs=2)
    assert lines[:-1] == [f"{name}: up to date" for name in made]
    broken = book / "second.md"
    broken.write_text(broken.read_text().replace("value=0.9871234", "value=None"))
    with pytest.raises(ChapterFailed, match="chapter 'second' failed"):
        workshop.run_chapters(book, "book", folder, say=lines.append, jobs=2)


def test_a_failed_chapter_stops_the_build_and_keeps_the_older_pages(book):
    html = book / "_build" / "html-ci"
    html.mkdir(parents=True)
    (html / "index.html").write_text("older")
    path = book / "sample.md"
    path.write_text(path.read_text().replace("value=0.9871234", "value=None"))
    with pytest.raises(ChapterFailed):
        workshop.build(book, "ci", say=lambda line: None)
    assert (html / "index.html").read_text() == "older"


def test_an_exact_check_that_fails_stops_the_build(book):
    path = book / "sample.md"
    path.write_text(path.read_text().replace("value=whole", "value=whole - 0.1"))
    with pytest.raises(BuildFailed, match=r"check 'sample-whole' .* fails: 0.9 is not between"):
        workshop.build(book, "ci", say=lambda line: None)
    assert not (book / "_build" / "html-ci").exists()


def test_the_tests_of_chapters_need_golden_files(book, tmp_path):
    goldens, quiet = tmp_path / "golden", (lambda line: None)
    with pytest.raises(InputError, match="has no golden file"):
        workshop.prepare_tests(book, goldens, say=quiet)
    workshop.golden(book, goldens, say=quiet)
    folder = workshop.prepare_tests(book, goldens, say=quiet)
    assert [path.name for path in folder.glob("*.ipynb")] == ["sample.ipynb"]
    assert (book / "_build" / "html-ci" / "claims.json").is_file()
    (goldens / "retired.json").write_text("{}")
    with pytest.raises(InputError, match="without a chapter: retired"):
        workshop.prepare_tests(book, goldens, say=quiet)


def test_a_reproduction_reports_every_difference(book):
    quiet = lambda line: None  # noqa: E731
    with pytest.raises(InputError, match="make reference"):
        workshop.reproduce(book, say=quiet)
    before = sorted(committed_dir().iterdir())
    (book.parent / "artefacts" / "old").mkdir(parents=True)
    target = workshop.reference(book, say=quiet)
    assert list((book.parent / "artefacts").iterdir()) == []  # the sample asks for none
    assert sorted(committed_dir().iterdir()) == before  # and those of others stay
    assert workshop.reproduce(book, say=quiet) == Comparison()
    stored = json.loads(target.read_text())
    named = {claim["id"]: claim for claim in stored["claims"]}
    named["sample-largest"]["value"] = 0.98
    named["sample-level"]["value"] = 0.49  # as on another processor
    named["sample-later"].update(value=0.5, verdict="supported")  # measured where more was at hand
    target.write_text(json.dumps(stored))
    said: list[str] = []
    found = workshop.reproduce(book, say=said.append)
    assert found.differs == ["sample-largest: value was 0.98, is 0.9871234"]
    assert found.within == ["sample-level: agrees within its interval; value was 0.49, is 0.5"]
    assert "not compared: sample-later (data not at hand)" in said


def test_an_interrupted_reproduction_goes_on(book):
    quiet = lambda line: None  # noqa: E731
    workshop.reference(book, say=quiet)
    cache = book / "_build" / "reproduce"
    here = describe()
    elsewhere = here | {"versions": here["versions"] | {"numpy": "1.0"}}
    for name, machine in (("mine", here), ("other", elsewhere)):
        folder = cache / "artefacts" / name
        folder.mkdir(parents=True)
        manifest = {"name": name, "machine": machine, "differences": ["x: differs", "seconds: 1"]}
        (folder / "manifest.json").write_text(json.dumps(manifest))
    path = book / "sample.md"
    whole = path.read_text()
    path.write_text(whole.replace("value=0.9871234", "value=None"))
    with pytest.raises(ChapterFailed):
        workshop.reproduce(book, say=quiet)
    assert [folder.name for folder in (cache / "artefacts").iterdir()] == ["mine"]
    path.write_text(whole)
    said: list[str] = []
    found = workshop.reproduce(book, say=said.append)
    assert said[0].startswith("going on with 1 results computed before")
    assert (found.artefacts, found.differs) == (["mine: x: differs"], [])
    assert not cache.exists()
