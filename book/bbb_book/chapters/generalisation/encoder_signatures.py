"""Failure signatures of each encoder's chains and over encoders, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bbb_book.chapters.generalisation.chain_summary import (
    LEVELS,
    STAGES,
    Encoder,
    stage_effects,
)
from bbb_book.chapters.generalisation.failure_signatures import (
    Signature,
    differing_encoders,
    high_total_variation,
    idle_mitigation,
    opposite_signs,
)
from bbb_book.results.claims import show_number

__all__ = ["show_signatures", "signature_table", "signatures"]


def signatures(
    encoders: Sequence[Encoder], *, high: float, least: float, flip: float, unexplained: float
) -> tuple[dict[str, list[Signature]], dict[str, list[Signature]]]:
    """Return the failure signatures of each encoder, and those over encoders by level or stage."""
    found = {}
    for encoder in encoders:
        before = encoder.mean("corrected", "neutral")
        plain = encoder.mean("score_error", "plain")
        pairs = {
            "averaged prompt": (before, encoder.mean("corrected", "averaged")),
            "subclass sampling": (before, encoder.mean("corrected", "subclass")),
            "average-then-score": (plain, encoder.mean("score_error", "average-then-score")),
            "subclass-score": (plain, encoder.mean("score_error", "subclass-score")),
        }  # fmt: skip
        imbalance, floor = encoder.mean("imbalance", "neutral"), encoder.chains[0].floor("neutral")
        found[encoder.spec] = [
            high_total_variation(imbalance, floor=floor, threshold=high),
            *(idle_mitigation(*pair, least=least, name=name) for name, pair in pairs.items()),
        ]
    effects = {}
    for name, measure in LEVELS.items():
        levels = np.array([encoder.mean(*measure) for encoder in encoders])
        errors = levels.std(1, ddof=1) / levels.shape[1] ** 0.5
        if (errors > 0).all():  # else nothing varies, as where no image can be read
            effects[f"mean {name}"] = levels.mean(1), errors
    effects |= {stage: stage_effects(encoders, stage)[:2] for stage in STAGES}
    across = {
        name: [
            opposite_signs(*measured, threshold=flip),
            differing_encoders(*measured, threshold=unexplained),
        ]
        for name, measured in effects.items()
    }
    return found, across


def _cell(signature: Signature) -> str:
    if not np.isfinite(signature.low):
        return f"{signature.verdict}: nothing sure to mitigate"
    ends = np.array([signature.value, signature.low, signature.high])
    return "{}: {:.2f} [{:.2f}, {:.2f}]".format(signature.verdict, *ends.round(2) + 0.0)


def signature_table(found: Mapping[str, Sequence[Signature]]) -> pd.DataFrame:
    """Return signatures as text: a row per chain of audits, a column per signature."""
    rows = {
        name: {f"{s.name} (> {s.threshold:g})": _cell(s) for s in every}
        for name, every in found.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("judged")


def show_signatures(*found: Mapping[str, Sequence[Signature]]) -> None:
    """Glue how many signatures are triggered, not triggered and undecided."""
    verdicts: list[str] = [
        signature.verdict for one in found for every in one.values() for signature in every
    ]
    show_number("signs-all", len(verdicts), digits=0)
    for name, verdict in (
        ("triggered", "triggered"), ("clear", "not triggered"), ("open", "undecided"),
    ):  # fmt: skip
        show_number(f"signs-{name}", verdicts.count(verdict), digits=0)
