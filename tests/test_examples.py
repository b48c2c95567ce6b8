"""Every example in a docstring runs and gives what it says, with run-time type checks on."""

from __future__ import annotations

import ast
import doctest
import importlib
import io
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def modules() -> dict[str, Path]:
    """Return the modules of both packages that hold an example, by name."""
    found = {}
    for home in (ROOT / "bbb_core", ROOT / "book" / "bbb_book"):
        for path in sorted(home.rglob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                parts = path.relative_to(home.parent).with_suffix("").parts
                found[".".join(part for part in parts if part != "__init__")] = path
    return found


MODULES = modules()


def examples(name: str, path: Path) -> list[doctest.DocTest]:
    """Return the examples of a module, read from its source: no decorator can hide one."""
    space = vars(importlib.import_module(name))
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        text = ast.get_docstring(node) if isinstance(node, _DOCUMENTED) else None
        if text:
            where = f"{name}.{getattr(node, 'name', '')}".rstrip(".")
            made = doctest.DocTestParser().get_doctest(text, dict(space), where, str(path), None)
            found += [made] if made.examples else []
    return found


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name):
    tests = examples(name, MODULES[name])
    assert tests
    told = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.REPORT_NDIFF)
    for test in tests:
        runner.run(test, out=told.write)
    assert runner.summarize(verbose=False).failed == 0, told.getvalue()
