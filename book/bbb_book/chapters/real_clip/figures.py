"""Figures of the chapter on real CLIP."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bbb_book.chapters.real_clip.clip_results import ABSENT, MODELS, ends, standing
from bbb_book.results.artefacts import Artefact
from bbb_book.style import COLOURS, figure, house, palette

__all__ = ["forest", "things", "yardsticks"]

GREY = "#999999"


def _needs_data(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw a plain statement instead of the figure where there is no result."""

    @functools.wraps(draw)
    def drawn(found: Artefact | None, *rest: Any, **options: Any) -> Figure:
        if found is not None:
            return draw(found, *rest, **options)
        fig, ax = figure(height=1.0)
        ax.set_axis_off()
        ax.text(0.5, 0.5, ABSENT, ha="center", va="center", transform=ax.transAxes)
        return fig

    return drawn


@_needs_data
@house
def forest(found: Artefact, *, confidence: float = 0.95) -> Figure:
    """Draw the gap of every occupation with its interval, in order."""
    gaps = found["occupations"]
    kept = gaps.index.isin(standing(found, confidence=confidence).index)
    fig, ax = figure(height=1.0 + 0.175 * len(gaps))
    place = np.arange(len(gaps))
    kinds = {
        "pictures of men score higher": (kept & (gaps["gap"] < 0), COLOURS["blue"], "o"),
        "pictures of women score higher": (kept & (gaps["gap"] > 0), COLOURS["vermillion"], "s"),
        "does not stand by itself": (~kept, GREY, "D"),
    }
    ax.axvline(0, color="black", linewidth=0.8)
    mean = found["summary"]["mean"]
    ax.axvline(mean, color=GREY, linewidth=1.0, linestyle="--", label="mean of occupations")
    for label, (rows, colour, marker) in kinds.items():
        rows = np.asarray(rows)
        ax.hlines(place[rows], gaps["low"][rows], gaps["high"][rows], color=colour, linewidth=1.4)
        face = "white" if marker == "D" else colour
        ax.plot(
            gaps["gap"][rows], place[rows], linestyle="none", marker=marker, color=colour,
            markerfacecolor=face, label=label,
        )  # fmt: skip
    ax.set_yticks(place, gaps.index, fontsize=8)
    ax.set_ylim(-0.8, len(gaps) - 0.2)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel("gap of CLIP's score, female minus male picture (cosine)")
    fig.legend(loc="outside upper center", ncols=2)
    return fig


@_needs_data
@house
def yardsticks(found: Artefact, encoders: pd.DataFrame) -> Figure:
    """Draw the gaps against shares of women, at work and as drawn, and against an encoder."""
    gaps = found["occupations"]
    first = encoders.columns[0]
    panels = {
        "women in US employment": gaps["share_labour"],
        "women drawn by SD 1.5": gaps["share_drawn"],
        f"gap in {first.split('/')[-1]}": encoders[first].reindex(gaps.index),
    }
    fig, axes = figure(1, len(panels), height=3.5, sharey=True)
    for ax, (name, x), look in zip(axes, panels.items(), palette(panels).values(), strict=True):
        known = np.isfinite(x)
        ax.axhline(0, color="black", linewidth=0.8)
        ends_ = gaps["low"][known], gaps["high"][known]
        ax.vlines(x[known], *ends_, color=look.colour, alpha=0.35, linewidth=1.0)
        ax.plot(x[known], gaps["gap"][known], **look.points())
        ax.set_xlabel(name)
        if name.startswith("women"):
            ax.set_xlim(-0.12, 1.12)
            _name(ax, x[known], gaps["gap"][known])
    axes[0].set_ylabel("gap of CLIP's score (cosine)")
    return fig


def _name(ax: Any, x: pd.Series, y: pd.Series) -> None:
    """Write names beside points, on the side where there is room."""
    for name in x.index:
        right = x[name] > 0.65
        ax.annotate(
            _SHORT.get(name, name.casefold()), (x[name], y[name]),
            xytext=_BESIDE.get(name, (-5 if right else 5, 3)), textcoords="offset points",
            ha="right" if right else "left", fontsize=7,
        )  # fmt: skip


_SHORT = {"Martial Arts Instructor": "instructor", "IT Support Technician": "IT technician"}
_BESIDE = {
    "Construction Worker": (5, -3), "Engineer": (5, -8), "IT Support Technician": (5, -10),
    "Martial Arts Instructor": (5, -19),
}  # fmt: skip
"""Places, in points, for names that would lie on one another."""


@_needs_data
@house
def things(found: Artefact, *, size: int = 14) -> Figure:
    """Draw the things at either end in both models, and all things in one against the other."""
    table = found["things"]
    men, women = ends(table, size=size)
    shown = [*men, *women[::-1]]
    fig, (left, right) = figure(
        1, 2, height=0.7 + 0.17 * len(shown), gridspec_kw={"width_ratios": [1.15, 1]}
    )
    place = np.arange(len(shown)) + (np.arange(len(shown)) >= size)
    looks = palette(MODELS)
    values = {model: table[f"{model} adults"] for model in MODELS}
    both = np.array([values[model].loc[shown] for model in MODELS])
    left.hlines(place, both.min(axis=0), both.max(axis=0), color=GREY, linewidth=1.0)
    for model, look in looks.items():
        left.plot(values[model].loc[shown], place, **look.points(label=f"CLIP {model}"))
    person = np.mean([found["summary"]["person"][f"{model} adults"] for model in MODELS])
    for ax in (left, right):
        ax.axvline(0, color="black", linewidth=0.8)
        ax.axvline(person, color=GREY, linewidth=1.0, linestyle="--")
    left.set_yticks(place, [name.casefold() for name in shown], fontsize=8)
    left.set_ylim(-0.8, place[-1] + 0.8)
    left.grid(axis="y", visible=False)
    left.set_xlabel("cosine with woman minus man")
    left.legend(loc="lower right", fontsize=8)
    x, y = (values[model] for model in MODELS)
    right.axhline(0, color="black", linewidth=0.8)
    right.axhline(person, color=GREY, linewidth=1.0, linestyle="--")
    right.plot(x, y, linestyle="none", marker="o", color=GREY, markersize=2.5)
    for names, colour in ((men, COLOURS["blue"]), (women, COLOURS["vermillion"])):
        right.plot(
            x.loc[names], y.loc[names], linestyle="none", marker="o", color=colour, markersize=4
        )
    right.set_xlabel(f"gap in {next(iter(MODELS))}")
    right.set_ylabel(f"gap in {list(MODELS)[1]}")
    return fig
