"""Results: registered claims, cached artefacts and the files they live in (used by every chapter).

The names below are loaded on first use, so that `import bbb_book.results` stays cheap.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import Any

_HOME = {
    "Claim": "claims",
    "Record": "claims",
    "Rule": "claims",
    "artefact": "artefacts",
    "atomic_write": "files",
    "cache_dir": "files",
    "load_register": "register",
    "record": "claims",
    "register_table": "claims",
    "show_number": "claims",
}

__all__ = sorted(_HOME)

if "ipykernel" in sys.modules:
    # In a notebook kernel tqdm, which transformers imports, complains about absent widgets. Pages
    # have no widgets and may carry nothing from standard error.
    warnings.filterwarnings("ignore", message="IProgress not found")


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
