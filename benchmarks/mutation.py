"""Mutation check: change the library in one small place, and see whether a matching test notices.

Usage: mutation.py [--only TARGET ...] [--sample N] [--seed S] [--minutes M]

Each mutant is one changed operator, constant, boundary, call, guard or return value of a module
below. It is written into a copy of the checkout, and the tests of that module run there until one
fails. Results are kept in book/_build/mutation.json, so that an interrupted run goes on where it
stopped; a mutant whose module or tests have changed since is tried again. The report names the
mutants that no test noticed: kill those that matter with a test, and leave those that compute the
same (such as ``<`` for ``<=`` between real numbers that never meet).
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGETS = {
    "theory": (["bbb_core/theory/*.py"], ["tests/theory"]),
    "balance": (["bbb_core/balance/*.py"], ["tests/balance"]),
    "alignment": (["bbb_core/alignment/*.py"], ["tests/alignment"]),
    "paths": (
        ["bbb_core/diffusion/path*.py"],
        ["tests/diffusion/test_paths.py", "tests/diffusion/test_path_tv.py"],
    ),
    "gaps": (["bbb_core/embedding/gaps.py"], ["tests/embedding/test_measures.py"]),
}
"""What is changed, and the tests that have to notice."""
KEPT = ROOT / "book" / "_build" / "mutation.json"
SAID = "said.txt"
"""What the tests of the last mutant said, in the copy."""
LEAST, TIMES = 20.0, 4.0
"""A mutant gets this many seconds, or so many times what the tests take without one."""

_COMPARE = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_TURNED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
_BINARY = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Mod: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
_CALLS = {
    "min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all",
    "all": "any", "floor": "ceil", "ceil": "floor", "mean": "sum", "argmax": "argmin",
    "argmin": "argmax", "sqrt": "abs", "log1p": "log", "expm1": "exp",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One node of a module, and what stands in its place."""

    path: str
    tree: ast.Module
    old: ast.AST
    new: ast.AST

    @property
    def line(self) -> int:
        """Where it is."""
        return int(getattr(self.old, "lineno", 0))

    @property
    def name(self) -> str:
        """Say what is changed into what."""
        before, after = (ast.unparse(node).splitlines()[0][:70] for node in (self.old, self.new))
        return f"{self.path}:{self.line}  {before}  ->  {after}"

    @property
    def text(self) -> str:
        """The changed module."""
        place = next(i for i, node in enumerate(ast.walk(self.tree)) if node is self.old)
        tree = copy.deepcopy(self.tree)
        old = next(node for i, node in enumerate(ast.walk(tree)) if i == place)

        class Swap(ast.NodeTransformer):
            def visit(this, node: ast.AST) -> ast.AST:
                return self.new if node is old else this.generic_visit(node)

        return ast.unparse(ast.fix_missing_locations(Swap().visit(tree)))


