"""Folders that commands deliver: checked before the work, written whole or not at all after it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, overload

from bbb_core import __version__
from bbb_core.errors import InputError

__all__ = ["deliver", "records", "require_new"]


@overload
def require_new(out: str | Path) -> Path: ...
@overload
def require_new(out: None) -> None: ...
def require_new(out: str | Path | None) -> Path | None:
    """Return --out as a path, None if it was not given.

    Raises
    ------
    InputError
        If it exists and is no empty folder.
    """
    if out is None:
        return None
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"--out {out} exists and is no empty folder; name a new one.")
    return out


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
        The folder; it appears at the end, with everything in it.
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
    from bbb_core.results.files import sha256, write_json, write_text

    out = Path(os.path.abspath(out))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as temporary:
            made = Path(temporary) / "made"
            made.mkdir()
            for name, text in texts.items():
                write_text(made / name, text)
            if fill is not None:
                fill(made)
            files = sorted(path for path in made.rglob("*") if path.is_file())
            manifest = {
                "command": command,
                "bbb_core": __version__,
                "made": datetime.now(UTC).isoformat(timespec="seconds"),
                "machine": describe(),
                "settings": {k: v for k, v in settings.items() if k not in ("out", "as_json")},
                "inputs": {k: sha256(path) for k, path in (inputs or {}).items() if path},
                "sha256": {path.relative_to(made).as_posix(): sha256(path) for path in files},
            }
            write_json(made / "manifest.json", manifest)
            if out.exists():
                out.rmdir()
            os.replace(made, out)
    except OSError as error:
        raise InputError(f"--out {out} cannot be written: {error.strerror}.") from None


def records(table: Any) -> list[dict[str, Any]]:
    """Return a table's rows for JSON; a value that was not computed is null."""
    return list(json.loads(table.to_json(orient="records", double_precision=15)))
