"""The worst error that repairs leave on pictures they were not fitted on (definition D5)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.alignment_mitigation.isotonic_repair import isotonic
from bbb_book.chapters.alignment_mitigation.strategy_gaps import over_models
from bbb_book.scorers.models import ScoredModels
from bbb_core.alignment import repair

__all__ = ["against_isotonic", "repair_ratios", "repair_table", "repaired"]


def repair_ratios(models: ScoredModels) -> pd.DataFrame:
    """Return the worst error after each repair, divided by that before, a row per skewed scorer.

    The repairs see the truth of three tones of the drawings and are judged on the other three; the
    worst error is the largest signed error over gender x occupation.
    """
    rows = []
    for m in models.skewed:
        x, d, labels = m.score("plain"), m.design, m.labels()
        fit = d.tone < 3
        slope, start = np.polyfit(x[fit], d.truth[fit], 1)
        f = np.clip(start + slope * x, 0, 1)
        known = {key: labels[key][fit] for key in ("gender", "occupation")}
        new = {key: labels[key][~fit] for key in known}
        made = repair(f[fit], d.truth[fit], known, seed=m.seed)
        after = {"boosting": made.apply(f[~fit], new)}
        for name, by in (("isotonic, one map", None), ("isotonic, a map per gender", "gender")):
            after[name] = isotonic(
                f[fit],
                d.truth[fit],
                by and known[by],
                new_scores=f[~fit],
                new_groups=by and new[by],
            )
        cell = (d.prompt * 2 + d.group)[~fit]
        worst = {k: np.abs(np.bincount(cell, d.truth[~fit] - v)).max() for k, v in after.items()}
        before = np.abs(np.bincount(cell, d.truth[~fit] - f[~fit])).max()
        rows.append({name: value / before for name, value in worst.items()})
    return pd.DataFrame(rows)


def repaired(ratios: pd.DataFrame) -> dict[str, Any]:
    """Return the median ratio of the worst error after to before boosting, with quartiles."""
    low, value, high = ratios["boosting"].quantile([0.25, 0.5, 0.75])
    return {"value": value, "low": low, "high": high, "n": len(ratios)}


def against_isotonic(ratios: pd.DataFrame) -> dict[str, Any]:
    """Return the mean difference of boosting and isotonic regression per gender."""
    return over_models((ratios["boosting"] - ratios["isotonic, a map per gender"]).to_numpy())


def repair_table(ratios: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the share of the worst error that each repair leaves: median and quartiles."""
    low, value, high = (ratios.quantile(q) for q in (0.25, 0.5, 0.75))
    text = [f"{v:.2f} [{a:.2f}, {b:.2f}]" for v, a, b in zip(value, low, high, strict=True)]
    index = pd.Index(ratios.columns, name="repair")
    return pd.DataFrame({"share of the worst error left": text}, index=index)
