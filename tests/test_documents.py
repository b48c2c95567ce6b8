"""The documents are true of the code: names on the notation page, citation keys in docstrings."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from bbb_book.press.chapters import chapters

ROOT = Path(__file__).parents[1]
SOURCES = sorted(p for room in ("bbb_core", "book/bbb_book") for p in (ROOT / room).rglob("*.py"))
BIBLIOGRAPHY = set(re.findall(r"@\w+\{([^,\s]+),", (ROOT / "book/references.bib").read_text()))
NAMES = re.findall(r"`((?:[a-z_]+\.)+\w+)`", (ROOT / "book/notation.md").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_names_of_the_notation_page_exist(name: str) -> None:
    package = (
        "bbb_book" if name.startswith(("chapters.", "generators.", "oracles.")) else "bbb_core"
    )
    module, attribute = f"{package}.{name}".rsplit(".", 1)
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError:
        pytest.fail(f"notation.md names {name}, but there is no module {module}")
    assert hasattr(found, attribute), f"notation.md names {name}, but {module} has no {attribute}"


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
