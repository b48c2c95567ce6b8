"""What `make` does with the book: execute its chapters, build its pages, compare its claims."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bbb_book.press.chapters import Chapter, chapters, preset
from bbb_book.press.execution import (
    convert,
    environment,
    execute,
    is_valid,
    kernel_home,
    key,
    source_hash,
)
from bbb_book.press.failures import BuildFailed
from bbb_book.press.golden import with_golden, write_golden
from bbb_book.press.leash import follow_parent
from bbb_book.press.site import build_book, site_key
from bbb_book.press.stored import keep
from bbb_book.results.artefacts import LOG
from bbb_book.results.collect import FORMAT, broken, claims_of, collect, read_claims, states
from bbb_book.results.comparison import Comparison, absent, compare
from bbb_book.results.family import with_family
from bbb_core import progress
from bbb_core.device import describe
from bbb_core.errors import InputError
from bbb_core.io.writing import workspace, write_json, write_text

__all__ = [
    "build",
    "executed",
    "golden",
    "prepare_tests",
    "reference",
    "reproduce",
    "run_chapters",
]

Say = Callable[[str], None]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables that tell numerical libraries how many threads to use."""


def run_chapters(
    book: Path, name: str, folder: Path, *, say: Say, jobs: int | None = None
) -> dict[str, Path]:
    """Execute every chapter with a preset, except those whose run is still valid.

    Parameters
    ----------
    book
        The folder of the chapters.
    name
        The preset.
    folder
        Where the executed notebooks lie.
    say
        Gets a line per chapter.
    jobs
        Chapters at once, each in a process of its own; by default as many as there are processors,
        at most four. The processors are shared out among them.

    Returns
    -------
    dict[str, Path]
        The executed notebook of each chapter.

    Raises
    ------
    BuildFailed
        If an exact check fails. Other checks that fail or are open are named.
    """
    values, source = preset(book, name), source_hash()
    found = chapters(book)
    if not found:
        raise InputError(f"the book in {book} has no executable chapter.")
    done, todo = {}, {}
    for chapter_name, chapter in found.items():
        convert(chapter, book / "_build" / "notebooks")
        done[chapter_name] = folder / f"{chapter_name}.ipynb"
        wanted = key(chapter, values[chapter_name], source=source)
        if is_valid(done[chapter_name], wanted):
            say(f"{chapter_name}: up to date")
        else:
            todo[chapter_name] = (chapter, values[chapter_name], done[chapter_name], name, wanted)
    if todo:
        jobs = min(len(todo), _processors(), 4) if jobs is None else min(len(todo), jobs)
        say(f"{len(todo)} chapters to execute with preset '{name}', {jobs} at a time ...")
        shared = {limit: str(max(1, _processors() // jobs)) for limit in THREADS}
        with environment(**shared):
            for number, (chapter_name, seconds) in enumerate(_executions(todo, jobs), start=1):
                say(f"[{number}/{len(todo)}] {chapter_name}: done in {seconds:.0f} s")
    _tell_checks(done.values(), say)
    return done


def _tell_checks(notebooks: Iterable[Path], say: Say) -> None:
    records = [record for notebook in notebooks for record in claims_of(notebook)]
    wrong = broken(records)
    if wrong:
        raise BuildFailed("\n".join([*wrong, "No chance is in it: code or theory is wrong."]))
    found = states(records)
    if any(found.values()):
        named = [f"{state}: {', '.join(ids)}" for state, ids in found.items() if ids]
        named[0] = f"{len(found['holds'])} hold"
        say("checks: " + "; ".join(named))


def _executions(todo: Mapping[str, tuple], jobs: int) -> Iterator[tuple[str, float]]:
    """Execute chapters and yield each name with its seconds, in the order in which they end."""
    if jobs == 1:
        for name, work in todo.items():
            yield name, _execution(*work)
        return
    start = multiprocessing.get_context("spawn")
    with (
        progress.bar(total=len(todo), desc="chapters") as bar,
        environment(BBB_PROGRESS="0"),
        ProcessPoolExecutor(jobs, mp_context=start, initializer=follow_parent) as pool,
    ):
        parts = [part for name, work in todo.items() for part in _parts(name, work[1])]
        early = [pool.submit(function, *arguments) for function, arguments in parts]
        runs = {pool.submit(_execution, *work): name for name, work in todo.items()}
        try:
            for run in as_completed([*early, *runs]):
                seconds = run.result()
                if run in runs:
                    yield runs[run], seconds
                    bar.update(1)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _parts(name: str, values: Mapping[str, Any]) -> list[tuple[Callable[..., Any], tuple]]:
    """Return a chapter's long computations that do not need each other, if its room names any.

    They are artefacts: the chapter finds them done, and no processor waits for another.
    """
    room = f"bbb_book.chapters.{name}"
    if importlib.util.find_spec(room) is None:
        return []
    found = getattr(importlib.import_module(room), "parts", None)
    return [] if found is None else found(values)


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _execution(
    chapter: Chapter, values: Mapping[str, Any], target: Path, name: str, wanted: str
) -> float:
    start = time.monotonic()
    execute(chapter, values, target, preset=name, wanted=wanted)
    return time.monotonic() - start


def build(book: Path, name: str, *, say: Say) -> Path:
    """Execute what is stale, build the pages when anything changed; give the first page."""
    notebooks = run_chapters(book, name, executed(book, name), say=say)
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
    write_text(stamp, f"{wanted} {_digest(first)}\n")
    say(f"pages: built in {time.monotonic() - start:.0f} s")
    return first


def prepare_tests(book: Path, goldens: Path, *, say: Say) -> Path:
    """Execute every chapter with preset `ci`, from scratch, and build the pages cold.

    Returns
    -------
    Path
        The folder of notebooks that nbval is to execute again and compare.
    """
    for stale in (executed(book, "ci"), book / "_build" / "nbval"):
        shutil.rmtree(stale, ignore_errors=True)
    notebooks = run_chapters(book, "ci", executed(book, "ci"), say=say)
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
    with fresh_cache(book):
        folder = executed(book, "golden")
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
    labels = sorted(set(log.read_text(encoding="utf-8").split()))
    for line in keep(labels, book.resolve().parent / "artefacts"):  # beside this very book
        say(line)
    target = _reference(book)
    claims = with_family(collect(notebooks.values()))
    write_json(target, {"format": FORMAT, "artefacts": labels, "claims": claims})
    kept = executed(book, "book")
    kept.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.*"):  # notebooks and their stamps: `build` need not run them again
        if path != log:
            os.replace(path, kept / path.name)
    return target


def reproduce(book: Path, *, say: Say) -> Comparison:
    """Recompute everything once, from an empty cache, and compare it with what is stored.

    Compared are the claims with the reference claims, and the artefacts that the repository
    brings along with those that this run computed, except results called ``seconds``: durations.
    An interrupted reproduction goes on: what it computed lies in ``_build/reproduce`` until it
    is whole, and is used again where code, parameters, inputs, versions and machine are the same.
    """
    before = read_claims(_reference(book))
    cache = book / "_build" / "reproduce"
    kept = _unfinished(cache)
    if kept:
        say(f"going on with {kept} results computed before; to begin anew, remove {cache}")
    with (
        environment(BBB_CACHE_DIR=str(cache.resolve()), BBB_RECOMPUTE="1"),
        workspace(book / "_build") as folder,
    ):
        notebooks = run_chapters(book, "book", folder, say=say)
        claims = collect(notebooks.values())
        measured = {one["id"] for one in before if one["value"] is not None}
        for name, reason in absent(claims).items():
            if name in measured:
                say(f"not compared: {name} ({reason})")
        found = compare(before, claims)
    for path in sorted(cache.glob("artefacts/*/manifest.json")):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        lines = [
            line for line in manifest.get("differences", []) if not line.startswith("seconds:")
        ]
        found.artefacts.extend(f"{manifest['name']}: {line}" for line in lines)
    shutil.rmtree(cache, ignore_errors=True)
    return found


def _unfinished(cache: Path) -> int:
    """Count the results of a reproduction that broke off; drop those of another environment."""
    kept, here = 0, describe()
    for path in sorted(cache.glob("artefacts/*/manifest.json")):
        machine = json.loads(path.read_text(encoding="utf-8"))["machine"]
        if all(machine[name] == here[name] for name in ("python", "system", "versions")):
            kept += 1
        else:
            shutil.rmtree(path.parent)
    return kept


@contextmanager
def fresh_cache(book: Path) -> Iterator[Path]:
    """Let the block compute with an empty cache of artefacts."""
    with workspace(book / "_build") as folder, environment(BBB_CACHE_DIR=str(folder.resolve())):
        yield folder


def executed(book: Path, name: str) -> Path:
    """Return the folder of the notebooks that were executed with a preset."""
    return book / "_build" / "executed" / name


def _html(book: Path, name: str) -> Path:
    return book / "_build" / ("html" if name == "book" else f"html-{name}")


def _reference(book: Path) -> Path:
    return book / "reference" / "claims.json"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
