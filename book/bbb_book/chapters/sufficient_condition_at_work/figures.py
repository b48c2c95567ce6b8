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
from bbb_book.style import figure, house, palette, picture_grid

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
    labels = [f"eta = {turn_distance(leans[j]):.2f}" for j in picked]
    return picture_grid(sheet[:, :, :3], rows=MODELS, blocks=labels, across=9)
