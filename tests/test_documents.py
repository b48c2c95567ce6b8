"""The documents are true of the code: names on the notation page, citation keys in docstrings."""

from __future__ import annotations

import contextlib
import functools
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from bbb_book.press.chapters import chapters

ROOT = Path(__file__).parents[1]
SOURCES = sorted(p for room in ("bbb_core", "book/bbb_book") for p in (ROOT / room).rglob("*.py"))
BIBLIOGRAPHY = set(re.findall(r"@\w+\{([^,\s]+),", (ROOT / "book/references.bib").read_text()))
ROOMS = ("alignment", "balance", "diffusion", "embedding", "prompts", "stats", "theory")
NOTATION = (ROOT / "book/notation.md").read_text(encoding="utf-8")
NAMES = re.findall(r"`((?:\w+\.)+[a-zA-Z_]\w*)`", NOTATION)
FULL = re.compile(r"`(bbb_(?:core|book)(?:\.\w+)+)`")


def attribute(owner: Any, name: str) -> Any:
    """Return an attribute; of a class also one that it only announces, such as a field."""
    announced = getattr(owner, "__annotations__", {}) if isinstance(owner, type) else {}
    return announced[name] if name in announced else getattr(owner, name)


def resolve(full: str) -> Any:
    """Return what a dotted name stands for: modules as far as they go, then attributes."""
    parts = full.split(".")
    for n in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:n]))
        except ModuleNotFoundError:
            continue
        return functools.reduce(attribute, parts[n:], found)
    raise AttributeError(full)


def homes(name: str) -> list[str]:
    """Return where a name of the notation page may lie; classes are named without their room."""
    first = name.partition(".")[0]
    if first[0].isupper():
        return [f"bbb_core.{room}.{name}" for room in ROOMS]
    book = first in ("chapters", "generators", "oracles")
    return [f"{'bbb_book' if book else 'bbb_core'}.{name}"]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_the_notation_page_exist(name: str) -> None:
    for full in homes(name):
        with contextlib.suppress(AttributeError):
            resolve(full)
            return
    pytest.fail(f"notation.md names {name}, which does not exist")


def test_full_names_in_texts_exist() -> None:
    wrong, found = [], set()
    for path in [*SOURCES, *PAGES]:
        for full in set(FULL.findall(path.read_text(encoding="utf-8"))):
            found.add(full)
            try:
                resolve(full)
            except AttributeError:
                wrong.append(f"{path.relative_to(ROOT)}: {full}")
    assert len(found) > 20
    assert wrong == []


COMMAND = re.compile(r"bbb (?:chapter run|sweep) (\w+)([^\n`]*(?:\\\n[^\n`]*)*)")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "book").glob("*.md"))]


def test_commands_on_the_pages_name_parameters_that_exist() -> None:
    known = {n: {p.name for p in one.parameters} for n, one in chapters(ROOT / "book").items()}
    found = 0
    for page in PAGES:
        for name, rest in COMMAND.findall(page.read_text(encoding="utf-8")):
            if name == "NAME":
                continue
            assert name in known, f"{page.name} runs chapter {name!r}, which does not exist"
            for key in re.findall(r"(?:-p|--parameter|--over) '?(\w+)=", rest):
                found += 1
                assert key in known[name], f"{page.name}: chapter {name} has no parameter {key!r}"
    assert found >= 10


def test_notation_page_names_code() -> None:
    assert len(NAMES) > 10


def test_citation_keys_stand_in_the_bibliography() -> None:
    pages = sorted((ROOT / "book").glob("*.md"))
    cited: dict[str, str] = {}
    for path in [*SOURCES, *pages]:
        for keys in re.findall(r"(?::cite(?::\w+)?:|\{cite(?::\w+)?\})`([^`]+)`", path.read_text()):
            for key in keys.split(","):
                cited.setdefault(key.strip(), path.name)
    missing = {key: place for key, place in cited.items() if key not in BIBLIOGRAPHY}
    assert cited
    assert not missing, f"cited but not in references.bib: {missing}"


STATED = re.compile(r"\{prf:(?:definition|theorem)\} (.+)\n:label: (\S+)\n(:nonumber:)?")


def test_definitions_and_theorems_are_stated_once_and_listed() -> None:
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "book").glob("*.md")]
    stated = [found for page in pages for found in STATED.findall(page)]
    labels = {}
    for title, label, unnumbered in stated:
        number = re.match(r"[DT]\d+[ab]?(?=: [a-zW])", title)
        assert number, f"{label} has no number of its own: {title}"
        assert unnumbered, f"{label} would get a second number"
        assert number[0] not in labels, f"{number[0]} is stated twice"
        labels[number[0]] = label
    listed = re.findall(r"^\| \{prf:ref\}`(\w+) <([\w-]+)>`", NOTATION, re.MULTILINE)
    assert dict(listed) == labels
    assert len(listed) == len(stated) == len({title.partition(": ")[2] for title, *_ in stated})
    for page in pages:
        for number, label in re.findall(r"\{prf:ref\}`([DT]\d+[ab]?) <([\w-]+)>`", page):
            assert labels[number] == label


GLOSSARY = re.search(r"```\{glossary\}\n(.*?)```", NOTATION, re.DOTALL)


def test_terms_are_defined_once_and_chapters_link_to_them() -> None:
    assert GLOSSARY
    terms = [line for line in GLOSSARY[1].splitlines() if line and line[0] != " "]
    assert len(set(terms)) == len(terms) > 40
    for name, one in chapters(ROOT / "book").items():
        linked = re.findall(r"\{term\}`(?:[^`<]*<)?([^`>]+)", one.text)
        assert linked, f"{name} links to no term of the notation page"
        unknown = {term.lower() for term in linked} - {term.lower() for term in terms}
        assert not unknown, f"{name}: {unknown}"
