"""One chapter run with other parameters, delivered as a folder, whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from bbb_book.press.chapters import Chapter
from bbb_book.press.execution import execute, source_hash
from bbb_book.press.site import build_page
from bbb_book.results.collect import FORMAT, claims_of
from bbb_book.results.register import rounded
from bbb_book.results.rules import NOT_MEASURED
from bbb_core import __version__
from bbb_core.device import describe
from bbb_core.io.folders import contents, placed, rehearse, vacant
from bbb_core.io.writing import sha256, write_json

__all__ = ["deliver", "require_place"]

Say = Callable[[str], object]
ROOM = 2**26
"""Bytes that must be free before a chapter begins: notebook, page, and all that they load."""
_MADE_BY = "bbb chapter run"
_PACKAGES = {"diffusers", "jupyter-book", "matplotlib", "myst-nb", "open_clip_torch", "papermill"}
_PACKAGES |= {"scikit-learn", "transformers"}


def require_place(out: Path) -> Path:
    """Return --out as an absolute path once a run could be put there.

    Raises
    ------
    InputError
        If it holds something that no earlier run made, or cannot be written.
    """
    place = vacant(out, ours=_ours)
    rehearse(place, room=ROOM)
    return place


def deliver(
    book: Path, chapter: Chapter, values: Mapping[str, Any], *, preset: str, out: Path, say: Say
) -> Path:
    """Run `chapter` and put notebook, page, claims.json and manifest.json into `out`.

    Everything is made in a folder beside `out` that takes its place at the end. Whatever becomes
    of that, `say` gets a line per claim as soon as they are known.

    Returns
    -------
    Path
        The page.
    """
    out = vacant(out, ours=_ours)
    with placed(out) as made:
        notebook = made / f"{chapter.name}.ipynb"
        execute(chapter, values, notebook, preset=preset)
        claims = claims_of(notebook)
        for record in claims:
            say(_line(record))
        page = build_page(book, chapter, notebook, made / "html")
        write_json(made / "claims.json", {"format": FORMAT, "claims": claims})
        facts = _facts(book, chapter, values, preset=preset, notebook=notebook)
        absent = {one["id"]: one["reason"] for one in claims if one["value"] is None}
        write_json(made / "manifest.json", facts | {"not_measured": absent})
    return out / page.relative_to(made)


def _line(record: Mapping[str, Any]) -> str:
    """Say what was measured, or why nothing was."""
    if record["value"] is None:
        return f"{record['id']}: {NOT_MEASURED} ({record['reason']})"
    value, low, high = (rounded(record[end], record["digits"]) for end in ("value", "low", "high"))
    return f"{record['id']}: {value} [{low}, {high}] {record['unit']}; {record['verdict']}"


def _facts(
    book: Path, chapter: Chapter, values: Mapping[str, Any], *, preset: str, notebook: Path
) -> dict[str, Any]:
    bibliography = book / "references.bib"
    return {
        "made_by": _MADE_BY,
        "version": __version__,
        "chapter": chapter.name,
        "preset": preset,
        "parameters": dict(values),
        "inputs": {
            "chapter_sha256": hashlib.sha256(chapter.text.encode()).hexdigest(),
            "source_sha256": source_hash(),
            **({"references_sha256": sha256(bibliography)} if bibliography.is_file() else {}),
        },
        "outputs": {notebook.name: sha256(notebook)},
        "machine": _machine(),
    }


def _machine() -> dict[str, Any]:
    """Describe Python, packages and the device that a chapter picks by default."""
    import torch  # noqa: F401 (the description names the device only when torch is there)

    said = describe()
    installed = {d.name: d.version for d in metadata.distributions() if d.name in _PACKAGES}
    return {**said, "versions": {**said["versions"], **installed}}


def _ours(out: Path) -> bool:
    """Say whether an earlier run made everything that lies in `out`."""
    try:
        facts = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        known = {"html", "claims.json", "manifest.json", f"{facts['chapter']}.ipynb"}
        return facts["made_by"] == _MADE_BY and contents(out) <= known
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False
