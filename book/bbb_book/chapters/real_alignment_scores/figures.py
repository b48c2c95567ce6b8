"""Figures of the chapter on real alignment scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bbb_book.chapters.real_alignment_scores.published_audit import (
    PublishedScores,
)
from bbb_book.chapters.real_alignment_scores.score_tables import ABSENT
from bbb_book.data.published import SCORERS
from bbb_book.style import figure, house, palette

__all__ = ["LOOKS", "crossed", "gaps"]

LOOKS = palette(SCORERS.values())


def _absent() -> Figure:
    fig, ax = figure(height=1.0)
    ax.set_axis_off()
    ax.text(0.5, 0.5, ABSENT, ha="center", va="center", transform=ax.transAxes)
    return fig


@house
def gaps(found: PublishedScores | None) -> Figure:
    """Draw every pair's gap by attribute, three scorers side by side, with both intervals."""
    if found is None:
        return _absent()
    order = found.gaps["CLIPScore"].pairs[["attribute", "first", "second"]]
    fig, ax = figure(height=0.24 * len(order) + 0.9)
    for offset, (name, g) in zip((-0.22, 0, 0.22), found.gaps.items(), strict=True):
        y = np.arange(len(order)) + offset
        p = g.pairs
        ax.hlines(y, p["family_low"], p["family_high"], color=LOOKS[name].colour, linewidth=0.8)
        ax.hlines(y, p["low"], p["high"], color=LOOKS[name].colour, linewidth=2.2)
        ax.plot(p["gap"], y, **LOOKS[name].points(label=name, markersize=4))
    _pairs_axis(ax, order)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return fig


def _pairs_axis(ax: Any, order: pd.DataFrame) -> None:
    words = [
        f"{a.split('=')[1]} − {b.split('=')[1]}"
        for a, b in zip(order["first"], order["second"], strict=True)
    ]
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(order)), words)
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.set_xlabel("gap within occupation (SD), first minus second")
    changes = np.flatnonzero(
        order["attribute"].to_numpy()[1:] != order["attribute"].to_numpy()[:-1]
    )
    for place in changes:
        ax.axhline(place + 0.5, color="#888888", linewidth=0.6, linestyle=":")


@house
def crossed(found: PublishedScores | None) -> Figure:
    """Draw the mean of every intersection of requested gender and age, per scorer."""
    if found is None:
        return _absent()
    fig, axes = figure(1, 3, height=2.5, sharey=True)
    ages, genders = ("young", "adult", "old"), ("male", "female", "non-binary")
    styles = palette(genders)
    for ax, (name, g) in zip(axes, found.crossed.items(), strict=True):
        means = g.by_group.set_index("group")["mean"]
        for gender in genders:
            y = [means[f"gender={gender} & age={age}"] for age in ages]
            look = styles[gender]
            ax.plot(ages, y, **look.lines(marker=look.marker, label=gender))
        ax.axhline(0, color="black", linewidth=0.6)
        ax.set_xlabel(name)
    axes[0].set_ylabel("mean within occupation (SD)")
    axes[0].legend()
    return fig
