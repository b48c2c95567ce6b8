"""Gaps that the strategies leave, compared with one another, and what they cost (theorem T5)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bbb_book.scorers.audits import audit_model, crossed_estimate, quality
from bbb_book.scorers.models import STRATEGY_COLUMNS, ScoredModel, ScoredModels
from bbb_core import rng, stats

__all__ = [
    "AVERAGE",
    "COMPARISONS",
    "FOUR",
    "READ",
    "SUBCLASS",
    "best_other",
    "by_kind",
    "compare",
    "cost",
    "counterexample",
    "four_groups",
    "four_table",
    "over_models",
    "read_groups",
    "summary",
    "tests",
]

SUBCLASS = "subclass-score (maximum)"
READ = "subclass-score (read group)"
FOUR = "subclass of four"
AVERAGE = "average-then-score"
COMPARISONS = 3
"""Comparisons that the paper's claims make together."""


def over_models(values: Any) -> dict[str, Any]:
    """Return the mean of one value per model with its interval."""
    e = stats.mean_interval(values)
    return {"value": e.value, "low": e.low, "high": e.high, "n": len(values)}


def _difference(models: list[ScoredModel], first: str, second: str) -> np.ndarray:
    """Return |gap| under `first` minus |gap| under `second`, [models, occupations]."""
    return np.array([np.abs(m.gaps(first)) - np.abs(m.gaps(second)) for m in models])


def compare(models: ScoredModels, first: str, second: str) -> dict[str, Any]:
    """Return the mean difference of absolute gaps with an interval for three comparisons."""
    table = _difference(models.skewed, first, second)
    return crossed_estimate(table, confidence=1 - 0.05 / COMPARISONS)


def best_other(models: ScoredModels) -> tuple[str, dict[str, Any]]:
    """Return the best strategy but subclass-score, and how subclass-score compares with it.

    It is chosen on the first seed; the comparison takes the other seeds (all where there is one).
    """
    skewed = models.skewed
    first = min(m.seed for m in skewed)
    others = [c for c in STRATEGY_COLUMNS if not c.startswith("subclass")]
    chosen = min(
        others, key=lambda c: np.mean([np.abs(m.gaps(c)) for m in skewed if m.seed == first])
    )
    rest = [m for m in skewed if m.seed != first] or skewed
    return chosen, crossed_estimate(_difference(rest, SUBCLASS, chosen))


def by_kind(models: ScoredModels) -> pd.DataFrame:
    """Tabulate mean absolute gaps by kind of scorer and caption bias."""
    columns = ["plain", AVERAGE, SUBCLASS, READ]
    rows = {}
    for encoder in models.encoders:
        for bias in models.biases:
            chosen = models.by(encoder).of(bias)
            gaps = {c: np.mean([np.abs(m.gaps(c)) for m in chosen]) for c in columns}
            rows[f"{encoder}, {bias}"] = {c: f"{gap:.3f}" for c, gap in gaps.items()}
    return pd.DataFrame(rows).T


def read_groups(models: ScoredModels) -> dict[str, Any]:
    """Return |gap| of subclass-score by the scorer's own reading minus that of the plain score."""
    return crossed_estimate(_difference(models.skewed, READ, "plain"))


def four_groups(models: ScoredModels) -> dict[str, Any]:
    """Return the largest gap of four groups under subclass-score minus that under plain."""
    return crossed_estimate(
        np.array([m.shaded_gaps(FOUR) - m.shaded_gaps("plain") for m in models.skewed])
    )


def four_table(models: ScoredModels) -> pd.DataFrame:
    """Tabulate the largest gap among four groups, means over occupations and skewed scorers."""
    names = {
        "plain": "plain", AVERAGE: "average of two prompts", SUBCLASS: "maximum of two prompts",
        "average of four": "average of four prompts", FOUR: "maximum of four prompts",
    }  # fmt: skip
    skewed = models.skewed
    rows = {}
    for column, name in names.items():
        gaps = np.array([m.shaded_gaps(column) for m in skewed])
        change = gaps - np.array([m.shaded_gaps("plain") for m in skewed])
        rows[name] = {
            "largest gap of four groups (SD)": f"{gaps.mean():.3f}",
            "scorer-occupation pairs better than plain": f"{(change < 0).mean():.2f}",
        }
    rows["plain"]["scorer-occupation pairs better than plain"] = ""
    return pd.DataFrame(rows).T


def tests(models: ScoredModels) -> pd.DataFrame:
    """Tabulate paired sign-flip tests of every strategy against plain, over occupations.

    Differences are averaged over models first, so that occupations are the units; p-values are
    adjusted by Holm's method.
    """
    skewed = models.skewed
    columns = [c for c in STRATEGY_COLUMNS if c != "plain"]
    means = [_difference(skewed, c, "plain").mean(axis=0) for c in columns]
    p = [stats.sign_flip_test(d, rng=rng.generator(0, "flip")).p_value for d in means]
    return pd.DataFrame(
        {
            "strategy": columns,
            "change of mean |gap| (SD)": [f"{d.mean():+.3f}" for d in means],
            "occupations improved": [f"{(d < 0).sum()} of {len(d)}" for d in means],
            "adjusted p": ["< 0.001" if q < 0.001 else f"{q:.3f}" for q in stats.holm(p)],
        }
    ).set_index("strategy")


def summary(models: ScoredModels) -> pd.DataFrame:
    """Tabulate all strategies: gaps, both audit errors and cost, means over skewed scorers."""
    skewed, rows = models.skewed, {}
    for column in STRATEGY_COLUMNS:
        found = [audit_model(m, column, by=("gender", "occupation")) for m in skewed]
        kept = [quality(m, column) for m in skewed]
        rows[column] = {
            "mean |gap| (SD)": np.mean([np.abs(m.gaps(column)) for m in skewed]),
            "mean gap (SD)": np.mean([m.gaps(column) for m in skewed]),
            "worst mean error": np.mean([f.by_group["bias"].abs().max() for f in found]),
            "multicalibration": np.mean([f.multicalibration_error.plug_in for f in found]),
            "correlation": np.mean([k["correlation"] for k in kept]),
            "AUC": np.mean([k["auc"] for k in kept]),
        }
    return pd.DataFrame(rows).T.map(lambda x: f"{x:.3f}")


def cost(models: ScoredModels) -> dict[str, Any]:
    """Return correlation with the truth under subclass-score minus that under plain."""
    return over_models(
        [quality(m, SUBCLASS)["correlation"] - quality(m, "plain")["correlation"] for m in models]
    )


def counterexample() -> pd.DataFrame:
    """Tabulate the gaps of three strategies in three small worlds where one of them fails.

    Columns of S are mean cosines: rows the neutral prompt and the prompts of a and b, columns the
    images of a and b.
    """
    worlds = {
        "symmetric groups": [[0.5, 0.3], [0.6, 0.2], [0.2, 0.6]],
        "a's images lie near both prompts": [[0.4, 0.4], [0.6, 0.2], [0.4, 0.6]],
        "a's own prompt is sharper": [[0.4, 0.4], [0.7, 0.2], [0.1, 0.6]],
        "both at once": [[0.4, 0.4], [0.6, 0.4], [0.2, 0.5]],
    }
    rows = {}
    for name, s in worlds.items():
        m = np.array(s)
        rows[name] = {
            "plain": m[0, 0] - m[0, 1],
            "average": m[1:, 0].mean() - m[1:, 1].mean(),
            "subclass (own group)": m[1, 0] - m[2, 1],
        }
    return pd.DataFrame(rows).T.map(lambda x: f"{0.0 if abs(x) < 1e-12 else x:+.2f}")
