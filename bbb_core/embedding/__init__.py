"""Encoders behind one protocol, and the bias of their embeddings: gaps, tests, audits, repairs.

Read `encoder` (the protocol), an encoder such as `minilm` (`e5`, `glove`, `clip`, `table`), `load`
(from a spec to an encoder), then `gaps` (definition D4), `association`, `crossed` (many prompts,
intervals), `audit` (one report) and `mitigations`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bbb_core.lazy import attach

if TYPE_CHECKING:
    from bbb_core.embedding.association import association_test as association_test
    from bbb_core.embedding.audit import Plan as Plan
    from bbb_core.embedding.audit import audit_embeddings as audit_embeddings
    from bbb_core.embedding.crossed import GapTable as GapTable
    from bbb_core.embedding.crossed import measure_gaps as measure_gaps
    from bbb_core.embedding.crossed import summarise_gaps as summarise_gaps
    from bbb_core.embedding.encoder import Encoder as Encoder
    from bbb_core.embedding.encoder import ImageEncoder as ImageEncoder
    from bbb_core.embedding.gaps import bias_gap as bias_gap
    from bbb_core.embedding.gaps import bias_ratio as bias_ratio
    from bbb_core.embedding.gaps import group_direction as group_direction
    from bbb_core.embedding.gaps import position as position
    from bbb_core.embedding.gaps import projection as projection
    from bbb_core.embedding.load import load_encoder as load_encoder
    from bbb_core.embedding.mitigations import calibrated_projection as calibrated_projection
    from bbb_core.embedding.mitigations import centre_by_group as centre_by_group
    from bbb_core.embedding.mitigations import project_out as project_out

_HOME = {
    "Encoder": "encoder",
    "GapTable": "crossed",
    "ImageEncoder": "encoder",
    "Plan": "audit",
    "association_test": "association",
    "audit_embeddings": "audit",
    "bias_gap": "gaps",
    "bias_ratio": "gaps",
    "calibrated_projection": "mitigations",
    "centre_by_group": "mitigations",
    "group_direction": "gaps",
    "load_encoder": "load",
    "measure_gaps": "crossed",
    "position": "gaps",
    "project_out": "mitigations",
    "projection": "gaps",
    "summarise_gaps": "crossed",
}

__all__ = sorted(_HOME)
__getattr__, __dir__ = attach(__name__, _HOME)
