"""Rooms that load their names on first use: cheap to import, and no name hides behind a module."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import bbb_core

PACKAGES = [m.name for m in pkgutil.iter_modules(bbb_core.__path__) if m.ispkg]
ROOMS = [name for name in PACKAGES if hasattr(importlib.import_module(f"bbb_core.{name}"), "_HOME")]
HEAVY = ("torch", "scipy.stats", "pandas", "matplotlib")


def test_there_are_such_rooms():
    assert {"alignment", "balance", "stats"} <= set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_every_name_is_what_its_module_defines(room):
    package = importlib.import_module(f"bbb_core.{room}")
    for name in package.__all__:
        home = importlib.import_module(f"bbb_core.{room}.{package._HOME[name]}")
        assert getattr(package, name) is getattr(home, name)
        assert name in home.__all__


@pytest.mark.parametrize("room", ROOMS)
def test_no_name_is_that_of_a_module(room):
    """Python binds an imported module to its package, over a function of the same name."""
    package = importlib.import_module(f"bbb_core.{room}")
    assert not {m.name for m in pkgutil.iter_modules(package.__path__)} & set(package.__all__)


@pytest.mark.parametrize("room", [*ROOMS, "prompts"])
def test_importing_a_room_imports_nothing_heavy(room):
    code = f"import sys, bbb_core.{room}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
