"""The definitions that a function reaches: the code part of an artefact's key.

A function's result depends on the functions, classes and constants that it uses, on those that
these use, and so on. The hash covers exactly them, as syntax trees without docstrings, comments
and import statements: a change of what is computed gives a new key, a definition that is moved to
another module or explained better keeps the old one.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bbb_book.results.syntax import (
    Module,
    chains,
    data_files,
    form,
    imports,
    is_ours,
    locate,
    parsed,
)
from bbb_core.errors import InputError
from bbb_core.io.identity import digest

__all__ = ["code_hash", "reached"]

ASIDE = (
    "bbb_book.results",
    "bbb_core.io.folders",
    "bbb_core.io.identity",
    "bbb_core.io.writing",
    "bbb_core.progress",
)
"""Rooms that decide how results are stored and shown, not what they are."""
Place = tuple[str, str]
"""A module and a name that its top level binds; the empty name stands for its loose statements."""


class _Reach:
    """Everything that one function reaches."""

    def __init__(self, home: str, file: Path) -> None:
        self.home, self.file = home, file
        self.labels: dict[Place, str] = {}
        self.edges: set[tuple[str, str, str]] = set()

    def module(self, name: str) -> Module | None:
        """Return a module that is followed, None for others and those set aside."""
        if any(f"{name}.".startswith(f"{room}.") for room in ASIDE):
            return None
        path: Path | None = self.file if name == self.home else locate(name)
        if path is None:
            return None
        stat = path.stat()
        return parsed(name, path, (stat.st_mtime_ns, stat.st_size))

    def visit(self, start: Place) -> None:
        """Take in a definition and all that it reaches."""
        waiting = [start]
        links: list[tuple[Place, str, Place | str]] = []
        while waiting:
            place = waiting.pop()
            if place in self.labels:
                continue
            module = self.module(place[0])
            assert module is not None
            nodes = module.bound[place[1]] if place[1] else module.loose
            files = [*data_files(module, nodes)]
            self.labels[place] = digest([place[1], form(nodes), files])
            found = [*self._uses(module, nodes)]
            if module.loose:
                found.append(("", (module.name, "")))
            links += [(place, chain, target) for chain, target in found]
            waiting += [target for _, target in found if not isinstance(target, str)]
        for source, chain, target in links:
            end = target if isinstance(target, str) else self.labels[target]
            self.edges.add((self.labels[source], chain, end))

    def _uses(self, module: Module, nodes: list[ast.stmt]) -> Iterator[tuple[str, Place | str]]:
        """Yield what statements name: (name as written, its place or its name elsewhere)."""
        inner: dict[str, tuple[str, str]] = {}
        for node in nodes:
            for part in ast.walk(node):
                if isinstance(part, (ast.Import, ast.ImportFrom)):
                    for local, source, attribute in imports(part, module.package):
                        inner[local] = (source, attribute)
        seen = set()
        for node in nodes:
            for chain in chains(node):
                if chain not in seen:
                    seen.add(chain)
                    root, *rest = chain
                    here = root in module.bound
                    known = inner.get(root) or (None if here else module.imported.get(root))
                    if known is not None:
                        yield from ((root, target) for target in self._follow(*known, rest))
                    elif here:
                        yield root, (module.name, root)

    def _follow(self, source: str, attribute: str, rest: list[str]) -> Iterator[Place | str]:
        """Yield where ``source.attribute.rest`` is defined; a bare module is all that it binds."""
        path = [attribute, *rest] if attribute else rest
        module = self.module(source)
        if module is None:
            yield "set aside" if is_ours(source) else ".".join([source, *path[:1]])
        elif not path or path[0] == "*":
            yield from ((source, name) for name in module.bound)
        elif path[0] in module.bound:
            yield source, path[0]
        elif path[0] in module.imported:
            origin, name = module.imported[path[0]]
            yield from self._follow(origin, name, path[1:])
        elif locate(f"{source}.{path[0]}") is not None:
            yield from self._follow(f"{source}.{path[0]}", "", path[1:])
        else:
            yield from self._lazy(module, path)

    def _lazy(self, module: Module, path: list[str]) -> Iterator[Place | str]:
        """Yield where a name lies that a package's ``__getattr__`` loads on first use."""
        for nodes in module.bound.values():
            for node in nodes:
                value = getattr(node, "value", None)
                if isinstance(value, ast.Dict):
                    for key, item in zip(value.keys, value.values, strict=True):
                        if not isinstance(key, ast.Constant) or key.value != path[0]:
                            continue
                        home = f"{module.name}.{getattr(item, 'value', '')!s}"
                        if self.module(home) is not None:
                            yield from self._follow(home, "", path)
                            return
        raise InputError(
            f"{module.name} has no {path[0]!r} that can be found in its source; import it from the "
            "module that defines it, so that its code can be part of the key."
        )


def _start(function: Callable[..., Any]) -> _Reach:
    plain = inspect.unwrap(function)
    module = sys.modules.get(getattr(plain, "__module__", ""), None)
    file = getattr(module, "__file__", None)
    name = getattr(plain, "__qualname__", "")
    if file is None or not inspect.isfunction(plain) or not name.isidentifier():
        raise InputError(
            "function is not defined at the top of a module file; move it there, so that its code "
            "can be part of the key."
        )
    reach = _Reach(plain.__module__, Path(file))
    reach.visit((plain.__module__, name))
    return reach


def reached(function: Callable[..., Any]) -> set[Place]:
    """Return the (module, name) of every definition that a function reaches, itself included.

    Names are followed through imports, re-exports, packages that load on first use, attributes of
    modules and annotations; classes count whole. Statements at the top of a reached module that
    bind no name count as (module, ""). How results are stored and progress is shown (`ASIDE`) does
    not count; a change of the layout is a new `artefacts.FORMAT`.

    Raises
    ------
    InputError
        If the function is no plain function of a module file, or a name cannot be found.
    """
    return set(_start(function).labels)


def code_hash(function: Callable[..., Any]) -> str:
    """Return the hash of the definitions that a function reaches and of how they name each other.

    No module's name is part of it, so it survives a move. A module that is used as a value counts
    whole; data files that a definition names and that lie beside its module count by content.

    Examples
    --------
    >>> from bbb_core.stats.multiplicity import holm
    >>> len(code_hash(holm))
    64
    """
    reach = _start(function)
    return digest([sorted(set(reach.labels.values())), sorted(reach.edges)])
