"""A leaderboard to rig: means and variances by group, and a page that computes with them (T4)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from IPython.display import HTML

from bbb_book.chapters.reward_for_imbalance.rewards import pooled
from bbb_book.scorers.design import IMAGE_STRATEGIES
from bbb_book.scorers.models import ScoredModels

__all__ = ["moments", "rig"]

_SAID = {
    "balanced": "as many women as men",
    "labour": "as the labour market",
    "reversed": "the labour market reversed",
    "men:0.8": "four men in five",
}


def moments(pool: Any) -> dict[str, float]:
    r"""Return what the mean score of any share of men follows from: scores [prompts, 2, images].

    With group means :math:`m_{p,a}` and variances :math:`v_{p,a}`, averaged over prompts:
    ``difference`` of :math:`m_{p,men} - m_{p,women}`, ``squared`` of its square, ``men`` and
    ``women`` of the variances. A generator that draws a share s of men in every prompt then has
    the mean :math:`s \cdot` ``difference`` (up to a constant that all share) and the variance
    within a prompt :math:`s v_{men} + (1 - s) v_{women} + s (1 - s)` ``squared``.
    """
    scores = np.asarray(pool, dtype=np.float64)
    apart = scores[:, 0].mean(1) - scores[:, 1].mean(1)
    spread = scores.var(axis=2).mean(0)
    return {
        "difference": float(apart.mean()),
        "squared": float((apart**2).mean()),
        "men": float(spread[0]),
        "women": float(spread[1]),
    }


def rig(models: ScoredModels) -> HTML:
    """Return the page on which a reader rigs a leaderboard: offline, by mouse and by keyboard."""
    found = {
        bias: {kind: moments(pooled(models.of(bias), kind)[0]) for kind in IMAGE_STRATEGIES}
        for bias in models.biases
    }
    content = {"moments": found, "said": {bias: _SAID.get(bias, bias) for bias in found}}
    template = (Path(__file__).parent / "rig.html").read_text(encoding="utf-8")
    return HTML(template.replace("__DATA__", json.dumps(content).replace("<", "\\u003c")))
