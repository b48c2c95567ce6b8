"""Results: registered claims, cached artefacts and the files they live in (used by every chapter).

The names below are loaded on first use, so that `import bbb_book.results` stays cheap.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

from bbb_core.lazy import attach

if TYPE_CHECKING:
    from bbb_book.results.artefacts import Artefact as Artefact
    from bbb_book.results.artefacts import artefact as artefact
    from bbb_book.results.claims import Record as Record
    from bbb_book.results.claims import record as record
    from bbb_book.results.claims import register_table as register_table
    from bbb_book.results.claims import show_count as show_count
    from bbb_book.results.claims import show_number as show_number
    from bbb_book.results.register import Claim as Claim
    from bbb_book.results.register import load_register as load_register
    from bbb_book.results.rules import Rule as Rule
    from bbb_book.results.unmeasured import record_or_say as record_or_say
    from bbb_book.results.unmeasured import say as say
    from bbb_book.results.unmeasured import show_or_say as show_or_say

_HOME = {
    "Artefact": "artefacts",
    "Claim": "register",
    "Record": "claims",
    "Rule": "rules",
    "artefact": "artefacts",
    "load_register": "register",
    "record": "claims",
    "record_or_say": "unmeasured",
    "register_table": "claims",
    "say": "unmeasured",
    "show_count": "claims",
    "show_number": "claims",
    "show_or_say": "unmeasured",
}

__all__ = sorted(_HOME)
__getattr__, __dir__ = attach(__name__, _HOME)

if "ipykernel" in sys.modules:
    # In a notebook kernel tqdm, which transformers imports, complains about absent widgets. Pages
    # have no widgets and may carry nothing from standard error.
    warnings.filterwarnings("ignore", message="IProgress not found")
