"""Audits of the small CLIPs: by strategy, with the truth and without it (D5, T6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.scorers.models import ScoredModel, ScoredModels
from bbb_core import stats, theory
from bbb_core.alignment import Audit, audit

__all__ = ["audit_model", "crossed_estimate", "fewer", "floor_table", "quality", "ranking_auc"]


def crossed_estimate(table: Any, *, confidence: float = 0.95) -> dict[str, Any]:
    """Return the mean of a table [models, occupations] with an interval over other ones of both."""
    e = stats.crossed_mean_interval(table, confidence=confidence)
    return {"value": e.value, "low": e.low, "high": e.high, "n": fewer(table)}


def fewer(table: Any) -> int:
    """Return the number of rows or of columns, whichever is smaller; a single one is no sample."""
    return min((k for k in np.shape(table) if k > 1), default=1)


def audit_model(
    model: ScoredModel,
    column: str = "plain",
    *,
    by: Sequence[str] = ("gender", "tone"),
    level_sets: int = 5,
    minimum_support: int = 30,
    confidence: float = 0.95,
) -> Audit:
    """Audit one column of one model against the degree of fit, over the named attributes.

    Cosines have no scale of their own, so they are first fitted to the truth (affine-free). Rows
    that share a drawing depend on one another: drawings are the clusters.
    """
    labels = model.labels()
    return audit(
        model.score(column), model.design.truth, {key: labels[key] for key in by},
        level_sets=level_sets, scale="affine-free", clusters=model.drawings(),
        minimum_support=minimum_support, confidence=confidence, n_draws=1000,
    )  # fmt: skip


def _recalibrated(model: ScoredModel, column: str) -> np.ndarray:
    x, truth = model.score(column), model.design.truth
    slope = np.cov(x, truth, bias=True)[0, 1] / x.var()
    return truth.mean() + slope * (x - x.mean())


def _cells(model: ScoredModel, by: Sequence[str]) -> np.ndarray:
    """Return the number of the joint group of each row."""
    labels = model.labels()
    names = [" & ".join(parts) for parts in zip(*[labels[key] for key in by], strict=True)]
    return np.unique(names, return_inverse=True)[1]


def floor_table(models: ScoredModels, columns: Sequence[str]) -> pd.DataFrame:
    """Compare the label-free bound (T6) with the multiaccuracy error that the truth shows.

    Returns
    -------
    pandas.DataFrame
        Per model, strategy and family of groups: ``error``, ``bound``, ``ratio``.
    """
    rows = []
    for model in models:
        truth = model.design.truth
        for column in columns:
            f = _recalibrated(model, column)
            for by in (("gender",), ("gender", "occupation")):
                cell = _cells(model, by)
                count = np.bincount(cell)
                error = np.abs(np.bincount(cell, truth - f)).max() / len(f)
                bound = theory.label_free_bound(np.bincount(cell, f) / count, count / len(f))
                rows.append((model.bias, model.seed, column, " x ".join(by), error, bound))
    names = ["bias", "seed", "strategy", "groups", "error", "bound"]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(ratio=table["bound"] / table["error"])


def ranking_auc(x: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> float:
    """Return the chance that a positive row scores above a negative one, ties counting half."""
    from scipy.stats import rankdata

    p, q = int(positive.sum()), int(negative.sum())
    ranks = rankdata(np.concatenate([x[positive], x[negative]]))
    return float((ranks[:p].sum() - p * (p + 1) / 2) / (p * q))


def quality(model: ScoredModel, column: str) -> dict[str, float]:
    """Return what a strategy costs: its fit to the truth within prompts, and right over wrong.

    ``correlation`` with the degree of fit and ``auc`` of fitting against wrong pictures are means
    over prompts; one is best, 0 and 1/2 are useless.
    """
    x, d = model.score(column), model.design
    correlation, auc = [], []
    for prompt in range(20):
        rows = d.prompt == prompt
        correlation.append(np.corrcoef(x[rows], d.truth[rows])[0, 1])
        auc.append(ranking_auc(x, rows & (d.truth == 1), rows & (d.truth <= 0.5)))
    return {"correlation": float(np.mean(correlation)), "auc": float(np.mean(auc))}
