"""Packages whose names are loaded on first use, so that importing them stays cheap."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["attach"]


def attach(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package that imports a name when it is asked for.

    Parameters
    ----------
    package
        The package's `__name__`.
    homes
        From each public name to the module of the package that defines it.

    Examples
    --------
    >>> load, names = attach("bbb_core.stats", {"holm": "multiplicity"})
    >>> load("holm").__module__, names()
    ('bbb_core.stats.multiplicity', ['holm'])
    >>> load("nothing")
    Traceback (most recent call last):
        ...
    AttributeError: module 'bbb_core.stats' has no attribute 'nothing'
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: sorted(homes)
