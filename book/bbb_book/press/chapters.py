"""The book's chapters: where they are, what they can be given, which presets exist."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from bbb_book.press.parameters import Parameter, checked, read_parameters
from bbb_core.errors import InputError

__all__ = ["Chapter", "chapter", "chapters", "find_book", "pages", "preset", "presets"]


@dataclass(frozen=True)
class Chapter:
    """One executable page of the book, as MyST text."""

    path: Path

    @property
    def name(self) -> str:
        """The file's stem, by which everything calls the chapter."""
        return self.path.stem

    @cached_property
    def text(self) -> str:
        """The chapter's source."""
        return self.path.read_text(encoding="utf-8")

    @property
    def title(self) -> str:
        """The first heading."""
        headings = (line[2:].strip() for line in self.text.splitlines() if line.startswith("# "))
        return next(headings, self.name)

    def notebook(self) -> Any:
        """Convert the text to a notebook; its first code cell carries the tag `parameters`."""
        import jupytext

        notebook = jupytext.reads(self.text, fmt="md:myst")
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        if not code or "parameters" not in code[0].metadata.get("tags", []):
            raise InputError(
                f"chapter '{self.name}': the first code cell must carry the tag 'parameters'."
            )
        notebook.metadata["language_info"] = {"name": "python"}
        return notebook

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters with their types, defaults and meanings."""
        cells = (cell for cell in self.notebook().cells if cell.cell_type == "code")
        return read_parameters(next(cells).source, chapter=self.name)


def find_book() -> Path:
    """Give the book's folder: `$BBB_BOOK`, or the folder this package lies in.

    Raises
    ------
    InputError
        If there is no book in that folder.
    """
    named = os.environ.get("BBB_BOOK")
    folder = Path(named) if named else Path(__file__).resolve().parents[2]
    if not (folder / "_toc.yml").is_file():
        raise InputError(f"no book in {folder}: set BBB_BOOK to a folder that holds _toc.yml.")
    return folder.resolve()


def pages(book: Path) -> list[Path]:
    """Give the pages that the table of contents names and that exist, in its order."""
    try:
        toc = yaml.safe_load((book / "_toc.yml").read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{book / '_toc.yml'} is not YAML: {error}") from error
    return [path for name in _files(toc) if (path := book / f"{name}.md").is_file()]


def chapters(book: Path) -> dict[str, Chapter]:
    """Give the executable pages by name, in the order of the table of contents."""
    found = (Chapter(path) for path in pages(book))
    return {chapter.name: chapter for chapter in found if "```{code-cell}" in chapter.text}


def chapter(book: Path, name: str) -> Chapter:
    """Find one chapter; an unknown name is an `InputError` that proposes the nearest."""
    known = chapters(book)
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known) or 'none'}."
    raise InputError(f"no chapter '{name}'; {hint}")


def presets(book: Path) -> list[str]:
    """Give the names of the presets."""
    return sorted(path.stem for path in (book / "presets").glob("*.toml"))


def preset(book: Path, name: str) -> Mapping[str, dict[str, Any]]:
    """Read one preset and check it against the chapters.

    Returns
    -------
    Mapping[str, dict]
        For each chapter its whole set of values.

    Raises
    ------
    InputError
        If the preset is unknown, or names a chapter or a parameter that does not exist, or a
        value has the wrong type, or the preset `book` differs from a default.
    """
    if name not in presets(book):
        raise InputError(f"no preset '{name}'; there are {', '.join(presets(book)) or 'none'}.")
    path = book / "presets" / f"{name}.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"preset {path.name} is not valid TOML: {error}") from error
    known = chapters(book)
    for table, overrides in tables.items():
        if not isinstance(overrides, dict):
            raise InputError(f"preset '{name}': '{table}' stands outside a chapter's table.")
        chapter(book, table)
    values = {
        key: checked(found.parameters, tables.get(key, {}), chapter=key)
        for key, found in known.items()
    }
    if name == "book":
        for key, found in known.items():
            for parameter in found.parameters:
                if values[key][parameter.name] != parameter.default:
                    raise InputError(
                        f"preset 'book' gives {key}.{parameter.name} a value that is not the "
                        "chapter's default; change the default instead."
                    )
    return values


def _files(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("root", "file") and isinstance(value, str):
                yield value
            else:
                yield from _files(value)
    elif isinstance(node, list):
        for item in node:
            yield from _files(item)
