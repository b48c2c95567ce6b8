"""Balance of three groups under a cycle, trained and symmetrised (theorem T2 for m groups)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.intersections.formulas import cyclic_imbalance_bound
from bbb_book.generators.symmetric_figures import CycleStudy, measure_cycle, turn_distance
from bbb_book.results.artefacts import Artefact, artefact
from bbb_core.stats import tv_interval
from bbb_core.theory import tv_bound_from_kl

__all__ = ["MODELS", "ORDER", "balance_at", "bounds", "margin", "measure", "table"]

MODELS = ("trained", "symmetrised")
ORDER = CycleStudy.order


def measure(study: CycleStudy, leans: Sequence[float], **options: Any) -> Artefact:
    """Return what both models draw for prompts that lean to the first group more and more."""
    parameters = {"study": study, "leans": list(leans), **options}
    return artefact("figures-cycle", measure_cycle, parameters=parameters)


def _interval(counts: np.ndarray, *, looks: int = 1) -> tuple[float, float, float]:
    """Return the imbalance among the images that show a group, with exact limits."""
    groups = counts[:ORDER]
    if groups.sum() == 0:
        return 0.0, 0.0, 1.0
    fair = np.full(ORDER, 1 / ORDER)
    value = float(np.abs(groups / groups.sum() - fair).sum() / 2)
    return value, *tv_interval(groups, fair, confidence=1 - 0.05 / looks)


def balance_at(made: Mapping[str, Any], leans: Sequence[float], *, model: int) -> dict[str, float]:
    """Return the imbalance of a model at the fixed prompts, all shapes pooled."""
    counts = np.asarray(made["counts"])[model, :, list(leans).index(0.0)].sum(axis=0)
    value, low, high = _interval(counts)
    return {"value": value, "low": low, "high": high, "n": int(counts[:ORDER].sum())}


def bounds(made: Mapping[str, Any]) -> np.ndarray:
    r"""Return the bound on imbalance per shape and prompt, from the mean path KL.

    For an equivariant model :math:`TV(D_c, D_{\tau c}) = TV(D_c, D_{\tau^2 c})`, so the smaller of
    the two divergences serves for both.
    """
    kl = np.asarray(made["kl"]).mean(axis=-1).min(axis=-1)
    return np.vectorize(
        lambda x: cyclic_imbalance_bound([float(tv_bound_from_kl(float(x)))] * (ORDER - 1))
    )(kl)


def margin(made: Mapping[str, Any]) -> float:
    """Return the smallest bound minus lower limit of the imbalance, symmetrised model.

    The bound is about all images; dividing by the share that shows a group carries it over to
    those.
    """
    counts, limit = np.asarray(made["counts"])[1], bounds(made)
    looks = counts.shape[0] * counts.shape[1]
    gaps = []
    for shape, row in enumerate(counts):
        for j, own in enumerate(row):
            shown = own[:ORDER].sum() / own.sum()
            low = _interval(own, looks=looks)[1]
            gaps.append(min(1.0, limit[shape, j] / max(shown, 1e-9)) - low)
    return float(min(gaps))


def table(made: Mapping[str, Any], leans: Sequence[float]) -> pd.DataFrame:
    """Return distance from the fixed point, imbalance of both models, path KL and bound."""
    counts, limit = np.asarray(made["counts"]), bounds(made)
    kl = np.asarray(made["kl"]).mean(axis=-1).min(axis=-1).mean(axis=0)
    rows = []
    for j, lean in enumerate(leans):
        pooled = counts[:, :, j].sum(axis=1)
        row = {"eta": f"{turn_distance(lean, order=ORDER):.2f}"}
        for name, own in zip(MODELS, pooled, strict=True):
            value, low, high = _interval(own)
            row[name] = f"{value:.2f} [{low:.2f}, {high:.2f}]"
        rows.append(row | {"path KL": f"{kl[j]:.2f}", "bound (mean)": f"{limit[:, j].mean():.2f}"})
    return pd.DataFrame(rows).set_index("eta")