def places(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that count: no annotations, docstrings, decorators, messages or names."""
    if isinstance(node, (ast.Raise, ast.JoinedStr, ast.Import, ast.ImportFrom, ast.Assert)):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.Assign) and "__all__" in ast.unparse(child.targets[0]):
                continue
            if isinstance(child, ast.AST):
                yield from places(child)


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what may stand in a node's place."""
    new = copy.deepcopy(node)
    if isinstance(node, ast.Compare):
        for table in (_COMPARE, _TURNED):
            if type(node.ops[0]) in table:
                new = copy.deepcopy(node)
                new.ops[0] = table[type(node.ops[0])]()
                yield new
    elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        new.op = _BINARY[type(node.op)]()
        yield new
    elif isinstance(node, ast.BoolOp):
        new.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield new
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield new.operand
    elif isinstance(node, ast.Constant) and type(node.value) in (bool, int, float):
        new.value = not node.value if isinstance(node.value, bool) else node.value + 1
        yield new
    elif isinstance(node, ast.Call):
        called = new.func
        word = getattr(called, "attr", getattr(called, "id", ""))
        if word in _CALLS:
            setattr(called, "attr" if isinstance(called, ast.Attribute) else "id", _CALLS[word])
            yield new
    elif isinstance(node, ast.If) and all(isinstance(part, ast.Raise) for part in node.body):
        new.test = ast.Constant(False)
        yield new
    elif isinstance(node, ast.Return) and not isinstance(node.value, ast.Constant | None):
        new.value = ast.Constant(None)
        yield new


def mutants(path: Path) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in places(tree):
        for new in changes(node):
            yield Mutant(str(path.relative_to(ROOT)), tree, node, new)


def copied(folder: Path) -> Path:
    """Copy what may be changed, link the rest."""
    for path in ROOT.iterdir():
        if path.name in ("bbb_core", "tests"):
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif not path.name.startswith("."):
            (folder / path.name).symlink_to(path)
    return folder


def _child(folder: Path, tests: list[str]) -> None:
    os.setsid()
    os.chdir(folder)
    sys.path[:] = [str(folder), *(path for path in sys.path if Path(path or ".").resolve() != ROOT)]
    sys.dont_write_bytecode = True
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(folder / ".hypothesis")
    said = os.open(folder / SAID, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    import pytest

    options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", "--no-header"]
    os._exit(int(pytest.main([*options, *tests])))


def verdict(folder: Path, tests: list[str], *, limit: float) -> str:
    """Run tests in a process of their own; a mutant that they notice, or that hangs, is killed."""
    shutil.rmtree(folder / ".hypothesis", ignore_errors=True)
    process = multiprocessing.get_context("fork").Process(target=_child, args=(folder, tests))
    process.start()
    process.join(limit)
    if process.is_alive():
        os.killpg(process.pid, 9)
        process.join()
        return "too slow"
    return "survived" if process.exitcode == 0 else "killed"


def main() -> None:
    """Try mutants until all are tried or the time is up; print the survivors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=sorted(TARGETS), default=sorted(TARGETS))
    parser.add_argument("--sample", type=int, help="so many mutants per target, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after")
    given = parser.parse_args()
    end = time.monotonic() + 60 * given.minutes
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    kept = json.loads(KEPT.read_text()) if KEPT.is_file() else {}
    import pandas  # noqa: F401  (imported once, before the copies of this process)
    import scipy.stats  # noqa: F401
    import torch  # noqa: F401

    with tempfile.TemporaryDirectory() as name:
        folder = copied(Path(name).resolve())
        for target in given.only:
            _target(target, folder, kept, given, end)


def _target(target: str, folder: Path, kept: dict, given: argparse.Namespace, end: float) -> None:
    globs, tests = TARGETS[target]
    files = [path for glob in globs for path in sorted(ROOT.glob(glob))]
    found = [one for path in files if path.name != "__init__.py" for one in mutants(path)]
    random.Random(given.seed).shuffle(found)
    found = found[: given.sample]
    state = hashlib.sha256()
    for test in tests:
        one = ROOT / test
        for path in sorted(one.rglob("*.py")) if one.is_dir() else [one]:
            state.update(path.read_bytes())
    start = time.monotonic()
    if verdict(folder, tests, limit=3600) != "survived":
        said = (folder / SAID).read_text(errors="replace")
        sys.exit(f"{said}\n{target}: its tests fail without a mutant")
    limit = max(LEAST, TIMES * (time.monotonic() - start))
    found_by: dict[str, list[Mutant]] = {"killed": [], "too slow": [], "survived": []}
    for number, one in enumerate(found, start=1):
        text = one.text
        key = hashlib.sha256(f"{one.path}\0{text}\0{state.hexdigest()}".encode()).hexdigest()
        if key not in kept:
            if time.monotonic() > end:
                print(f"{target}: stopped at {number - 1} of {len(found)}; call again to go on")
                break
            place = folder / one.path
            original = place.read_text(encoding="utf-8")
            place.write_text(text, encoding="utf-8")
            kept[key] = verdict(folder, tests, limit=limit)
            place.write_text(original, encoding="utf-8")
            KEPT.write_text(json.dumps(kept))
            print(f"[{number}/{len(found)}] {kept[key]}: {one.name}", flush=True)
        found_by[kept[key]].append(one)
    tried = sum(len(ones) for ones in found_by.values())
    print(f"{target}: {len(found_by['survived'])} of {tried} mutants survived")
    for one in sorted(found_by["survived"], key=lambda one: (one.path, one.line)):
        print(f"  {one.name}")


if __name__ == "__main__":
    main()
