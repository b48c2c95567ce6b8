"""Folders that commands deliver: tried before the work, written whole or not at all after it."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, overload

from bbb_core import __version__
from bbb_core.errors import InputError
from bbb_core.io.cells import plain
from bbb_core.io.writing import is_workspace, sha256, workspace, write_json, write_text

__all__ = ["contents", "deliver", "placed", "records", "rehearse", "require_new", "vacant"]

ROOM = 2**20
"""Bytes that must be free before a command begins to work."""
_LAST = "manifest.json"


@overload
def require_new(out: str | Path) -> Path: ...
@overload
def require_new(out: None) -> None: ...
def require_new(out: str | Path | None) -> Path | None:
    """Return --out as an absolute path once a result could be put there; None if it is not given.

    Raises
    ------
    InputError
        If it exists and is no empty folder, or nothing can be written there; see `rehearse`.
    """
    if out is None:
        return None
    place = vacant(out)
    rehearse(place)
    return place


def vacant(out: str | Path, *, ours: Callable[[Path], bool] = lambda folder: False) -> Path:
    """Return --out as an absolute path, links followed, if a result may go there.

    Parameters
    ----------
    out
        As the user named it.
    ours
        Says of a folder that holds something whether an earlier result may give way.

    Raises
    ------
    InputError
        If it is a file, a link that leads nowhere, or a folder that holds other things.
    """
    with _writing(out):
        if not os.fspath(out) or "\0" in os.fspath(out):
            raise OSError(errno.EINVAL, "no name")
        place = Path(os.path.realpath(out))
        if os.path.islink(place) or (os.path.lexists(place) and not place.is_dir()):
            raise OSError(errno.ENOTDIR, "it is no folder")
        above = next((folder for folder in place.parents if os.path.lexists(folder)), place)
        if not above.is_dir():
            raise OSError(errno.ENOTDIR, f"{plain(str(above))} is no folder")
        if place.is_dir() and contents(place) and not ours(place):
            raise OSError(errno.ENOTEMPTY, "it holds other files")
    return place


def rehearse(place: Path, *, room: int = ROOM) -> None:
    """Make what a delivery to `place` makes, write `room` bytes, and remove all of it again.

    So a name that is too long, a full disk or a folder that may not be written is found before the
    work, not after it.

    Raises
    ------
    InputError
        If the system refuses any of it; the message names the cause.
    """
    with placed(place, keep=False) as made, _writing(place):
        (made / place.name / "some-file-of-the-result").mkdir(parents=True)
        with open(made / "room", "wb") as handle:
            for _ in range(0, room, ROOM):
                handle.write(bytes(ROOM))
            os.fsync(handle.fileno())


def contents(folder: Path) -> set[str]:
    """Return the names in a folder, but for what a killed command left there."""
    return {path.name for path in folder.iterdir() if not is_workspace(path)}


@contextmanager
def placed(out: Path, *, keep: bool = True) -> Iterator[Path]:
    """Yield an empty folder; after the block, what it holds is what `out` holds.

    A new folder appears whole. One that is there stays itself, be it a link's target or a mounted
    disk, and what it held gives way; its manifest comes last. After an exception, and without
    `keep`, everything is as it was before.

    Raises
    ------
    InputError
        If the system refuses the folder; errors of the block pass.
    """
    missing: list[Path] = []
    try:
        with ExitStack() as stack:
            with _writing(out):
                within = out.is_dir()
                missing += [folder for folder in out.parents if not folder.exists()]
                folder = stack.enter_context(workspace(out if within else out.parent))
                made = folder / "made"
                made.mkdir()
            yield made
            if keep:
                with _writing(out):
                    _move(made, out, folder / "retired") if within else os.replace(made, out)
                missing.clear()
    finally:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()


def _move(made: Path, out: Path, retired: Path) -> None:
    retired.mkdir()
    for name in contents(out):
        os.replace(out / name, retired / name)
    for path in sorted(made.iterdir(), key=lambda path: path.name == _LAST):
        os.replace(path, out / path.name)


@contextmanager
def _writing(out: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _refusal(out, error) from None


def _refusal(out: str | Path, error: OSError) -> InputError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "make room, or name a folder on another disk" if full else "name another folder"
    gone = isinstance(error, FileNotFoundError) and error.filename is None
    reason = "the working directory is gone" if gone else error.strerror or str(error)
    return InputError(f"--out {plain(os.fspath(out))} cannot be written ({reason}); {remedy}.")


def deliver(
    out: Path,
    texts: Mapping[str, str],
    *,
    command: str,
    settings: Mapping[str, Any],
    inputs: Mapping[str, str | Path | None] | None = None,
    fill: Callable[[Path], None] | None = None,
) -> None:
    """Write files and a manifest of them into a new folder.

    Parameters
    ----------
    out
        The folder; it gets everything at the end.
    texts
        Contents by file name.
    command, settings
        What the manifest says besides versions, time, machine and the hashes of the files.
    inputs
        Files that were read, by their part in the command; the manifest names their hashes.
    fill
        Writes further files into the folder that it is given.

    Raises
    ------
    InputError
        If the folder cannot be written; nothing is left then.
    """
    from bbb_core.device import describe

    out = vacant(out)
    said = {
        "command": command,
        "bbb_core": __version__,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe(),
        "settings": {k: _text(v) for k, v in settings.items() if k not in ("out", "as_json")},
        "inputs": {plain(k): sha256(path, name=k) for k, path in (inputs or {}).items() if path},
    }
    with placed(out) as made, _writing(out):
        for name, text in texts.items():
            write_text(made / name, text)
        if fill is not None:
            fill(made)
        files = sorted(path for path in made.rglob("*") if path.is_file())
        hashes = {path.relative_to(made).as_posix(): sha256(path) for path in files}
        write_json(made / _LAST, {**said, "sha256": hashes})


def _text(value: Any) -> Any:
    """Spell out what is no text in options, such as a file name that is not UTF-8."""
    if isinstance(value, str):
        return plain(value, keep="\n\t")
    if isinstance(value, (list, tuple)):
        return [_text(one) for one in value]
    return {k: _text(v) for k, v in value.items()} if isinstance(value, Mapping) else value


def records(table: Any) -> list[dict[str, Any]]:
    """Return a table's rows for JSON; a value that was not computed is null."""
    return list(json.loads(table.to_json(orient="records", double_precision=15)))
