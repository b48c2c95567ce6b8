"""What `make` does with the book: execute its chapters, build its pages, compare its claims."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bbb_core.errors import InputError
from bbb_core.publishing.chapters import chapters, preset
from bbb_core.publishing.execution import (
    convert,
    environment,
    execute,
    is_valid,
    kernel_home,
    key,
    source_hash,
)
from bbb_core.publishing.golden import with_golden, write_golden
from bbb_core.publishing.site import build_book, site_key
from bbb_core.publishing.stored import keep
from bbb_core.results.artefacts import LOG
from bbb_core.results.collect import absent, collect, differences, read_claims
from bbb_core.results.files import write_json

__all__ = ["build", "golden", "prepare_tests", "reference", "reproduce", "run_chapters"]

Say = Callable[[str], None]


def run_chapters(book: Path, name: str, folder: Path, *, say: Say) -> dict[str, Path]:
    """Execute every chapter with a preset, except those whose run is still valid.

    Returns
    -------
    dict[str, Path]
        The executed notebook of each chapter.
    """
    values, source = preset(book, name), source_hash()
    found = chapters(book)
    if not found:
        raise InputError(f"the book in {book} has no executable chapter.")
    done = {}
    for number, (chapter_name, chapter) in enumerate(found.items(), start=1):
        convert(chapter, book / "_build" / "notebooks")
        target = folder / f"{chapter_name}.ipynb"
        wanted = key(chapter, values[chapter_name], source=source)
        line = f"[{number}/{len(found)}] {chapter_name}"
        if is_valid(target, wanted):
            say(f"{line}: up to date")
        else:
            say(f"{line}: executing with preset '{name}' ...")
            start = time.monotonic()
            execute(chapter, values[chapter_name], target, preset=name, wanted=wanted)
            say(f"{line}: done in {time.monotonic() - start:.0f} s")
        done[chapter_name] = target
    return done


def build(book: Path, name: str, *, say: Say) -> Path:
    """Execute what is stale, build the pages when anything changed; give the first page."""
    notebooks = run_chapters(book, name, _executed(book, name), say=say)
    html = _html(book, name)
    wanted = site_key(book, notebooks.values())
    stamp = html.with_name(f"{html.name}.stamp")
    first = html / "index.html"
    if first.is_file() and stamp.is_file() and stamp.read_text() == f"{wanted} {_digest(first)}\n":
        say("pages: up to date")
        return first
    say("pages: building ...")
    stamp.unlink(missing_ok=True)
    start = time.monotonic()
    build_book(book, notebooks, html)
    stamp.write_text(f"{wanted} {_digest(first)}\n")
    say(f"pages: built in {time.monotonic() - start:.0f} s")
    return first


def prepare_tests(book: Path, goldens: Path, *, say: Say) -> Path:
    """Execute every chapter with preset `ci`, from scratch, and build the pages cold.

    Returns
    -------
    Path
        The folder of notebooks that nbval is to execute again and compare.
    """
    for stale in (_executed(book, "ci"), book / "_build" / "nbval"):
        shutil.rmtree(stale, ignore_errors=True)
    notebooks = run_chapters(book, "ci", _executed(book, "ci"), say=say)
    folder = book / "_build" / "nbval"
    kernel_home(book / "_build" / "ipython")
    for notebook in notebooks.values():
        with_golden(notebook, goldens, folder / notebook.name)
    spare = {path.stem for path in goldens.glob("*.json")} - set(notebooks)
    if spare:
        raise InputError(
            f"golden files without a chapter: {', '.join(sorted(spare))}; remove them."
        )
    say("pages: building cold, warnings are errors ...")
    shutil.rmtree(_html(book, "ci"), ignore_errors=True)
    build_book(book, notebooks, _html(book, "ci"))
    return folder


def golden(book: Path, goldens: Path, *, say: Say) -> None:
    """Store the claim outputs of the preset `ci` as the golden files."""
    with fresh_cache():
        folder = _executed(book, "golden")
        shutil.rmtree(folder, ignore_errors=True)
        for notebook in run_chapters(book, "ci", folder, say=say).values():
            say(f"stored {write_golden(notebook, goldens)}")


def reference(book: Path, *, say: Say) -> Path:
    """Store the claims of the preset `book`, and the artefacts that its chapters asked for.

    Every chapter is executed; what the cache holds is not computed again. `reproduce` compares
    with the stored claims, and `build` in another checkout starts from the stored artefacts.
    """
    folder = book / "_build" / "reference"
    shutil.rmtree(folder, ignore_errors=True)
    log = folder / "artefacts.txt"
    with environment(**{LOG: str(log)}):
        folder.mkdir(parents=True)
        log.touch()
        notebooks = run_chapters(book, "book", folder, say=say)
    for line in keep(log.read_text(encoding="utf-8").split()):
        say(line)
    target = _reference(book)
    write_json(target, {"format": 1, "claims": collect(notebooks.values())})
    return target


def reproduce(book: Path, *, say: Say) -> list[str]:
    """Recompute everything with empty caches; give every difference from what is stored.

    Compared are the claims with the reference claims, and the artefacts that the repository
    brings along with those that this run computed.
    """
    before = read_claims(_reference(book))
    with (
        fresh_cache() as cache,
        environment(BBB_RECOMPUTE="1"),
        tempfile.TemporaryDirectory(prefix="bbb-") as folder,
    ):
        notebooks = run_chapters(book, "book", Path(folder), say=say)
        claims = collect(notebooks.values())
        if absent(claims):
            say(f"not compared, for want of published data: {', '.join(absent(claims))}")
        found = differences(before, claims)
        for path in sorted(cache.glob("artefacts/*/manifest.json")):
            manifest = json.loads(path.read_text(encoding="utf-8"))
            lines = manifest.get("differences", [])
            found += [f"artefact {manifest['name']}: {line}" for line in lines]
    return found


@contextmanager
def fresh_cache() -> Iterator[Path]:
    """Let the block compute with an empty cache of artefacts."""
    with (
        tempfile.TemporaryDirectory(prefix="bbb-cache-") as folder,
        environment(BBB_CACHE_DIR=folder),
    ):
        yield Path(folder)


def _executed(book: Path, name: str) -> Path:
    return book / "_build" / "executed" / name


def _html(book: Path, name: str) -> Path:
    return book / "_build" / ("html" if name == "book" else f"html-{name}")


def _reference(book: Path) -> Path:
    return book / "reference" / "claims.json"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
