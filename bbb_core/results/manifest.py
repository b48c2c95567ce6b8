"""What an artefact depends on: its inputs, its parameters and the code that computes it."""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import inspect
import io
import json
import sys
import tokenize
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bbb_core.errors import InputError
from bbb_core.results.files import sha256

_ASIDE = ("bbb_core.results", "bbb_core.progress")
"""Rooms that decide how results are stored and shown, not what they are."""

__all__ = ["canonical", "code_hash", "digest", "input_hash", "sources"]


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `value`."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(name: str, value: Any) -> Any:
    """Return `value` as plain JSON data (dataclasses by name and fields, NumPy scalars as numbers).

    Raises
    ------
    InputError
        If `value` holds something that has no such form.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {"dataclass": type(value).__qualname__, **canonical(name, fields)}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise InputError(f"{name} has a key that is no string; use strings as keys.")
        return {key: canonical(f"{name}[{key!r}]", item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(f"{name}[{i}]", item) for i, item in enumerate(value)]
    raise InputError(
        f"{name} is a {type(value).__name__}; pass numbers, text, lists, mappings or dataclasses."
    )


def input_hash(name: str, value: Any) -> str:
    """Return the hash of one input: a file (`Path`), bytes, an array, a tensor or plain data."""
    if isinstance(value, Path):
        if not value.is_file():
            raise InputError(f"{name} is {str(value)!r}, which is no file; pass an existing one.")
        return sha256(value)
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if hasattr(value, "detach"):
        tensor = value.detach().cpu()
        value = tensor.float().numpy() if str(tensor.dtype) == "torch.bfloat16" else tensor.numpy()
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise InputError(f"{name} holds Python objects; pass numbers or fixed-width strings.")
        hashed = hashlib.sha256(f"{value.dtype.str}{value.shape}".encode())
        hashed.update(np.ascontiguousarray(value).tobytes())
        return hashed.hexdigest()
    key = getattr(value, "key", None)  # an artefact stands for what it was made from
    return key if isinstance(key, str) else digest(canonical(name, value))


@functools.lru_cache(maxsize=512)
def _parsed(path: Path, stamp: tuple[int, int]) -> tuple[ast.Module, str]:
    """Return a module's syntax tree and its text without comments and docstrings."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    spans = []
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list) or not body or not isinstance(body[0], ast.Expr):
            continue
        value = body[0].value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            last = value.end_lineno or value.lineno
            alone = value.lineno > getattr(node, "lineno", 0)
            if alone and (len(body) == 1 or body[1].lineno > last):
                spans.append((value.lineno, last))
    drop = {line for first, last in spans for line in range(first, last + 1)}
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    kept = [line.rstrip() for i, line in enumerate(lines, 1) if i not in drop and line.strip()]
    return tree, "\n".join(line for line in kept if line)


def _read(path: Path) -> tuple[ast.Module, str]:
    stat = path.stat()
    return _parsed(path, (stat.st_mtime_ns, stat.st_size))


def _aside(module: str) -> bool:
    return any(f"{module}.".startswith(f"{room}.") for room in _ASIDE)


class _Graph:
    """The modules of one package that a module imports, directly or not."""

    def __init__(self, package: str, root: Path) -> None:
        self.package, self.root = package, root
        self.seen: dict[str, str] = {}

    def file(self, module: str) -> Path | None:
        """Return the file of a module of the package, None for others and those set aside."""
        parts = module.split(".")
        if parts[0] != self.package or _aside(module):
            return None
        base = self.root.joinpath(*parts[1:])
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file() and (len(parts) > 1 or path.name == "__init__.py"):
                return path
        return None

    def visit(self, module: str) -> None:
        """Take in a module and what it imports, once."""
        path = self.file(module)
        if path is None or module in self.seen:
            return
        tree, self.seen[module] = _read(path)
        self.follow(tree, module, path)

    def follow(self, tree: ast.Module, module: str, path: Path) -> None:
        """Visit what a module's import statements name, wherever they stand."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.visit(alias.name)
            elif isinstance(node, ast.ImportFrom):
                source = _absolute(node, module, path)
                for alias in node.names:
                    self.name(source, alias.name)

    def name(self, module: str, name: str) -> None:
        """Visit what ``from module import name`` needs: re-exports lead to where they come from."""
        if _aside(f"{module}.{name}"):
            return None
        if self.file(f"{module}.{name}") is not None:
            return self.visit(f"{module}.{name}")
        path = self.file(module)
        if path is not None and path.name == "__init__.py":
            for node in _read(path)[0].body:
                if isinstance(node, ast.ImportFrom):
                    for alias in node.names:
                        if (alias.asname or alias.name) == name:
                            return self.name(_absolute(node, module, path), alias.name)
        return self.visit(module)


def _absolute(node: ast.ImportFrom, module: str, path: Path) -> str:
    if not node.level:
        return node.module or ""
    base = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    base = base[: len(base) - (node.level - 1)]
    return ".".join([*base, *([node.module] if node.module else [])])


def sources(function: Callable[..., Any]) -> dict[str, str]:
    """Return ``{module: text}`` of a function's module and what it imports of `bbb_core`.

    The texts carry no comments and docstrings, so that a better explanation recomputes nothing.
    How results are stored and progress is shown (`bbb_core.results`, `bbb_core.progress`) is left
    out for the same reason; a change of the layout is a new `artefacts.FORMAT`.

    Raises
    ------
    InputError
        If the function is no plain function of a module file.
    """
    plain = inspect.unwrap(function)
    module = sys.modules.get(getattr(plain, "__module__", ""), None)
    file = getattr(module, "__file__", None)
    name = getattr(plain, "__qualname__", "")
    if file is None or not inspect.isfunction(plain) or "<" in name:
        raise InputError(
            "function is not defined at the top of a module file; move it there, so that its code "
            "can be part of the key."
        )
    import bbb_core

    graph = _Graph("bbb_core", Path(bbb_core.__file__).parent)
    tree, text = _read(Path(file))
    graph.seen[plain.__module__] = text
    graph.follow(tree, plain.__module__, Path(file))
    return dict(sorted(graph.seen.items()))


def code_hash(function: Callable[..., Any]) -> str:
    """Return the hash of `sources` together with the function's name."""
    plain = inspect.unwrap(function)
    return digest({"function": plain.__qualname__, "sources": sources(function)})
