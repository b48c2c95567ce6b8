"""A small book of its own, so that the tests of the house do not wait for the real chapters."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bbb_book.press.chapters import chapter, preset
from bbb_book.press.execution import execute

ROOT = Path(__file__).parents[3]
DATA = Path(__file__).parent / "data"


def copy_book(target: Path) -> Path:
    shutil.copytree(DATA / "book", target)
    shutil.copytree(ROOT / "book" / "_static", target / "_static")
    shutil.copyfile(ROOT / "_config.yml", target / "_config.yml")
    (target / "presets").mkdir()
    for name in ("book", "paper"):
        (target / "presets" / f"{name}.toml").write_text("")
    (target / "presets" / "ci.toml").write_text("[sample]\ntosses = 100\n")
    return target


@pytest.fixture(autouse=True)
def register(request, monkeypatch):
    """Let the sample's register stand in for the package's."""
    if not request.path.name.endswith("_checks.py"):  # which check pages of any book
        monkeypatch.setenv("BBB_REGISTER", str(DATA / "register"))


@pytest.fixture
def book(tmp_path, monkeypatch):
    place = copy_book(tmp_path / "book")
    monkeypatch.setenv("BBB_BOOK", str(place))
    return place


@pytest.fixture(scope="session")
def executed(tmp_path_factory):
    """The sample chapter, executed once with the preset ci."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BBB_REGISTER", str(DATA / "register"))
        place = copy_book(tmp_path_factory.mktemp("executed") / "book")
        target = place / "_build" / "sample.ipynb"
        values = preset(place, "ci")["sample"]
        execute(chapter(place, "sample"), values, target, preset="ci")
    return target
