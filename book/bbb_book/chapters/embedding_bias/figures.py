"""Figures of the chapter *Bias in embeddings*."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bbb_book.chapters.embedding_bias.survey import Survey
from bbb_book.style import COLOURS, figure, house, palette

__all__ = ["agreement", "labour", "occupations", "pair_sensitivity", "trap", "zero"]

_WOMEN = "Share of women in US employment"


@house
def occupations(found: Survey, *, confidence: float = 0.95) -> Figure:
    """Draw every occupation's gap beyond the baseline with its interval, sorted."""
    summary = found.summary(confidence=confidence)
    place = np.arange(len(summary))
    made, axes = figure(height=max(2.6, 0.6 + 0.148 * len(summary)))
    axes.axvline(0, color=COLOURS["black"], linewidth=0.8)
    axes.hlines(place, summary["low"], summary["high"], color="#999999", linewidth=1.1)
    mostly = np.where(summary["share_women"] >= 0.5, "s", "o")
    mostly = np.where(summary["share_women"].isna(), "D", mostly)
    names = {
        "o": "mostly men in US employment",
        "s": "mostly women",
        "D": "no labour share",
    }
    for marker, label in names.items():
        here = mostly == marker
        if here.any():
            dots = axes.scatter(
                summary["beyond"][here], place[here], c=summary["share_women"][here].fillna(0.5),
                cmap="cividis", vmin=0, vmax=1, marker=marker, s=24, edgecolor="black",
                linewidth=0.5, zorder=3, label=label,
            )  # fmt: skip
    axes.set_yticks(place, summary.index, fontsize=7.5)
    axes.set_ylim(-0.8, len(summary) - 0.2)
    axes.set_xlabel("Gap beyond the baseline (cosine; right: nearer to the first words)")
    axes.grid(axis="y", visible=False)
    axes.legend(loc="lower right", handletextpad=0.2)
    made.colorbar(dots, ax=axes, shrink=0.5, label="Women (US share)")
    return made


@house
def zero(found: Survey) -> Figure:
    """Draw the gaps of nouns for people, for things, and of occupations."""
    groups = {
        "nouns for people": found.people,
        "nouns for things": found.objects,
        "occupations": found.occupations,
    }
    made, axes = figure(height=2.3)
    axes.axvline(0, color=COLOURS["black"], linewidth=0.8)
    for row, (look, table) in enumerate(
        zip(palette(groups).values(), groups.values(), strict=True)
    ):
        spread = (np.arange(len(table.mean)) % 7 - 3) * 0.07
        axes.plot(table.mean, row + spread, **look.points(alpha=0.8))
        axes.vlines(table.mean.mean(), row - 0.35, row + 0.35, color=look.colour, linewidth=2.5)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set_ylim(-0.6, len(groups) - 0.4)
    axes.set_xlabel("Gap (cosine), mean over templates and word pairs")
    return made


@house
def labour(surveys: Mapping[str, Survey]) -> Figure:
    """Draw gaps against shares of women, one panel per encoder."""
    made, panels = figure(1, len(surveys), height=2.5, squeeze=False)
    looks = palette(surveys)
    for axes, (name, found) in zip(panels[0], surveys.items(), strict=True):
        summary = found.summary()
        axes.plot(summary["share_women"], summary["beyond"], **looks[name].points(markersize=3.5))
        axes.axhline(0, color=COLOURS["black"], linewidth=0.8)
        axes.set_title(name.split("/")[-1], fontsize=9)
        axes.set_xlim(-0.03, 1.03)
    panels[0][0].set_ylabel("Gap beyond the baseline")
    made.supxlabel(_WOMEN, fontsize=10)
    return made


@house
def pair_sensitivity(correlations: pd.DataFrame) -> Figure:
    """Draw the correlation with labour shares, word pair by word pair (`pair_correlations`)."""
    looks = palette(correlations["encoder"].unique())
    made, axes = figure(height=0.9 + 0.19 * len(correlations))
    axes.axvline(0, color=COLOURS["black"], linewidth=0.8)
    named = set()
    for place, row in zip(range(len(correlations), 0, -1), correlations.itertuples(), strict=True):
        look = looks[row.encoder]
        axes.hlines(place, row.low, row.high, color=look.colour, linewidth=1.4)
        label = None if row.encoder in named else row.encoder.split("/")[-1]
        named.add(row.encoder)
        axes.plot(row.value, place, **look.points(label=label))
    axes.set_yticks(range(len(correlations), 0, -1), correlations["pair"], fontsize=8)
    axes.set_xlim(-1, 1)
    axes.set_xlabel("Correlation of the gap with the share of women")
    axes.legend(loc="lower left")
    return made


@house
def agreement(surveys: Mapping[str, Survey]) -> Figure:
    """Draw the ranks that encoders give to occupations against each other."""
    drawn = list(combinations(surveys, 2))[:3]
    made, panels = figure(1, max(1, len(drawn)), height=2.4, squeeze=False)
    for axes, (one, other), look in zip(
        panels[0], drawn, palette(map(str, drawn)).values(), strict=False
    ):
        ranks = [surveys[name].occupations.mean.argsort().argsort() + 1 for name in (one, other)]
        axes.plot(*ranks, **look.points(markersize=3.5))
        axes.set_xlabel(f"rank in {one.split('/')[-1]}")
        axes.set_ylabel(f"rank in {other.split('/')[-1]}")
    return made


@house
def trap(found: pd.DataFrame) -> Figure:
    """Draw the gap against the projection that it equals and against one that it does not."""
    made, (left, right) = figure(1, 2, height=2.6, sharex=True)
    looks = palette(["own", "shared"])
    left.axline((0, 0), slope=1, color="#999999", linewidth=0.8)
    left.plot(found["gap"], found["own"], **looks["own"].points(markersize=3.5))
    right.plot(found["gap"], found["shared"], **looks["shared"].points(markersize=3.5))
    left.set_ylabel("Own axis, rescaled")
    right.set_ylabel("Axis of the other occupations")
    made.supxlabel("Gap (cosine)", fontsize=10)
    return made
