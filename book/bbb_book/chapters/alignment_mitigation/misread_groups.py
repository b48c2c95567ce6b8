"""Where subclass-score fails: groups that are misread, prompts that name a group (theorem T5)."""

from __future__ import annotations

from typing import Any

import numpy as np

from bbb_book.chapters.alignment_mitigation.strategy_gaps import SUBCLASS, over_models
from bbb_book.scorers.audits import crossed_estimate, ranking_auc
from bbb_book.scorers.models import ScoredModel, ScoredModels
from bbb_core import rng

__all__ = ["misread", "misread_gaps", "named_group"]


def named_group(models: ScoredModels) -> dict[str, Any]:
    """Return how often a fitting woman outscores a fitting man under a prompt that names women."""
    values = []
    for m in models:
        x, d = m.score(SUBCLASS), m.design
        right = [
            ranking_auc(x, fits & (d.group == 1), fits & (d.group == 0))
            for fits in ((d.truth == 1) & (d.prompt == o) for o in range(20))
        ]
        values.append(float(np.mean(right)))
    return over_models(values)


def misread_gaps(model: ScoredModel, share: float) -> np.ndarray:
    """Return the gaps of subclass-score when a share of the women is read as men."""
    d = model.design
    men, women = model.score("man"), model.score("woman")
    wrong = (d.group == 1) & (rng.generator(0, "misread").random(len(d.group)) < share)
    x = np.where((d.group == 1) & ~wrong, women, men)
    spread = np.sqrt(np.mean([x[d.prompt == o].var() for o in range(20)]))
    means = [[x[(d.prompt == o) & (d.group == g)].mean() for g in (0, 1)] for o in range(20)]
    return (np.array(means) @ [-1, 1]) / spread


def misread(models: ScoredModels, share: float = 0.2) -> dict[str, Any]:
    """Return |gap| with misread women minus |gap| of the plain score, balanced captions."""
    table = [
        np.abs(misread_gaps(m, share)) - np.abs(m.gaps("plain")) for m in models.of("balanced")
    ]
    return crossed_estimate(np.array(table))
