"""The two packages and their arrows: the book builds on the library, never the other way."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = sorted((ROOT / "bbb_core").rglob("*.py"))
CHAPTERS = ROOT / "book" / "bbb_book" / "chapters"
METRICS = ("alignment", "balance", "embedding", "stats", "theory")
MODELS = ("bbb_core.diffusion", "bbb_core.study", "bbb_core.cli")


def imported(path: Path) -> set[str]:
    """Return every module that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def within(modules: set[str], *rooms: str) -> list[str]:
    return sorted(m for m in modules for r in rooms if f"{m}.".startswith(f"{r}."))


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_knows_nothing_of_the_book(path):
    assert within(imported(path), "bbb_book") == []
    assert "bbb_book" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("room", METRICS)
def test_metrics_import_no_models(room):
    for path in sorted((ROOT / "bbb_core" / room).rglob("*.py")):
        assert within(imported(path), *MODELS) == [], path


def test_every_chapter_has_one_room_with_its_claims():
    pages = {p.stem for p in (ROOT / "book").glob("*.md") if "```{code-cell}" in p.read_text()}
    rooms = {p.name for p in CHAPTERS.iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert rooms == pages
    assert all((CHAPTERS / room / "claims.toml").is_file() for room in rooms)


def test_only_commands_import_the_press():
    for path in sorted((ROOT / "book" / "bbb_book").rglob("*.py")):
        if path.relative_to(ROOT / "book" / "bbb_book").parts[0] not in ("press", "cli"):
            assert within(imported(path), "bbb_book.press") == [], path


ROOMS = re.findall(r"^\.\. api:: (\w+)$", (ROOT / "book" / "api.md").read_text(), re.MULTILINE)
FOLDER = "reads or writes a folder"
NO_EXAMPLE = {
    "study.collect": FOLDER,
    "study.collect_pile": FOLDER,
    "study.deal": FOLDER,
    "study.new_study": FOLDER,
    "study.plan_study": "takes minutes",
    "study.read_exports": FOLDER,
    "study.read_study": FOLDER,
    "study.write_study": FOLDER,
}
"""Public functions whose docstring holds no example, and why."""


def public(room: str) -> list[str]:
    return list(getattr(importlib.import_module(f"bbb_core.{room}"), "__all__", []))


def test_the_page_of_the_library_names_every_room_with_public_names():
    found = {path.parent.name for path in (ROOT / "bbb_core").glob("*/__init__.py")} | {"prompts"}
    assert set(ROOMS) == {room for room in found - {"cli"} if public(room)}
    flow = ["prompts", "embedding", "diffusion", "balance", "alignment"]
    assert [room for room in ROOMS if room in flow] == flow


@pytest.mark.parametrize("room", ROOMS)
def test_public_names_are_explained(room):
    names = public(room)
    assert len(set(names)) == len(names)
    place = importlib.import_module(f"bbb_core.{room}")
    for name in names:
        value = getattr(place, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            said = value.__doc__ or ""
            assert said.strip(), f"{room}.{name} has no docstring"
            example = ">>> " in said or f"{room}.{name}" in NO_EXAMPLE
            assert example or inspect.isclass(value), f"{room}.{name} has no example"


def test_exceptions_from_examples_are_needed():
    for name in NO_EXAMPLE:
        room, attribute = name.split(".")
        value = getattr(importlib.import_module(f"bbb_core.{room}"), attribute)
        assert ">>> " not in (value.__doc__ or ""), f"{name} has an example"
