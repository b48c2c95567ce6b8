"""Write a folder of texts whole or not at all (human study)."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from bbb_core.errors import InputError

__all__ = ["new_folder", "write_folder"]


def new_folder(out: str | Path) -> Path:
    """Return `out` as a path if it is free: absent, or an empty folder."""
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"--out {folder} exists and is no empty folder; name a new one.")
    return folder


def write_folder(out: str | Path, texts: Mapping[str, str]) -> None:
    """Write files (name to text, UTF-8) into a new folder that appears only when all are written.

    Raises
    ------
    InputError
        If the folder exists and is not empty, or cannot be written.
    """
    folder = new_folder(out)
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}")
    try:
        temporary.mkdir(parents=True)
        for name, text in texts.items():
            (temporary / name).write_text(text, encoding="utf-8", newline="")
        os.replace(temporary, folder)
    except OSError as error:
        raise InputError(f"--out {folder} cannot be written: {error.strerror}.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
