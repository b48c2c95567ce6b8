"""Figures of the chapter on the sufficient condition at work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bbb_book.chapters.sufficient_condition_at_work.share_differences import (
    absolute_differences,
    path_kl_bounds,
)
from bbb_book.generators.symmetric_figures import turn_distance
from bbb_book.style import figure, house, palette

__all__ = ["curve", "pictures"]

MODELS = ("trained", "symmetrised")


@house
def curve(made: Mapping[str, Any], leans: Sequence[float]) -> Figure:
    """Draw the imbalance of each shape against eta, with the path-KL bound."""
    eta = np.array([turn_distance(lean) for lean in leans])
    fig, panels = figure(1, 2, height=2.8, sharey=True)
    looks = palette(made["names"])
    for axes, rows in zip(panels, absolute_differences(made), strict=True):
        for (name, look), row in zip(looks.items(), rows, strict=True):
            axes.plot(eta, row, label=name, **look.lines(marker=look.marker))
        axes.set(xlabel="reflection distance eta", ylim=(-0.02, 1.05))
    bound = path_kl_bounds(made).mean(0)
    panels[1].plot(eta, bound, color="black", linestyle=":", label="bound (mean)")
    panels[0].set(ylabel="|difference of shares|")
    panels[0].text(0.02, 0.95, MODELS[0], transform=panels[0].transAxes, va="top")
    panels[1].text(0.02, 0.95, MODELS[1], transform=panels[1].transAxes, va="top")
    panels[1].legend(loc="lower right")
    return fig


@house
def pictures(made: Mapping[str, Any], leans: Sequence[float], *, shape: int = 0) -> Figure:
    """Draw generations of one shape: a row per model, a block for every other prompt."""
    picked = list(range(0, len(leans), 2))
    sheet = np.asarray(made["sheet"])[:, shape, picked]
    rows = [np.concatenate(list(own.reshape(-1, *own.shape[2:])), axis=2) for own in sheet]
    picture = np.concatenate(rows, axis=1).transpose(1, 2, 0)
    fig, axes = figure(height=5.4 * picture.shape[0] / picture.shape[1] + 0.6)
    axes.imshow(picture, interpolation="nearest")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    size = sheet.shape[-1]
    axes.set_yticks([size * (i + 0.5) for i in range(2)], MODELS)
    width = picture.shape[1] / len(picked)
    labels = [f"eta = {turn_distance(leans[j]):.2f}" for j in picked]
    axes.set_xticks([width * (j + 0.5) for j in range(len(picked))], labels)
    for j in range(1, len(picked)):
        axes.axvline(width * j - 0.5, color="white", linewidth=3)
    axes.tick_params(length=0)
    return fig
