"""Alignment scores: strategies, audits for multiaccuracy and multicalibration, and repairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bbb_core.lazy import attach

if TYPE_CHECKING:
    from bbb_core.alignment.audit_results import Audit as Audit
    from bbb_core.alignment.audit_results import ErrorEstimate as ErrorEstimate
    from bbb_core.alignment.audit_results import Witness as Witness
    from bbb_core.alignment.auditing import audit as audit
    from bbb_core.alignment.gaps import GroupGaps as GroupGaps
    from bbb_core.alignment.gaps import group_gaps as group_gaps
    from bbb_core.alignment.repairing import Repair as Repair
    from bbb_core.alignment.repairing import repair as repair
    from bbb_core.alignment.scores import STRATEGIES as STRATEGIES
    from bbb_core.alignment.scores import alignment_score as alignment_score
    from bbb_core.alignment.scores import predict_groups as predict_groups

_HOME = {
    "Audit": "audit_results",
    "ErrorEstimate": "audit_results",
    "GroupGaps": "gaps",
    "Repair": "repairing",
    "STRATEGIES": "scores",
    "Witness": "audit_results",
    "alignment_score": "scores",
    "audit": "auditing",
    "group_gaps": "gaps",
    "predict_groups": "scores",
    "repair": "repairing",
}

__all__ = sorted(_HOME)
__getattr__, __dir__ = attach(__name__, _HOME)
