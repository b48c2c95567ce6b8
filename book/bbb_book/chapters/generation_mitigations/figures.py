"""Figures of the chapter on mitigations for generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bbb_book.data.emoji import OCCUPATIONS
from bbb_book.style import figure, house, palette, picture_grid
from bbb_core import rng
from bbb_core.theory import inherited_share

__all__ = ["pictures", "shares", "sweep"]


@house
def shares(made: Mapping[str, Any], methods: Sequence[str]) -> Figure:
    """Draw the share of women per occupation under each mitigation."""
    counts = np.asarray(made["counts"])
    fig, axes = figure(height=3.0)
    looks = palette(methods)
    spread = rng.generator(0, "spread of dots").uniform(-0.18, 0.18, len(OCCUPATIONS))
    for i, method in enumerate(methods):
        share = counts[i, :, 1] / counts[i].sum(1)
        axes.plot(share, i + spread, **looks[method].points(alpha=0.75))
    axes.axvline(0.5, color="black", linewidth=0.8)
    axes.set_yticks(range(len(methods)), methods)
    axes.invert_yaxis()
    axes.set(xlabel="share of images read as woman, one dot per occupation", xlim=(-0.02, 1.02))
    return fig


@house
def pictures(made: Mapping[str, Any], methods: Sequence[str], occupations: Sequence[str]) -> Figure:
    """Draw generations under each mitigation, a row per mitigation."""
    picked = [OCCUPATIONS.index(o) for o in occupations]
    sheet = np.asarray(made["sheet"])[: len(methods), picked]
    return picture_grid(sheet, rows=methods, blocks=occupations)


@house
def sweep(placed: Mapping[str, Any]) -> Figure:
    """Draw the sweep's shares with the fitted law, neutral positions and own switches."""
    counts = np.asarray(placed["sweep"])[..., :2].sum(0)
    at = np.asarray(placed["positions"])
    fig, axes = figure(height=2.8)
    looks = palette(["drawn", "law", "neutral prompts", "own switches"])
    axes.plot(at, counts[:, 1] / counts.sum(1).clip(1), **looks["drawn"].points(label="drawn"))
    fine = np.linspace(0, 1, 200)
    law = inherited_share(fine, placed["slope"], placed["switch"])
    axes.plot(fine, law, **looks["law"].lines(label="fitted law"))
    axes.axvline(0.5, color="black", linewidth=0.8)
    axes.axvline(placed["switch"], **looks["law"].lines(linewidth=1.0))
    for name, t, low in (
        ("neutral prompts", placed["t"], -0.12),
        ("own switches", placed["own_switches"], 1.04),
    ):
        axes.vlines(t, low, low + 0.08, color=looks[name].colour, linewidth=1.2, label=name)
    axes.set(xlabel="position between the man's prompt (0) and the woman's (1)",
             ylabel="share of women", ylim=(-0.15, 1.15))  # fmt: skip
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    return fig
