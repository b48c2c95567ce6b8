"""Figures of the chain in a real model: the paths, and what the embedding adds."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from bbb_book.chapters.published_generations.published_audit import ABSENT
from bbb_book.style import COLOURS, figure, house

__all__ = ["beyond", "paths"]

TRAINING, EMBEDDING, EITHER, NEITHER = (
    COLOURS["blue"], COLOURS["vermillion"], COLOURS["purple"], "#bbbbbb"
)  # fmt: skip
BOXES = {
    "training": (1.55, 3.3, "Training pictures\nshare of women (LAION)"),
    "embedding": (1.55, 1.3, "Text embedding\nwhere the prompt lies\nbetween man and woman"),
    "drawn": (8.3, 2.3, "Pictures drawn\nshare of women"),
}


def _absent() -> Figure:
    fig, ax = figure(height=1.0)
    ax.set_axis_off()
    ax.text(0.5, 0.5, ABSENT, ha="center", va="center", transform=ax.transAxes)
    return fig


@house
def paths(found: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw the path diagram of the first encoder and, below, what the share drawn goes with."""
    first = next(iter(found.values()), None)
    if first is None:
        return _absent()
    chain = first["chain"]
    fig, (ax, bar) = figure(2, 1, height=4.1, gridspec_kw={"height_ratios": [3.4, 1]})
    ax.set(xlim=(0, 10), ylim=(0.4, 4.2))
    ax.set_axis_off()
    for key, (x, y, words) in BOXES.items():
        edge = {"training": TRAINING, "embedding": EMBEDDING, "drawn": "black"}[key]
        box = FancyBboxPatch(
            (x - 1.4, y - 0.55), 2.8, 1.1, boxstyle="round,pad=0.08", facecolor="white",
            edgecolor=edge, linewidth=1.8,
        )  # fmt: skip
        ax.add_patch(box)
        ax.text(x, y, words, ha="center", va="center", fontsize=9)
    for key, colour, effect in (
        ("training", TRAINING, "training_sd"), ("embedding", EMBEDDING, "embedding")
    ):  # fmt: skip
        _path(ax, key, colour, chain[effect])
    tie = FancyArrowPatch(
        (0.75, 1.95), (0.75, 2.65), arrowstyle="<->", mutation_scale=12, color=EITHER,
        linewidth=1 + 3 * abs(chain["training_embedding"][0]),
    )  # fmt: skip
    ax.add_patch(tie)
    value = f"go together: r = {chain['training_embedding'][0]:.2f}"
    ax.text(0.98, 2.3, value, va="center", fontsize=9, color=EITHER)
    _bar(bar, chain)
    return fig


def _path(ax: Any, key: str, colour: str, effect: Any) -> None:
    """Draw an arrow to the pictures drawn, as wide as its effect, with the factor on the odds."""
    x, y, _ = BOXES[key]
    to_x, to_y, _ = BOXES["drawn"]
    rise = 0.25 if key == "training" else -0.25
    arrow = FancyArrowPatch(
        (x + 1.5, y), (to_x - 1.5, to_y + rise), arrowstyle="-|>", mutation_scale=18, color=colour,
        linewidth=max(0.8, 3 * abs(effect[0])), shrinkA=0, shrinkB=0,
    )  # fmt: skip
    ax.add_patch(arrow)
    low, high = (exp(end) for end in effect[1:])
    words = (
        f"one SD more: odds of drawing a woman\n\u00d7 {exp(effect[0]):.1f} [{low:.1f}, {high:.1f}]"
    )
    up = 0.42 if key == "training" else -0.42
    ax.text(
        5.3, (y + to_y) / 2 + up + rise, words, ha="center", va="center", fontsize=9, color=colour
    )


def _bar(ax: Any, chain: Mapping[str, Any]) -> None:
    """Draw how the variance of the log-odds drawn is shared out."""
    parts = (
        ("training pictures alone", "only_training", TRAINING),
        ("either: cannot be told apart", "shared", EITHER),
        ("embedding alone", "only_embedding", EMBEDDING),
        ("neither", "neither", NEITHER),
    )
    left = 0.0
    for words, key, colour in parts:
        size = 100 * chain[key][0]
        ax.barh(0, size, left=left, color=colour, edgecolor="white", height=0.8, label=words)
        dark = "black" if key == "neither" else "white"
        if size >= 5:
            ax.text(left + size / 2, 0, f"{size:.0f} %", ha="center", va="center", color=dark)
        else:
            ax.text(left + size / 2, 0.55, f"{size:.0f} %", ha="center", color=colour)
        left += size
    ax.set(xlim=(0, 100), ylim=(-0.5, 1.0), yticks=[], xticks=[])
    ax.set_xlabel("what the share of women drawn goes with (of its variance over occupations)")
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.grid(visible=False)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.45), ncols=2, handlelength=1.0)


@house
def beyond(found: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw shares drawn, and what training leaves of their log-odds, against the position."""
    first = next(iter(found.values()), None)
    if first is None:
        return _absent()
    table, chain = first["occupations"], first["chain"]
    table = table[table["position"].notna()]
    plain = ~(table["few"] | table["gendered"])
    fig, (left, right) = figure(1, 2, height=3.1, sharex=True)
    pair = ((left, "drawn"), (right, "beyond"))
    for ax, name in pair:
        rows = table[plain]
        bars = {"colors": "#bbbbbb", "linewidth": 0.6, "zorder": 1}
        ax.vlines(rows["position"], rows[f"{name}_low"], rows[f"{name}_high"], **bars)
        style = {"linestyle": "none", "markersize": 3.2}
        ax.plot(rows["position"], rows[name], marker="o", color=TRAINING, **style)
        for mask, marker, label in (
            (table["gendered"], "D", "name says a gender"), (table["few"], "s", "few faces")
        ):  # fmt: skip
            if name == "beyond" and label == "few faces":
                continue
            some = table[mask]
            hollow = {"markerfacecolor": "none", "color": EMBEDDING, "label": label}
            ax.plot(some["position"], some[name], marker=marker, **style, **hollow)
    rows = table[plain]
    centre, spread = rows["position"].mean(), first["facts"]["sd"]
    x = np.array([rows["position"].min(), rows["position"].max()])
    slope = chain["embedding"][0] / spread
    right.plot(x, slope * (x - centre), color="black", linewidth=1.4, label="law of inheritance")
    right.axhline(0, color="#888888", linewidth=0.8)
    reach = float(np.abs(rows["beyond"]).max()) * 1.1
    left.set(ylabel="share of women drawn", ylim=(-0.03, 1.03))
    right.set(ylabel="log-odds beyond the training share", ylim=(-reach, reach))
    for ax in (left, right):
        ax.axvline(0.5, color="#888888", linewidth=0.8, linestyle=":")
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=8)
    fig.supxlabel("position of the prompt: to the right, nearer to the woman's", fontsize=10)
    return fig
