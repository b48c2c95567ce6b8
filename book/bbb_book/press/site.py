"""The book's pages: a folder of executed notebooks and texts, built by Jupyter Book."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from bbb_book.press.beside import CITATION
from bbb_book.press.chapters import Chapter, pages
from bbb_book.press.execution import source_hash
from bbb_book.press.failures import BuildFailed
from bbb_book.press.leash import leash, program
from bbb_book.press.reading_order import SOURCES
from bbb_book.results.artefacts import committed_dir
from bbb_book.results.register import register_files
from bbb_core.io.writing import workspace, write_text

__all__ = ["build_book", "build_page", "site_key"]

_COPIED = ("_static", "references.bib")


def build_book(
    book: Path, notebooks: Mapping[str, Path], html: Path, *, builder: str = "html"
) -> Path:
    """Build the whole book, cold and with warnings as errors, and replace `html` by it.

    Parameters
    ----------
    book : Path
        The folder of texts.
    notebooks : Mapping[str, Path]
        The executed notebook of each chapter.
    html : Path
        Where the pages go. An older build stays until the new one is complete.
    builder : str
        Jupyter Book's: ``html``, or ``singlehtml`` for one page that holds them all.

    Returns
    -------
    Path
        The first page.

    Raises
    ------
    BuildFailed
        If the build fails or warns.
    """
    with workspace(html.parent) as temporary:
        source = temporary / "source"
        _copy(book, source)
        for page in pages(book):
            shutil.copyfile(page, source / page.relative_to(book))
        (source / SOURCES).mkdir()
        for name, notebook in notebooks.items():
            os.replace(source / f"{name}.md", source / SOURCES / f"{name}.md")
            shutil.copyfile(notebook, source / f"{name}.ipynb")
        shutil.copyfile(book / "_toc.yml", source / "_toc.yml")
        _configure(book, source)
        _build(source, html, builder)
    return html / "index.html"


def build_page(book: Path, chapter: Chapter, notebook: Path, html: Path) -> Path:
    """Build one chapter as a page that stands alone; links to the rest become plain text."""
    with workspace(html.parent) as temporary:
        source = temporary / "source"
        _copy(book, source)
        shutil.copyfile(notebook, source / f"{chapter.name}.ipynb")
        toc: dict[str, Any] = {"format": "jb-book", "root": chapter.name}
        if (source / "references.bib").is_file():
            write_text(source / "bibliography.md", "# References\n\n```{bibliography}\n```\n")
            toc["chapters"] = [{"file": "bibliography"}]
        write_text(source / "_toc.yml", yaml.safe_dump(toc))
        _configure(book, source, alone=True)
        _build(source, html)
    return html / f"{chapter.name}.html"


def site_key(book: Path, notebooks: Iterable[Path]) -> str:
    """Hash everything that the pages are made of."""
    package = Path(__file__).parents[1]
    files = [*pages(book), book / "_toc.yml", book / "_config.yml", *notebooks]
    for copied in _COPIED:
        path = book / copied
        files += [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    files += [*sorted((package / "press").glob("*.py")), *register_files()]
    files += [CITATION] if CITATION.is_file() else []
    digest = hashlib.sha256(source_hash().encode())
    stored = sorted(path.name for path in committed_dir().glob("*"))  # the front page draws some
    digest.update(repr(stored).encode())
    for path in files:
        digest.update(f"\0{path.name}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _copy(book: Path, source: Path) -> None:
    source.mkdir()
    for name in _COPIED:
        path = book / name
        if path.is_dir():
            shutil.copytree(path, source / name)
        elif path.is_file():
            shutil.copyfile(path, source / name)


def _configure(book: Path, source: Path, *, alone: bool = False) -> None:
    """Write the book's configuration with execution off: the notebooks come executed."""
    config = yaml.safe_load((book / "_config.yml").read_text(encoding="utf-8"))
    config.setdefault("execute", {})["execute_notebooks"] = "off"
    if alone:  # a page without the rest of the book
        sphinx = config.setdefault("sphinx", {})
        sphinx.setdefault("extra_extensions", []).append("bbb_book.press.single_page")
        settings = sphinx.setdefault("config", {})
        settings.setdefault("suppress_warnings", []).append("myst.xref_missing")
    write_text(source / "_config.yml", yaml.safe_dump(config, allow_unicode=True))


def _build(source: Path, html: Path, builder: str = "html") -> None:
    command = program("from jupyter_book.cli.main import main; main()")
    command += ["build", str(source), "-W", "--keep-going", "--builder", builder]
    environment = {**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1", "NO_COLOR": "1"}
    with leash() as held:
        done = subprocess.run(
            command,
            env=environment,
            stdin=held.end,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    built = source / "_build" / builder
    if done.returncode != 0 or not built.is_dir():
        raise BuildFailed(_complaints(done.stdout))
    retired = source / "retired"
    if html.exists():
        os.replace(html, retired)
    os.replace(built, html)


def _complaints(output: str) -> str:
    lines = re.sub(r"\x1b\[[0-9;]*m", "", output).splitlines()
    found = [line for line in lines if any(w in line for w in ("WARNING", "ERROR", "rror:"))]
    return "the pages were not built:\n" + "\n".join(found or lines[-40:])
