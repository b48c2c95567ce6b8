"""Encoders behind one protocol, and measures of the bias of their embeddings."""

from __future__ import annotations

from bbb_core.embedding.association import AssociationTest, association_test
from bbb_core.embedding.crossed import (
    GapTable,
    baseline_rank,
    crossed_interval,
    measure_gaps,
    summarise_gaps,
)
from bbb_core.embedding.encoder import BatchedEncoder, Encoder, ImageEncoder
from bbb_core.embedding.gaps import bias_gap, bias_ratio, group_direction, projection
from bbb_core.embedding.load import ENCODER_SPECS, load_encoder
from bbb_core.embedding.mitigations import calibrated_projection, centre_by_group, project_out
from bbb_core.embedding.scan import Scan, scan

__all__ = [
    "ENCODER_SPECS",
    "AssociationTest",
    "BatchedEncoder",
    "Encoder",
    "GapTable",
    "ImageEncoder",
    "Scan",
    "association_test",
    "baseline_rank",
    "bias_gap",
    "bias_ratio",
    "calibrated_projection",
    "centre_by_group",
    "crossed_interval",
    "group_direction",
    "load_encoder",
    "measure_gaps",
    "project_out",
    "projection",
    "scan",
    "summarise_gaps",
]
