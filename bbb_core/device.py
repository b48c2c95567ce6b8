"""Where and how tensors are computed: device, dtype policy, threads, and a description of them."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import TYPE_CHECKING, Any

from bbb_core import checks
from bbb_core.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["describe", "pick", "threads"]

PACKAGES = ("numpy", "scipy", "pandas", "torch")
"""Packages whose versions a manifest always names."""


def pick(device: str | None = None) -> torch.device:
    """Return the named device, else ``BBB_DEVICE``, else CUDA where there is one, else the CPU.

    Raises
    ------
    InputError
        If the name is unknown or the device is not there.
    """
    import torch

    name = device or os.environ.get("BBB_DEVICE") or ""
    if not name or name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(name)
    except RuntimeError:
        raise InputError(f"device is {name!r}; pass cpu, cuda, cuda:0, mps or auto.") from None
    if chosen.type == "cuda":
        n = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (chosen.index or 0) >= n:
            raise InputError(f"device is {name!r} but {n} CUDA devices are here; pass cpu or auto.")
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise InputError(f"device is {name!r} but there is no such device here; pass cpu or auto.")
    return chosen


@contextlib.contextmanager
def threads(n: int | None = None) -> Iterator[int]:
    """Run a block with `n` torch threads (default: the processors this process may use).

    The former number is restored at the end.

    Examples
    --------
    >>> with threads(1) as n:
    ...     n
    1
    """
    import torch

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    n = checks.integer("n", n, low=1) if n is not None else int(allowed or 1)
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield n
    finally:
        torch.set_num_threads(before)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def describe(device: str | torch.device | None = None) -> dict[str, Any]:
    """Return what a manifest says about the machine: no host name, no path, no user."""
    said: dict[str, Any] = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {name: _version(name) for name in PACKAGES},
    }
    torch = sys.modules.get("torch")
    if torch is None:
        return said
    chosen = torch.device(device) if device is not None else pick()
    said["device"] = chosen.type
    said["threads"] = torch.get_num_threads()
    if chosen.type == "cuda":
        said["accelerator"] = torch.cuda.get_device_name(chosen)
        said["cuda"] = torch.version.cuda
    return said
