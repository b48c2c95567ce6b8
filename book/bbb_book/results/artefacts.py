"""Artefacts: results of long computations, stored by the content they depend on (every chapter)."""

from __future__ import annotations

import contextlib
import contextvars
import datetime
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bbb_book.results.definitions import code_hash
from bbb_book.results.storage import gap, load, store
from bbb_core import progress
from bbb_core.device import describe
from bbb_core.errors import InputError
from bbb_core.io.identity import canonical, digest, input_hash
from bbb_core.io.writing import cache_dir, sha256, workspace, write_json

__all__ = ["LOG", "Artefact", "artefact", "committed_dir", "differences"]

FORMAT = 1
"""Version of the layout of a stored artefact; part of the key."""
LOG = "BBB_ARTEFACT_LOG"
"""Environment variable: a file to which the folder's name of every artefact asked for is added."""
_inside: contextvars.ContextVar[bool] = contextvars.ContextVar("inside", default=False)


class Artefact(Mapping[str, Any]):
    """The stored results by name, with the manifest that says where they come from.

    Attributes
    ----------
    key : str
        Hash of the inputs, the parameters and the code.
    manifest : dict
        Hashes, parameters, versions, device, duration, files.
    source : str
        ``computed``, ``cache`` or ``committed``.
    """

    def __init__(self, values: dict[str, Any], manifest: dict[str, Any], source: str) -> None:
        self._values, self.manifest, self.source = values, manifest, source
        self.key = str(manifest["key"])

    def __getitem__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            known = ", ".join(self._values)
            raise KeyError(f"no result {name!r} in this artefact; it has {known}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Artefact({self.manifest['name']}: {', '.join(self._values)})"


def committed_dir() -> Path:
    """Return the folder of committed artefacts: ``artefacts/`` beside the book."""
    return Path(__file__).parents[3] / "artefacts"


def _open(folder: Path, key: str, source: str) -> Artefact | None:
    """Return the artefact stored in `folder`, None if it is missing, damaged or another one."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        whole = manifest["key"] == key and all(
            Path(file).name == file and sha256(folder / file) == stored
            for file, stored in manifest["files"].items()
        )
        if whole and set(manifest["results"].values()) <= set(manifest["files"]):
            return Artefact(load(folder, manifest["results"]), manifest, source)
    except FileNotFoundError:
        if not folder.exists():
            return None
    except Exception:  # a damaged file can raise anything; if our code did, reading back fails, too
        pass
    progress.say(f"{folder.name}: the stored artefact is damaged; it is computed again.")
    return None


def _compute(
    final: Path, function: Callable[..., Any], parameters: Mapping[str, Any], head: dict[str, Any]
) -> None:
    """Run the function and put its results into `final`, whole or not at all."""
    with contextlib.ExitStack() as stack:
        with _storing(final.parent):
            folder = stack.enter_context(workspace(final.parent))
            temporary = folder / "made"
            temporary.mkdir()
        start, token = time.perf_counter(), _inside.set(True)
        try:
            results = function(**parameters)
        finally:
            _inside.reset(token)
        duration = time.perf_counter() - start
        if not isinstance(results, Mapping) or not all(isinstance(k, str) for k in results):
            raise InputError("function returned no mapping from names to results; return a dict.")
        with _storing(final.parent):
            where = store(temporary, results)
            manifest = {
                **head,
                "results": where,
                "files": {file: sha256(temporary / file) for file in sorted(set(where.values()))},
                "seconds": round(duration, 3),
                "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "machine": describe(),
            }
            write_json(temporary / "manifest.json", manifest)
            if os.path.lexists(final):
                final.rename(folder / "retired")
            temporary.rename(final)


def artefact(
    name: str,
    function: Callable[..., Mapping[str, Any]],
    *,
    parameters: Mapping[str, Any],
    inputs: Mapping[str, Any] | None = None,
) -> Artefact:
    """Return ``function(**parameters)``, computed once per content of what it depends on.

    The key is the hash of `parameters`, of `inputs` and of the code: every definition of
    `bbb_core` and `bbb_book` that the function reaches (`definitions.code_hash`). A stored artefact
    with that key is taken from the cache, else from the committed folder ``artefacts/``, after
    its files' hashes were checked; a damaged one is computed again. With ``BBB_RECOMPUTE=1`` the
    committed one is not used but compared: its differences are noted in the manifest.

    Parameters
    ----------
    name
        Begins the folder's name, with ``-`` for what a file name had better not hold, so that an
        encoder such as ``table:mine.npz`` may be part of it.
    function
        A function at the top of a module; returns ``{name: result}`` where a result is a NumPy
        array, a tensor, a pandas table or plain data (numbers, text, lists, mappings). Results
        are read back from disk even when just computed, so that every run sees the same types.
    parameters
        Keyword arguments: plain data or dataclasses of plain data.
    inputs
        What else the result depends on and the parameters do not say: files (as `Path`), bytes,
        arrays, tensors, plain data, or other artefacts. Hashed, not passed.

    Raises
    ------
    InputError
        If a name, parameter, input or result cannot be stored or hashed, or the cache cannot be
        written.

    Notes
    -----
    Safe when several processes ask at once (a file lock: one computes, the others wait) and when
    interrupted (a temporary folder is renamed at the end).

    Examples
    --------
    >>> from bbb_core.stats.multiplicity import holm
    >>> artefact("...", holm, parameters={})
    Traceback (most recent call last):
        ...
    bbb_core.errors.InputError: name is '...'; use letters and digits.
    """
    word = re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-")[:80]
    if not word:
        raise InputError(f"name is {name!r}; use letters and digits.")
    code = code_hash(function)
    head: dict[str, Any] = {
        "name": name,
        "format": FORMAT,
        "parameters": canonical("parameters", dict(parameters)),
        "inputs": {k: input_hash(f"inputs[{k!r}]", v) for k, v in (inputs or {}).items()},
        "code": code,
    }
    key = digest(head)  # where the function lies is noted, but no part of the key
    head |= {"function": f"{function.__module__}:{function.__qualname__}", "key": key}
    label = f"{word}-{key[:16]}"
    _log(label)
    final, committed = cache_dir() / "artefacts" / label, committed_dir() / label
    again = os.environ.get("BBB_RECOMPUTE") == "1"
    found = _open(final, key, "cache") or (None if again else _open(committed, key, "committed"))
    if found is not None:
        return found
    with _locked(final):
        found = _open(final, key, "cache")
        if found is not None:  # another process was faster
            return found
        progress.say(f"{name}: computing ...")
        _compute(final, function, parameters, head)
        made = _open(final, key, "computed")
        if made is None:
            raise RuntimeError(f"the artefact {label} cannot be read back; is the disk full?")
        known = _open(committed, key, "committed") if again else None
        if known is not None:
            made.manifest["differences"] = differences(known, made)
            write_json(final / "manifest.json", made.manifest)
    return made


def _log(label: str) -> None:
    """Note what was asked for, except what another artefact asks for while it is computed."""
    target = os.environ.get(LOG)
    if target and not _inside.get():
        with open(target, "a", encoding="utf-8") as file:
            file.write(f"{label}\n")


@contextlib.contextmanager
def _locked(final: Path) -> Iterator[None]:
    from filelock import FileLock

    locks = final.parent / ".locks"
    with contextlib.ExitStack() as held:
        with _storing(final.parent):
            locks.mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(locks / f"{final.name}.lock"))
        yield


@contextlib.contextmanager
def _storing(place: Path) -> Iterator[None]:
    """Say where results lie when the system refuses to write them there."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"the cache {place} cannot be written ({error.strerror or error}); make room, or set "
            "BBB_CACHE_DIR to a folder that can be."
        ) from error


def differences(old: Artefact, new: Artefact, *, tolerance: float = 0.0) -> list[str]:
    """Return one line per result that differs (numbers by more than `tolerance`)."""
    lines = [f"{name}: missing" for name in old if name not in new]
    lines += [f"{name}: new" for name in new if name not in old]
    for name in old:
        if name in new:
            size = gap(old[name], new[name])
            if size is None or size > tolerance:
                words = "differs" if size is None else f"differs by up to {size:.3g}"
                lines.append(f"{name}: {words}")
    return lines
