"""Audit and repair of alignment scores at intersections: small CLIPs with a known truth (D5)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bbb_book.chapters.intersections.held_out_worst_group import split_worst_error
from bbb_book.scorers.models import ScoredModel, ScoredModels
from bbb_core import rng
from bbb_core.alignment import repair

__all__ = [
    "FAMILIES",
    "STAGES",
    "audit_ratio",
    "audit_table",
    "repair_gain",
    "repair_table",
    "worst_error",
]

FAMILIES: dict[str, tuple[str, ...]] = {
    "gender": ("gender",),
    "tone": ("tone",),
    "occupation": ("occupation",),
    "gender x tone": ("gender", "tone"),
    "gender x occupation": ("gender", "occupation"),
}
"""Families of groups, of equal size within a family by the design of the audit."""
STAGES = ("as scored", "repaired on margins", "repaired on pairs")


def _labels(model: ScoredModel, by: Sequence[str], rows: np.ndarray) -> np.ndarray:
    labels = model.labels()
    parts = zip(*[labels[key][rows] for key in by], strict=True)
    return np.array([" & ".join(part) for part in parts])


def worst_error(
    model: ScoredModel, scores: np.ndarray, by: Sequence[str], rows: np.ndarray
) -> float:
    """Return the worst absolute mean error over the cells of a family, by sample splitting.

    In degrees of fit. Every cell shows every degree of fit equally often by design, so the mean
    error of each degree over all cells is taken off before cells are compared, and the overall
    mean put back: that removes noise, and no error of a cell.
    """
    degree = model.design.truth[rows]
    residual = degree - scores
    _, code = np.unique(degree, return_inverse=True)
    by_degree = np.bincount(code, residual) / np.bincount(code)
    return split_worst_error(
        residual - by_degree[code] + residual.mean(), _labels(model, by, rows),
        strata=model.drawings()[rows], rng=rng.generator(0, "worst error", *by),
    )  # fmt: skip


def _halves(model: ScoredModel) -> tuple[np.ndarray, np.ndarray]:
    """Return rows to fit on and rows to judge on: half of the rows of every drawing each."""
    stream = rng.generator(0, "intersection halves")
    drawing = model.drawings()
    order = np.lexsort((stream.random(len(drawing)), drawing))
    first = np.zeros(len(drawing), bool)
    first[order[::2]] = True
    return np.flatnonzero(first), np.flatnonzero(~first)


def _fitted(model: ScoredModel, column: str, rows: np.ndarray) -> np.ndarray:
    """Return the scores in [0, 1]: one line for everybody, fitted to the truth on `rows`."""
    x, truth = model.score(column), model.design.truth
    slope, intercept = np.polyfit(x[rows], truth[rows], 1)
    return np.clip(intercept + slope * x, 0.0, 1.0)


def repair_table(models: ScoredModels, column: str = "plain") -> pd.DataFrame:
    """Audit the held-out half before and after repair on margins and on pairs of attributes.

    Repairs are fitted on one half of the rows (`alignment.repair`, multiaccuracy) and judged on
    the other. Both halves show the same drawings, in different pictures.

    Returns
    -------
    pandas.DataFrame
        A row per model, stage and family: ``bias, seed, stage, family, error``.
    """
    rows = []
    for model in models:
        fit, judge = _halves(model)
        f, truth, labels = _fitted(model, column, fit), model.design.truth, model.labels()
        parts = [{key: values[where] for key, values in labels.items()} for where in (fit, judge)]
        stages = [f[judge]]
        for order in (1, 2):
            made = repair(f[fit], truth[fit], parts[0], order=order)
            stages.append(made.apply(f[judge], parts[1]))
        for stage, scores in zip(STAGES, stages, strict=True):
            for family, by in FAMILIES.items():
                error = worst_error(model, scores, by, judge)
                rows.append((model.bias, model.seed, stage, family, error))
    return pd.DataFrame(rows, columns=["bias", "seed", "stage", "family", "error"])


def audit_table(table: pd.DataFrame, bias: str) -> pd.DataFrame:
    """Return the worst error per family and stage, as text: median and range over seeds."""
    own = table[table["bias"] == bias]
    rows = {}
    for family in FAMILIES:
        part = own[own["family"] == family]
        row = {}
        for stage in STAGES:
            found = part[part["stage"] == stage]["error"]
            row[stage] = f"{found.median():.3f} [{found.min():.3f}, {found.max():.3f}]"
        rows[family] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("groups")


def _errors(table: pd.DataFrame, bias: str, stage: str, family: str) -> np.ndarray:
    rows = table[(table["bias"] == bias) & (table["stage"] == stage) & (table["family"] == family)]
    return rows.sort_values("seed")["error"].to_numpy()


def audit_ratio(table: pd.DataFrame, bias: str) -> dict[str, float]:
    """Return the worst error over gender x occupation, divided by that over gender.

    Median over seeds, from the least to the largest; a gender error below 0.001 counts as that.
    """
    joint = _errors(table, bias, STAGES[0], "gender x occupation")
    whole = _errors(table, bias, STAGES[0], "gender")
    ratio = joint / np.maximum(whole, 0.001)
    return {
        "value": float(np.median(ratio)),
        "low": float(ratio.min()),
        "high": float(ratio.max()),
        "n": len(ratio),
    }


def repair_gain(table: pd.DataFrame, bias: str) -> dict[str, float]:
    """Return what repair on margins leaves over gender x occupation and repair on pairs removes."""
    left = _errors(table, bias, STAGES[1], "gender x occupation")
    gain = left - _errors(table, bias, STAGES[2], "gender x occupation")
    return {
        "value": float(gain.mean()),
        "low": float(gain.min()),
        "high": float(gain.max()),
        "n": len(gain),
    }
