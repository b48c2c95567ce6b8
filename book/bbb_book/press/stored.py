"""The committed artefacts: what the chapters of preset `book` ask for, so that nobody waits."""

from __future__ import annotations

import importlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from bbb_book.results.artefacts import committed_dir
from bbb_book.results.definitions import code_hash
from bbb_core.errors import InputError
from bbb_core.io.writing import cache_dir, workspace

__all__ = ["keep", "stale"]


def keep(labels: Iterable[str], folder: Path) -> list[str]:
    """Let a folder hold exactly these artefacts, copied from the cache if they are missing.

    Parameters
    ----------
    labels
        Names of artefact folders, as `results.artefact` logs them.
    folder
        Where the book's artefacts lie. What it holds besides them is removed, so name no other.

    Returns
    -------
    list[str]
        One line per folder that came or went.

    Raises
    ------
    InputError
        When an artefact lies neither in the cache nor in the folder; nothing changes then.
    """
    target, cache = folder, cache_dir() / "artefacts"
    wanted = sorted(set(labels))
    there = {path.name for path in target.iterdir()} if target.is_dir() else set()
    new = [label for label in wanted if label not in there]
    for label in new:
        if not (cache / label / "manifest.json").is_file():
            raise InputError(f"artefact {label} is not in the cache; run `make reference` again.")
    for label in new:
        with workspace(target) as temporary:
            shutil.copytree(cache / label, temporary / label)
            os.replace(temporary / label, target / label)
    gone = sorted(there - set(wanted))
    for label in gone:
        shutil.rmtree(target / label, ignore_errors=True)  # a workspace left behind is gone already
    return [f"stored {label}" for label in new] + [f"removed {label}" for label in gone]


def stale(folder: Path | None = None) -> list[str]:
    """Name the committed artefacts that today's code would compute again.

    Those are the ones whose manifest is damaged, whose function is gone, or whose code or the code
    it reaches has changed.
    """
    found = []
    folder = committed_dir() if folder is None else folder
    for path in sorted(folder.glob("*/manifest.json")):
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            module, _, name = str(manifest["function"]).partition(":")
            fresh = code_hash(getattr(importlib.import_module(module), name)) == manifest["code"]
        except (ImportError, AttributeError, ValueError, LookupError, TypeError, RecursionError):
            fresh = False
        if not fresh:
            found.append(path.parent.name)
    return found
