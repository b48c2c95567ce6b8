"""Figures of the chapter "Does it generalise?"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from bbb_book.chapters.generalisation.chain_summary import (
    STAGES,
    Encoder,
    joint_mean,
    stage_effects,
)
from bbb_book.data.emoji import OCCUPATIONS
from bbb_book.style import figure, house, palette, picture_grid

__all__ = ["forest", "leans", "mitigations", "scatter", "sheet"]

FAMILIES = palette(["text encoder", "small CLIP", "CLIP", "all"])


def _names(encoders: Sequence[Encoder]) -> list[str]:
    return [encoder.spec.split("/")[-1] for encoder in encoders]


@house
def forest(encoders: Sequence[Encoder], *, confidence: float = 0.95) -> Figure:
    """Draw every encoder's rank correlations with their summary, a panel per stage."""
    made, panels = figure(1, len(STAGES), height=1.1 + 0.26 * (len(encoders) + 1), sharey=True)
    places = np.arange(len(encoders), 0, -1)
    z = stats.norm.isf((1 - confidence) / 2)
    for axes, stage in zip(panels, STAGES, strict=True):
        effects, errors, found = stage_effects(encoders, stage, confidence=confidence)
        axes.axvline(0, color="black", linewidth=0.8)
        for encoder, place, effect, error in zip(encoders, places, effects, errors, strict=True):
            look = FAMILIES[encoder.family]
            ends = np.tanh([effect - z * error, effect + z * error])
            axes.hlines(place, *ends, color=look.colour, linewidth=1.4)
            axes.plot(np.tanh(effect), place, **look.points())
        look = FAMILIES["all"]
        axes.hlines(0, *np.tanh([found.prediction_low, found.prediction_high]), color="#999999")
        axes.hlines(0, *np.tanh([found.low, found.high]), color=look.colour, linewidth=3.5)
        axes.plot(np.tanh(found.mean), 0, **look.points(markersize=7, markeredgecolor="white"))
        axes.set(xlim=(-1.02, 1.02), xlabel=stage)
        axes.axhline(0.5, color="#999999", linewidth=0.6)
    panels[0].set_yticks([*places, 0], [*_names(encoders), "all"])
    panels[0].set_ylim(-0.6, len(encoders) + 0.6)
    return made


@house
def scatter(encoders: Sequence[Encoder]) -> Figure:
    """Draw the images' signed imbalance against the prompts' signed position, per encoder."""
    columns = min(3, len(encoders))
    rows = -(-len(encoders) // columns)
    made, panels = figure(rows, columns, height=0.5 + 1.75 * rows, sharey=True, squeeze=False)
    for axes, encoder in zip(panels.flat, encoders, strict=False):
        look = FAMILIES[encoder.family]
        axes.axhline(0, color="black", linewidth=0.6)
        axes.axvline(0, color="black", linewidth=0.6)
        axes.plot(encoder.mean("prompt_lean"), encoder.mean("image_lean"), **look.points())
        axes.set_title(encoder.spec.split("/")[-1], fontsize=9)
        axes.set_ylim(-1.08, 1.08)
    for axes in panels.flat[len(encoders) :]:
        axes.set_axis_off()
    made.supxlabel(
        "signed position of the neutral prompt (-1: at the man's, 1: at the woman's)", fontsize=10
    )
    made.supylabel("signed imbalance of its images", fontsize=10)
    return made


@house
def leans(encoders: Sequence[Encoder]) -> Figure:
    """Draw signed imbalance by occupation and encoder: area is size, filling is direction."""
    table = np.stack([encoder.mean("image_lean") for encoder in encoders])
    order = np.argsort(-table.mean(0))
    made, axes = figure(height=0.9 + 0.3 * len(encoders))
    for row, values in enumerate(table[:, order]):
        look = FAMILIES[encoders[row].family]
        size = 6 + 110 * np.abs(values)
        fill = [look.colour if value > 0 else "white" for value in values]
        axes.scatter(
            range(len(values)), [len(table) - row] * len(values), s=size, c=fill, marker="o",
            edgecolors=look.colour, linewidths=1.2,
        )  # fmt: skip
    axes.set_yticks(range(len(table), 0, -1), _names(encoders))
    names = [OCCUPATIONS[i] for i in order]
    axes.set_xticks(range(len(names)), names, rotation=55, ha="right", fontsize=8)
    axes.set_ylim(0.3, len(table) + 0.7)
    axes.grid(visible=False)
    return made


@house
def mitigations(encoders: Sequence[Encoder]) -> Figure:
    """Draw imbalance and score gaps before and after their mitigations, a row per encoder."""
    made, (left, right) = figure(1, 2, height=1.3 + 0.28 * len(encoders), sharey=True)
    places = np.arange(len(encoders), 0, -1)
    looks = palette(["before", "averaged", "subclass"])
    shift = {"before": 0.2, "averaged": 0.0, "subclass": -0.2}
    for name, source in (("before", "neutral"), ("averaged", "averaged"), ("subclass", "subclass")):
        found = [encoder.imbalance(source, prompts="fixed") for encoder in encoders]
        ends = np.array([(e.value, e.low, e.high) for e in found])
        _whiskers(left, ends, places + shift[name], looks[name], name)
    for name, strategy in (
        ("before", "plain"), ("averaged", "average-then-score"), ("subclass", "subclass-score"),
    ):  # fmt: skip
        squares = [joint_mean(e.mean("score_error", strategy), 1, 0.95) for e in encoders]
        ends = np.sqrt(np.array(squares).clip(min=0))
        _whiskers(right, ends, places + shift[name], looks[name], name)
    left.set_yticks(places, _names(encoders))
    left.set(xlabel="imbalance (TV)")
    left.set_xlim(left=0)
    right.set(xlabel="score gap (SD of a prompt's scores)")
    right.set_xlim(left=0)
    made.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return made


def _whiskers(axes: Any, ends: np.ndarray, places: np.ndarray, look: Any, label: str) -> None:
    axes.hlines(places, ends[:, 1], ends[:, 2], color=look.colour, linewidth=1.2)
    axes.plot(ends[:, 0], places, **look.points(label=label))


@house
def sheet(encoders: Sequence[Encoder], *, occupations: int = 8) -> Figure:
    """Show the first image of neutral prompts, an encoder per row, an occupation per column."""
    tiles = [np.asarray(e.chains[0].values["sheet"])[:occupations, :1] for e in encoders]
    names = [name.replace(" ", "\n") for name in OCCUPATIONS[:occupations]]
    return picture_grid(np.stack(tiles), rows=_names(encoders), blocks=names)
