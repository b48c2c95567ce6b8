"""Numbers of the scorers of procedural figures in the chapter on alignment auditing (D5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.alignment_auditing.figure_scorers import measure_figure_scorer
from bbb_book.results.artefacts import artefact
from bbb_book.scorers.audits import fewer
from bbb_core import device, stats

__all__ = ["figure_gap", "figure_scorers", "figure_table"]

Scorers = Mapping[float, Sequence[Mapping[str, Any]]]
STRATEGIES = ("plain", "subclass-score")
"""Columns of the stored scores."""


def figure_scorers(
    shares: Sequence[float], seeds: Sequence[int], *, steps: int, n: int
) -> dict[float, list[Any]]:
    """Return the scorers of figures by the share of red pictures of their neutral captions."""
    with device.threads(1):  # the networks are tiny
        return {
            share: [
                artefact(
                    "figure-scorer",
                    measure_figure_scorer,
                    parameters={"share": share, "steps": steps, "n": n, "seed": seed},
                )
                for seed in seeds
            ]
            for share in shares
        }


def _gaps(made: Sequence[Mapping[str, Any]], strategy: str) -> np.ndarray:
    """Return the gap red minus green, [seeds, shapes], in units of the spread within prompts."""
    x = np.stack([one["scores"][..., STRATEGIES.index(strategy)] for one in made])
    spread = np.sqrt(x.reshape(*x.shape[:2], -1).var(-1).mean(-1))[:, None]
    return (x[:, :, 0].mean(-1) - x[:, :, 1].mean(-1)) / spread


def figure_gap(scorers: Scorers, share: float, strategy: str = "plain") -> dict[str, Any]:
    """Return the mean gap red minus green over seeds and shapes, with its interval."""
    table = _gaps(scorers[share], strategy)
    e = stats.crossed_mean_interval(table)
    return {"value": e.value, "low": e.low, "high": e.high, "n": fewer(table)}


def _text(found: Mapping[str, Any]) -> str:
    return f"{found['value']:+.2f} [{found['low']:+.2f}, {found['high']:+.2f}]"


def figure_table(scorers: Scorers) -> pd.DataFrame:
    """Tabulate accuracy and gaps by caption bias; text gaps are means over shapes and seeds."""
    rows = {}
    for share, made in scorers.items():
        right = np.stack([one["right"] for one in made]).mean(axis=(0, 1))
        rows[f"{share:.0%}".replace("%", " %")] = {
            "shape read": f"{right[0]:.2f}",
            "colour read": f"{right[1]:.2f}",
            "text gap (cosine)": f"{np.mean([one['text_gap'] for one in made]):+.2f}",
            "plain gap (SD)": _text(figure_gap(scorers, share)),
            "subclass gap (SD)": _text(figure_gap(scorers, share, "subclass-score")),
        }
    return pd.DataFrame(rows).T.rename_axis("red pictures")
