"""Modules as syntax trees: what the top level binds, imports and uses (for `definitions`)."""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bbb_core.io.writing import sha256

__all__ = ["Module", "chains", "data_files", "form", "imports", "is_ours", "locate", "parsed"]

PACKAGES = ("bbb_core", "bbb_book")
"""Packages whose definitions are followed; what comes from others is known by its name alone."""
SHOWN = "bbb_core.report.shown"
"""A base class from here only shows a result: it is no part of what the class computes."""
DATA = {".csv", ".json", ".parquet", ".toml", ".txt"}
"""Suffixes of data files that a definition may name and that lie beside its module."""

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_OWN_NAMES = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)


def form(node: Any) -> Any:
    """Return a syntax tree as plain lists, without docstrings, imports and places in the file.

    The same for every version of Python, which `ast.dump` is not.
    """
    if isinstance(node, list):
        kept = [item for item in node if not isinstance(item, (ast.Import, ast.ImportFrom))]
        return [form(item) for item in kept]
    if not isinstance(node, ast.AST):
        return repr(node)
    made: list[Any] = [type(node).__name__]
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, _DEFINITIONS) and _is_text(value[0]):
            value = value[1:]
        if name not in ("kind", "type_comment", "ctx") and value not in (None, []):
            made.append([name, form(value)])
    return made


def _is_text(node: ast.AST) -> bool:
    constant = node.value if isinstance(node, ast.Expr) else None
    return isinstance(constant, ast.Constant) and isinstance(constant.value, str)


def imports(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, str, str]]:
    """Yield (local name, module, attribute) of an import; the attribute is empty for a module."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            full = alias.name if alias.asname else alias.name.partition(".")[0]
            yield alias.asname or full, full, ""
        return
    base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    source = ".".join([*base, *([node.module] if node.module else [])])
    for alias in node.names:
        yield alias.asname or alias.name, source, alias.name


@dataclass
class Module:
    """A module's top level: the statements that bind each name, its imports, and the rest."""

    name: str
    path: Path
    bound: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)
    loose: list[ast.stmt] = field(default_factory=list)

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    def _shows(self, base: ast.expr) -> bool:
        return isinstance(base, ast.Name) and self.imported.get(base.id, ("",))[0] == SHOWN

    def take(self, statements: list[ast.stmt]) -> None:
        """Sort statements by the names that they bind."""
        for node in statements:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for local, source, attribute in imports(node, self.package):
                    self.imported[local] = (source, attribute)
            elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
                self.take(node.body)
            elif isinstance(node, _DEFINITIONS):
                if isinstance(node, ast.ClassDef):
                    node.bases = [base for base in node.bases if not self._shows(base)]
                self.bound.setdefault(node.name, []).append(node)
            elif not _is_text(node):
                names = list(_targets(node))
                for name in names:
                    self.bound.setdefault(name, []).append(node)
                if not names:
                    self.loose.append(node)
                for inner in ast.walk(node):  # imports inside `try` and the like
                    if isinstance(inner, (ast.Import, ast.ImportFrom)):
                        self.take([inner])


def _targets(node: ast.AST) -> Iterator[str]:
    """Yield the names that a statement binds at the top level; none if it changes an object."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, _DEFINITIONS):
        yield node.name
    elif not isinstance(node, _OWN_NAMES):
        for child in ast.iter_child_nodes(node):
            yield from _targets(child)


@functools.lru_cache(maxsize=512)
def parsed(name: str, path: Path, stamp: tuple[int, int]) -> Module:
    """Return a module's top level; `stamp` tells one state of the file from another."""
    made = Module(name, path)
    made.take(ast.parse(path.read_text(encoding="utf-8")).body)
    return made


def data_files(module: Module, nodes: list[ast.stmt]) -> Iterator[list[str]]:
    """Yield name and hash of the data files beside the module that statements name."""
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                named = part.value
                if Path(named).suffix in DATA and "\n" not in named and len(named) < 100:
                    file = module.path.parent / named
                    if file.is_file():
                        yield [named, sha256(file)]


def chains(node: ast.AST, local: frozenset[str] = frozenset()) -> Iterator[tuple[str, ...]]:
    """Yield every global name that is read, with its attributes: ``a.b.c`` as (a, b, c).

    Names in `local` are left out, and so are parameters and variables inside their functions.
    """
    if isinstance(node, ast.Attribute):
        path, inner = [node.attr], node.value
        while isinstance(inner, ast.Attribute):
            path.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            if inner.id not in local:
                yield (inner.id, *reversed(path))
            return
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in local:
        yield (node.id,)
    own, inside = _scope(node)
    for child in ast.iter_child_nodes(node):
        yield from chains(child, local | own if child in inside else local)


def _scope(node: ast.AST) -> tuple[frozenset[str], list[ast.AST]]:
    """Return the names that a node keeps to itself, and its children that see them."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else [*node.body]
        names = {arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)}
        shared: set[str] = set()
        for item in body:
            names |= set(_targets(item))
            for part in ast.walk(item):
                shared |= set(part.names) if isinstance(part, (ast.Global, ast.Nonlocal)) else set()
        return frozenset(names - shared), body
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        names = {name for part in node.generators for name in _targets(part.target)}
        first = {
            part.id for part in ast.walk(node.generators[0].iter) if isinstance(part, ast.Name)
        }
        return frozenset(names - first), [*ast.iter_child_nodes(node)]
    return frozenset(), []


def is_ours(module: str) -> bool:
    """Say whether a module belongs to `PACKAGES`."""
    return module.partition(".")[0] in PACKAGES


@functools.lru_cache(maxsize=2048)
def locate(module: str) -> Path | None:
    """Return the file of a module of `PACKAGES`, None for others."""
    first, *rest = module.split(".")
    if not is_ours(module):
        return None
    spec = importlib.util.find_spec(first)
    if spec is None or spec.origin is None:
        return None
    base = Path(spec.origin).parent.joinpath(*rest)
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file() and (rest or path.name == "__init__.py"):
            return path
    return None
