"""Alignment scores: strategies, audits for multiaccuracy and multicalibration, and repairs.

The names below are loaded on first use, so that `import bbb_core.alignment` stays cheap.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Audit": "auditing",
    "ErrorEstimate": "auditing",
    "GroupGaps": "gaps",
    "Repair": "boosting",
    "STRATEGIES": "scores",
    "Witness": "auditing",
    "alignment_score": "scores",
    "audit": "auditing",
    "calibrated_projection": "baselines",
    "centre_by_group": "baselines",
    "group_gaps": "gaps",
    "isotonic": "baselines",
    "predict_groups": "scores",
    "project_out": "baselines",
    "repair": "boosting",
    "standardise_by_group": "baselines",
    "unit_interval": "scores",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
