"""Execution of chapters by papermill, skipped when nothing that matters has changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import platform
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import bbb_core
from bbb_book.press.chapters import Chapter
from bbb_book.press.failures import ChapterFailed
from bbb_book.results.collect import claims_of
from bbb_book.results.register import load_register, register_file
from bbb_core.io.writing import workspace, write_json, write_text
from bbb_core.progress import watched

__all__ = ["convert", "environment", "execute", "is_valid", "kernel_home", "key", "source_hash"]

_ASIDE = ("press", "cli")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def source_hash(*packages: Path) -> str:
    """Hash what a chapter's numbers rest on besides its text: code, data, packages, Python.

    The sources and data of `bbb_core` and `bbb_book` count (or of the folders given), except the
    rooms that no chapter imports (`press`, `cli`) and the register; `requirements.txt` counts where
    there is one.
    """
    packages = packages or (Path(bbb_core.__file__).parent, Path(__file__).parents[1])
    digest = hashlib.sha256(f"{platform.python_version()} {sys.platform}".encode())
    for package in packages:
        files = [path for path in package.rglob("*") if path.suffix in (".py", ".csv", ".json")]
        files = [path for path in files if path.relative_to(package).parts[0] not in _ASIDE]
        requirements = package.parent / "requirements.txt"
        for path in [*sorted(files), *([requirements] if requirements.is_file() else [])]:
            digest.update(f"\0{path.relative_to(package.parent)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def key(chapter: Chapter, values: Mapping[str, Any], *, source: str) -> str:
    """Hash everything that a run of the chapter depends on."""
    register = register_file(chapter.name)
    parts = {
        "text": chapter.text,
        "values": dict(values),
        "source": source,
        "register": register.read_text(encoding="utf-8") if register.is_file() else "",
        "data": _data_at_hand(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _data_at_hand() -> list[str]:
    """Name the published files that a chapter may find; what each holds is pinned in the code."""
    folder = os.environ.get("BBB_DATA_DIR", "")
    return [folder, *(sorted(os.listdir(folder)) if os.path.isdir(folder) else [])]


def convert(chapter: Chapter, folder: Path) -> Path:
    """Write the chapter as a notebook without outputs, for plain papermill and Jupyter."""
    import nbformat

    target = folder / f"{chapter.name}.ipynb"
    notebook = chapter.notebook()
    for number, cell in enumerate(notebook.cells):  # the same text gives the same bytes
        cell["id"] = f"cell-{number}"
    text = nbformat.writes(notebook) + "\n"
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        write_text(target, text)
    return target


def is_valid(target: Path, wanted: str) -> bool:
    """Say whether the executed notebook `target` stands and was made by the run `wanted`."""
    try:
        stamp = json.loads(_stamp(target).read_text(encoding="utf-8"))
        content = hashlib.sha256(target.read_bytes()).hexdigest()
    except (OSError, ValueError, RecursionError):
        return False
    return bool(stamp == {"key": wanted, "sha256": content})


def execute(
    chapter: Chapter,
    values: Mapping[str, Any],
    target: Path,
    *,
    preset: str,
    wanted: str | None = None,
) -> None:
    """Execute a chapter by papermill and put the notebook to `target`, whole or not at all.

    Parameters
    ----------
    chapter : Chapter
        What to run.
    values : Mapping[str, Any]
        The whole set of checked parameter values.
    target : Path
        Where the executed notebook goes.
    preset : str
        The preset's name, kept in the notebook's metadata.
    wanted : str, optional
        The key of this run; with it a stamp is left beside the notebook.

    Raises
    ------
    ChapterFailed
        If a cell fails, or the chapter ends without a word on a claim that is registered for it.
        Nothing is left at `target`.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillException

    target.parent.mkdir(parents=True, exist_ok=True)
    for stale in (target, _stamp(target)):
        stale.unlink(missing_ok=True)
    with workspace(target.parent) as folder:
        done = folder / f"{chapter.name}.ipynb"
        try:
            with _quiet(), environment(IPYTHONDIR=str(kernel_home(folder / "ipython"))):
                source = convert(chapter, folder / "source")
                (folder / "run").mkdir()
                papermill.execute_notebook(
                    str(source),
                    str(done),
                    parameters=_changed(chapter, values),
                    kernel_name="python3",
                    progress_bar=watched() and {"desc": chapter.name, "leave": False},
                    cwd=str(folder / "run"),
                )
        except PapermillException as error:
            raise ChapterFailed(_explain(chapter, error)) from None
        except DeadKernelError:
            reason = "was interrupted, or its kernel died (for want of memory?)"
            raise ChapterFailed(f"chapter '{chapter.name}' {reason}") from None
        _finish(done, {"chapter": chapter.name, "preset": preset, "parameters": dict(values)})
        _require_claims(chapter, done)
        os.replace(done, target)
        if wanted is not None:
            content = hashlib.sha256(target.read_bytes()).hexdigest()
            write_json(_stamp(target), {"key": wanted, "sha256": content})


def _require_claims(chapter: Chapter, notebook: Path) -> None:
    """Refuse a run that neither measured a registered claim nor said that it could not."""
    found = {record["id"] for record in claims_of(notebook)}
    registered = [claim.id for claim in load_register().values() if claim.chapter == chapter.name]
    silent = [name for name in registered if name not in found]
    if silent:
        raise ChapterFailed(
            f"chapter '{chapter.name}' ended without a word on {', '.join(silent)}; record each "
            "registered claim, or say with record_or_say that it was not measured."
        )


def kernel_home(folder: Path) -> Path:
    """Make an IPython folder of our own: no start-up files of the user's, no chatter."""
    profile = folder / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    write_text(
        profile / "ipython_kernel_config.py", "c = get_config()\nc.IPKernelApp.log_level = 50\n"
    )
    return folder


def _changed(chapter: Chapter, values: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the values that are not the chapter's defaults: the page shows these as overrides."""
    defaults = {parameter.name: parameter.default for parameter in chapter.parameters}
    return {name: value for name, value in values.items() if value != defaults[name]}


def _stamp(target: Path) -> Path:
    return target.with_suffix(".stamp.json")


def _finish(path: Path, run: Mapping[str, Any]) -> None:
    """Keep the run's facts, drop papermill's clock times and temporary paths."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"].pop("papermill", None)
    notebook["metadata"]["bbb"] = dict(run)
    for cell in notebook["cells"]:
        for clock in ("papermill", "execution"):
            cell["metadata"].pop(clock, None)
    write_json(path, notebook)


def _explain(chapter: Chapter, error: Exception) -> str:
    source = getattr(error, "source", "")
    trace = _ANSI.sub("", "\n".join(getattr(error, "traceback", []) or [str(error)]))
    cell = "\n".join(f"    {line}" for line in str(source).splitlines())
    return f"chapter '{chapter.name}' failed in the cell\n\n{cell}\n\n{trace}"


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set environment variables for a block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence what third parties say about their own interiors while a kernel starts."""
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    logger = logging.getLogger("papermill")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # parameters were checked before, failures are told by us
    try:
        with warnings.catch_warnings():
            for module in ("papermill", "nbformat", "nbclient", "jupyter_client", "zmq"):
                warnings.filterwarnings("ignore", module=module)
            yield
    finally:
        logger.setLevel(level)
