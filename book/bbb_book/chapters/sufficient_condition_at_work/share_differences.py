"""Differences of the two groups' shares in the stored run: claims, bounds and tables (T2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.generators.geometry import spearman
from bbb_book.generators.symmetric_figures import FigureStudy, measure_symmetry, turn_distance
from bbb_book.results.artefacts import Artefact, artefact
from bbb_core.stats import binomial_interval
from bbb_core.theory import tv_bound_from_kl

__all__ = [
    "absolute_differences",
    "bound_margin",
    "defect_table",
    "measured_symmetry",
    "neutral_even",
    "neutral_plain",
    "neutral_worst",
    "path_kl_bounds",
    "rank_correlation",
    "reflection_table",
]


def measured_symmetry(
    study: FigureStudy,
    leans: Sequence[float],
    *,
    n: int,
    n_paths: int,
    reverse_steps: int,
    shown: int,
    seed: int,
) -> Artefact:
    """Return what both models draw for prompts that lean more and more."""
    return artefact(
        "figures-symmetry",
        measure_symmetry,
        parameters={
            "study": study,
            "leans": list(leans),
            "n": n,
            "n_paths": n_paths,
            "reverse_steps": reverse_steps,
            "shown": shown,
            "seed": seed,
        },
    )


def absolute_differences(made: Mapping[str, Any]) -> np.ndarray:
    """Return |second - first share|, [models, shapes, leans]; "none" counts as an outcome."""
    counts = np.asarray(made["counts"])
    return np.abs(counts[..., 1] - counts[..., 0]) / counts.sum(-1)


def path_kl_bounds(made: Mapping[str, Any]) -> np.ndarray:
    """Return the bound on TV from the mean path KL to the reflection, [shapes, leans]."""
    return np.vectorize(lambda kl: float(tv_bound_from_kl(kl)))(np.asarray(made["kl"]).mean(-1))


def _differences(counts: np.ndarray, *, looks: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return second minus first share, with exact limits that hold for all `looks` together.

    Each of the two shares gets half of the error.
    """
    n = counts.sum(-1)
    level = 1 - 0.05 / (2 * looks)
    ends = np.array(
        [
            [binomial_interval(int(k), int(m), confidence=level) for k in row]
            for row, m in zip(counts.reshape(-1, 3)[:, :2], n.ravel(), strict=True)
        ]
    )
    value = (counts[..., 1] - counts[..., 0]) / n
    low = (ends[:, 1, 0] - ends[:, 0, 1]).reshape(n.shape)
    high = (ends[:, 1, 1] - ends[:, 0, 0]).reshape(n.shape)
    return value, low, high


def _absolute(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return limits of the absolute value of what lies between `low` and `high`."""
    return np.maximum(np.maximum(low, -high), 0), np.maximum(np.abs(low), np.abs(high))


def neutral_worst(made: Mapping[str, Any], leans: Sequence[float]) -> dict[str, float]:
    """Return the largest difference of shares over the shapes at eta = 0, symmetrised model."""
    counts = np.asarray(made["counts"])[1, :, list(leans).index(0.0)]
    value, low, high = _differences(counts, looks=len(counts))
    least, most = _absolute(low, high)
    worst = float(np.abs(value).max())
    return {
        "value": worst,
        "low": float(least.max()),
        "high": float(most.max()),
        "n": int(counts[0].sum()),
    }


def neutral_even(made: Mapping[str, Any], leans: Sequence[float]) -> dict[str, float]:
    """Return first minus second share of the symmetrised model at eta = 0, shapes pooled."""
    return _neutral(made, leans, model=1)


def neutral_plain(made: Mapping[str, Any], leans: Sequence[float]) -> dict[str, float]:
    """Return first minus second share of the trained model at eta = 0, all shapes pooled."""
    return _neutral(made, leans, model=0)


def _neutral(made: Mapping[str, Any], leans: Sequence[float], *, model: int) -> dict[str, float]:
    """Return first minus second share of one model at eta = 0, all shapes pooled."""
    counts = np.asarray(made["counts"])[model, :, list(leans).index(0.0)].sum(0)
    value, low, high = _differences(counts[None], looks=1)
    return {
        "value": float(-value[0]),
        "low": float(-high[0]),
        "high": float(-low[0]),
        "n": int(counts.sum()),
    }


def bound_margin(made: Mapping[str, Any]) -> float:
    """Return the smallest bound minus lower limit of the imbalance, symmetrised model."""
    counts = np.asarray(made["counts"])[1]
    _, low, high = _differences(counts, looks=counts.shape[0] * counts.shape[1])
    least, _ = _absolute(low, high)
    return float((path_kl_bounds(made) - least).min())


def rank_correlation(made: Mapping[str, Any], leans: Sequence[float]) -> dict[str, float]:
    """Return the rank correlation of eta and imbalance: mean, lowest and highest shape."""
    eta = np.array([turn_distance(lean) for lean in leans])
    own = [spearman(eta, row) for row in absolute_differences(made)[1]]
    return {"value": float(np.mean(own)), "low": min(own), "high": max(own), "n": len(own)}


def reflection_table(made: Mapping[str, Any], leans: Sequence[float]) -> pd.DataFrame:
    """Return, per eta, imbalance of both models, bound, and the constant that it implies."""
    gaps, bounds = absolute_differences(made), path_kl_bounds(made)
    rows = []
    for j, lean in enumerate(leans):
        eta = turn_distance(lean)
        kl = float(np.asarray(made["kl"])[:, j].mean())
        rows.append(
            {
                "eta": f"{eta:.2f}",
                "trained: mean imbalance": f"{gaps[0, :, j].mean():.2f}",
                "symmetrised: mean imbalance": f"{gaps[1, :, j].mean():.2f}",
                "path KL": f"{kl:.2f}",
                "bound (mean)": f"{bounds[:, j].mean():.2f}",
                "Lambda": "" if eta == 0 else f"{(kl / 2) ** 0.5 / eta:.1f}",
            }
        )
    return pd.DataFrame(rows).set_index("eta")


def defect_table(made: Mapping[str, Any], leans: Sequence[float]) -> pd.DataFrame:
    """Return, per shape at eta = 0, the trained model's defect and what it can do to the shares."""
    defect = np.asarray(made["defect"]).mean(-1)
    gaps = absolute_differences(made)[0, :, list(leans).index(0.0)]
    rows = {
        "defect (path KL)": [f"{kl:.2f}" for kl in defect],
        "added to the imbalance, at most": [
            f"{min(1.0, 2 * float(tv_bound_from_kl(float(kl)))):.2f}" for kl in defect
        ],
        "measured imbalance": [f"{gap:.2f}" for gap in gaps],
    }
    return pd.DataFrame(rows, index=pd.Index(made["names"], name="shape"))
