"""What real people read in generated pictures, and how much they err (whose_label, human_study)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bbb_book import results
from bbb_book.data import human_ratings
from bbb_book.data.published import DataUnavailable
from bbb_core import rng
from bbb_core.balance.readings import nominal_alpha, pair_agreement
from bbb_core.stats import binomial_interval, bootstrap

__all__ = [
    "ANSWERS",
    "PATTERNS",
    "QUESTIONS",
    "error_table",
    "measure_people",
    "people",
    "women_share",
]

ANSWERS = ("man", "none", "woman")
"""Readings of gender; codes 3 and 4 of the form count as none."""
QUESTIONS = {
    "gender": "gender, as coded",
    "group": "man, woman or none",
    "named": "man or woman, where named",
    "skin": "skin tone",
    "cell": "gender and skin tone",
}
"""What agreement is measured on, and how the pages call it."""
PATTERNS = np.array([[a, b, 3 - a - b] for a in range(4) for b in range(4 - a)], dtype=np.float64)
"""The ways in which three readings of a picture fall on three answers [10, 3]."""
_N_RESAMPLES, _SEED, _LEVEL = 1999, 0, 0.95


def people() -> results.Artefact | None:
    """Return what was measured on the published readings; None without data and stored results."""
    try:
        return results.artefact(
            "people-readings",
            measure_people,
            parameters={"n_resamples": _N_RESAMPLES, "confidence": _LEVEL, "seed": _SEED},
            inputs={"readings": human_ratings.DIGEST},
        )
    except DataUnavailable:
        return None


def error_table(
    counts: Any, *, start: Any = None, steps: int = 1000, tolerance: float = 1e-5
) -> tuple[np.ndarray, np.ndarray]:
    r"""Estimate one error table for all readers from how their readings of a picture differ.

    The model of Dawid and Skene with :math:`\pi_{ky}` the same for every reader: three readings of
    a picture, independent given its label k, fall on pattern :math:`c` with probability
    proportional to :math:`\sum_k p_k \prod_y \pi_{ky}^{c_y}`. EM, for many tables at once.

    Parameters
    ----------
    counts : array_like, shape [..., 10]
        Pictures by pattern, in the order of `PATTERNS`.
    start
        Shares and errors to begin with; by default those of the votes.
    steps, tolerance
        Most steps, and the largest change of a share or a rate in the last one.

    Returns
    -------
    shares, errors : numpy.ndarray
        Of labels [..., 3], and rates of answers (last axis) by label [..., 3, 3].

    References
    ----------
    Dawid and Skene (1979), ``dawid1979`` in the references.

    Examples
    --------
    >>> shares, errors = error_table((PATTERNS.max(axis=1) == 3) * np.array([4.0]))
    >>> shares.round(3).tolist(), errors.diagonal().round(3).tolist()
    ([0.333, 0.333, 0.333], [1.0, 1.0, 1.0])
    """
    x = np.asarray(counts, dtype=np.float64)[..., None, :]  # [..., 1, patterns]
    x = x / x.sum(axis=-1, keepdims=True)
    p, m = (
        _step(x * PATTERNS.T / 3) if start is None else (np.asarray(start[0]), np.asarray(start[1]))
    )
    for _ in range(steps):
        # E step: labels of each pattern by Bayes' rule; M step: shares and rates of answers
        joint = p[..., None] * np.exp(np.log(m) @ PATTERNS.T)  # [..., labels, patterns]
        old = p, m
        p, m = _step(x * joint / joint.sum(axis=-2, keepdims=True))
        if max(np.abs(p - old[0]).max(), np.abs(m - old[1]).max()) <= tolerance:
            break
    return p, m


def _step(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    m = (weight @ PATTERNS).clip(1e-10)
    return weight.sum(axis=-1).clip(1e-10), m / m.sum(axis=-1, keepdims=True)


def measure_people(*, n_resamples: int, confidence: float, seed: int) -> dict[str, Any]:
    """Measure agreement and errors of the published readings, model by model.

    Intervals resample pictures; those of all models hold together for `clash` and `error`.

    Returns
    -------
    dict
        ``agreement``: alpha and the share of agreeing pairs by model and question. ``models``: by
        model the pictures, raters, share of readings of none, share of pictures that one reader
        reads as a man and another as a woman (``clash``), the ``error`` of equal and independent
        readers that explains how often two named readings differ, and women among women and men,
        in the readings (``naive``) and without the readers' errors (``corrected``). ``shares``
        and ``errors``: `error_table` per model. ``cells``: readings by gender and skin tone.
    """
    table = human_ratings.load()
    table["group"] = table["gender"].map({1: "man", 2: "woman"}).fillna("none")
    table["cell"] = table["group"] + " " + table["skin"].astype(str)
    agreement, models, shares, errors = [], [], [], []
    each = 1 - (1 - confidence) / table["model"].nunique()
    for model, rows in table.groupby("model", sort=False):
        stream = rng.generator(seed, "people", model)
        draws: dict[str, Any] = {"n_resamples": n_resamples, "rng": stream}
        group = pd.crosstab(rows["picture"], rows["group"])[list(ANSWERS)]
        counts = {
            name: pd.crosstab(rows["picture"], rows[name]) for name in ("gender", "skin", "cell")
        } | {"group": group, "named": group[["man", "woman"]]}
        for name in QUESTIONS:
            used = counts[name][counts[name].sum(axis=1) >= 2].to_numpy()
            row: dict[str, Any] = {"model": model, "question": name, "pictures": len(used)}
            alpha = bootstrap(nominal_alpha, used, confidence=confidence, **draws)
            row |= {"alpha": alpha.value, "low": alpha.low, "high": alpha.high}
            agreement.append(row | {"pairs": float(pair_agreement(used))})
        named = group[["man", "woman"]].to_numpy()
        error = bootstrap(_equal_error, named, confidence=each, **draws)
        clash = int((named > 0).all(axis=1).sum())
        ends = binomial_interval(clash, len(group), confidence=each)
        seen = np.array([(group.to_numpy() == one).all(axis=1).sum() for one in PATTERNS])
        p, m = error_table(seen)
        again = stream.multinomial(len(group), seen / len(group), n_resamples)
        bounds = [(1 - confidence) / 2, (1 + confidence) / 2]
        naive = np.quantile(women_share(again @ PATTERNS), bounds)
        corrected = np.quantile(women_share(error_table(again, start=(p, m))[0]), bounds)
        models.append({
            "model": model, "pictures": len(group), "raters": rows["rater"].nunique(),
            "none": float((rows["group"] == "none").mean()),
            "clash": clash / len(group), "clash low": ends[0], "clash high": ends[1],
            "error": error.value, "error low": error.low, "error high": error.high,
            "naive": float(women_share(seen @ PATTERNS)),
            "naive low": naive[0], "naive high": naive[1],
            "corrected": float(women_share(p)),
            "corrected low": corrected[0], "corrected high": corrected[1],
        })  # fmt: skip
        shares.append(p)
        errors.append(m)
    cells = pd.crosstab([table["model"], table["group"]], table["skin"]).reset_index()
    return {
        "agreement": pd.DataFrame(agreement),
        "models": pd.DataFrame(models),
        "shares": np.stack(shares),
        "errors": np.stack(errors),
        "cells": cells.rename(columns=str),
    }


def women_share(x: np.ndarray) -> np.ndarray:
    """Return women among women and men, from shares or counts by `ANSWERS` [..., 3]."""
    return np.asarray(x[..., 2] / (x[..., 0] + x[..., 2]))


def _equal_error(counts: np.ndarray, axis: int = -2) -> np.ndarray:
    """Return the error e with 2 e (1 - e) equal to the share of pairs that differ."""
    twice = counts * (counts.sum(axis=-1, keepdims=True) >= 2)
    differ = 1 - pair_agreement(twice)
    return np.asarray((1 - np.sqrt(np.maximum(1 - 2 * differ, 0))) / 2)
