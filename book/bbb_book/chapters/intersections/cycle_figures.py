"""Figures and numbers of the cycle of three groups (chapter on intersections, theorem T2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bbb_book.chapters.intersections.formulas import cyclic_imbalance_bound
from bbb_book.generators.symmetric_figures import CycleStudy, measure_cycle, turn_distance
from bbb_book.results.artefacts import Artefact, artefact
from bbb_book.style import figure, house, palette
from bbb_core.stats import tv_interval
from bbb_core.theory import tv_bound_from_kl

__all__ = ["balance_at", "bounds", "curve", "margin", "measure", "pictures", "table"]

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


@house
def curve(made: Mapping[str, Any], leans: Sequence[float]) -> Figure:
    """Draw the shares of the three groups against the distance from the fixed point."""
    eta = np.array([turn_distance(lean, order=ORDER) for lean in leans])
    counts = np.asarray(made["counts"]).sum(axis=1)[..., :ORDER]
    share = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    fig, panels = figure(1, 2, height=2.7, sharey=True)
    looks = palette(["first group", "second", "third", "imbalance"])
    for axes, name, rows in zip(panels, MODELS, share, strict=True):
        axes.axhline(1 / ORDER, color="black", linewidth=0.8)
        for group, (label, look) in enumerate(list(looks.items())[:ORDER]):
            axes.plot(eta, rows[:, group], label=label, **look.lines(marker=look.marker))
        axes.set(xlabel="distance eta from the fixed point", ylim=(-0.03, 1.05))
        axes.text(0.03, 0.97, name, transform=axes.transAxes, va="top")
    top = 1 / ORDER + np.minimum(bounds(made).mean(axis=0), 1 - 1 / ORDER)
    panels[1].plot(eta, top, color="black", linestyle=":", label="1/3 + bound")
    panels[0].set_ylabel("share of the group")
    panels[1].legend(loc="center right")
    return fig


@house
def pictures(made: Mapping[str, Any], leans: Sequence[float], *, shape: int = 0) -> Figure:
    """Draw generations of one shape: a row per model, a block per prompt."""
    sheet = np.asarray(made["sheet"])[:, shape, :, :4]
    rows = [np.concatenate(list(own.reshape(-1, *own.shape[2:])), axis=2) for own in sheet]
    picture = np.concatenate(rows, axis=1).transpose(1, 2, 0)
    fig, axes = figure(height=6.0 * picture.shape[0] / picture.shape[1] + 0.6)
    axes.imshow(picture, interpolation="nearest")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    size = sheet.shape[-1]
    axes.set_yticks([size * (i + 0.5) for i in range(2)], MODELS)
    width = picture.shape[1] / len(leans)
    places = [width * (j + 0.5) for j in range(len(leans))]
    axes.set_xticks(places, [f"{turn_distance(lean, order=ORDER):.2f}" for lean in leans])
    axes.set_xlabel("distance eta from the fixed point")
    axes.tick_params(length=0)
    return fig
