"""The two packages and their arrows: the book builds on the library, never the other way."""

from __future__ import annotations

import ast
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
