"""A chapter run at every point of a grid of parameters, resumable, with its claims in one table."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pandas as pd

from bbb_book.press.chapters import Chapter
from bbb_book.press.execution import source_hash
from bbb_book.press.leash import Leash, leash, program
from bbb_book.results.collect import read_claims
from bbb_core import progress
from bbb_core.errors import InputError
from bbb_core.io.writing import write_json, write_text

__all__ = ["claims_table", "grid", "label", "sweep"]

Say = Callable[[str], None]
_MOST = 1000
"""Points of one grid."""
_COLUMNS = ("id", "value", "low", "high", "n", "unit", "verdict")


def grid(axes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return every combination of the axes' values, the last axis fastest.

    Raises
    ------
    InputError
        If there is no axis, a value occurs twice on one, or there are more than 1,000 points.

    Examples
    --------
    >>> grid({"seed": [0, 1], "size": [16]})
    [{'seed': 0, 'size': 16}, {'seed': 1, 'size': 16}]
    """
    if not axes:
        raise InputError("the sweep has no axis; pass --over KEY=VALUE at least once.")
    for name, values in axes.items():
        told = [json.dumps(value) for value in values]
        for value in told:
            if told.count(value) > 1:
                raise InputError(f"--over gives {name}={value} twice; give each value once.")
    made = [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]
    if len(made) > _MOST:
        raise InputError(f"the grid has {len(made)} points; at most {_MOST} are run, so thin it.")
    return made


def label(point: Mapping[str, Any]) -> str:
    """Return a folder name for a point: its values as words, and a hash that tells points apart.

    Examples
    --------
    >>> label({"encoders": ["glove"], "seed": 1})
    'encoders-glove-seed-1-2e31c1'
    """
    text = json.dumps(dict(point), sort_keys=True)
    words = re.findall(r"[A-Za-z0-9.]+", text)
    return "-".join(
        ["-".join(words)[:60].strip("-"), hashlib.sha256(text.encode()).hexdigest()[:6]]
    )


def sweep(
    chapter: Chapter,
    points: Sequence[Mapping[str, Any]],
    *,
    values: Mapping[str, Any],
    command: Callable[[Mapping[str, Any], Path], Sequence[str]],
    out: Path,
    workers: int,
    say: Say,
) -> list[str]:
    """Run a chapter once per point, each in a process of its own, and collect the claims.

    A point whose folder was made by the same text, code and parameters is kept, so that an
    interrupted sweep goes on where it stopped.

    Parameters
    ----------
    chapter
        What is run.
    points
        Parameters that vary, one mapping per run.
    values
        All the other parameters.
    command
        Gives the command line that delivers a point to a folder.
    out
        Gets a folder per point, ``claims.csv`` and ``sweep.json``.
    workers
        Runs at once.
    say
        Gets one line per finished run.

    Returns
    -------
    list[str]
        One line per point that failed.
    """
    out.mkdir(parents=True, exist_ok=True)
    source = source_hash()
    folders = {label(point): point for point in points}
    todo = [
        name
        for name, point in folders.items()
        if not _stands(out / name, chapter, {**values, **point}, source)
    ]
    if len(todo) < len(folders):
        say(f"{len(folders) - len(todo)} of {len(folders)} runs stand already")
    said = {"chapter": chapter.name, "fixed": dict(values)}
    said["points"] = {name: dict(point) for name, point in folders.items()}
    write_json(out / "sweep.json", {**said, "finished": False})  # so that it can be gone on with
    threads = max(1, (os.cpu_count() or 1) // workers)
    failed: list[str] = []
    bar = progress.bar(total=len(todo), desc=chapter.name)
    with leash() as held, ThreadPoolExecutor(workers) as pool:
        runs = {
            pool.submit(_run, command(folders[name], out / name), threads, held): name
            for name in todo
        }
        try:
            for run in as_completed(runs):
                name, error = runs[run], run.result()
                say(f"{name}: {'done' if error is None else error}")
                failed += [] if error is None else [f"{name}: {error}"]
                bar.update(1)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            held.let_go()
            raise
        finally:
            bar.close()
    table = claims_table({name: (out / name, point) for name, point in folders.items()})
    write_text(out / "claims.csv", table.to_csv(index=False, lineterminator="\n"))
    write_json(out / "sweep.json", {**said, "finished": True, "failed": failed})
    return failed


def claims_table(runs: Mapping[str, tuple[Path, Mapping[str, Any]]]) -> pd.DataFrame:
    """Return one row per run and claim: the varied parameters, then the claim's record."""
    rows = []
    for name, (folder, point) in runs.items():
        if not (folder / "claims.json").is_file():
            continue
        words = {
            k: v if isinstance(v, (int, float, str)) else json.dumps(v) for k, v in point.items()
        }
        for record in read_claims(folder / "claims.json"):
            rows.append({"run": name, **words, **{key: record.get(key) for key in _COLUMNS}})
    varied = list(dict.fromkeys(key for _, point in runs.values() for key in point))
    return pd.DataFrame(rows, columns=["run", *varied, *_COLUMNS])


def _run(words: Sequence[str], threads: int, held: Leash) -> str | None:
    """Run one point; return the last line that it said if it failed."""
    limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    done = subprocess.run(
        [*program("from bbb_core.cli import main; main()"), *words],
        env={**os.environ, **dict.fromkeys(limits, str(threads)), "BBB_PROGRESS": "0"},
        stdin=held.end,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode == 0:
        return None
    lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
    return f"failed with status {done.returncode}: {lines[-1]}"


def _stands(folder: Path, chapter: Chapter, values: Mapping[str, Any], source: str) -> bool:
    try:
        facts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        text = hashlib.sha256(chapter.text.encode()).hexdigest()
        same = (
            facts["inputs"]["chapter_sha256"] == text and facts["inputs"]["source_sha256"] == source
        )
        read_claims(folder / "claims.json")
        return bool(same and facts["parameters"] == json.loads(json.dumps(dict(values))))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False
