"""Figures of the chapter on real models' published generations."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from bbb_book.chapters.published_generations.count_audit import GenerationAudit
from bbb_book.chapters.published_generations.expected_estimates import expected_estimates
from bbb_book.chapters.published_generations.published_audit import ABSENT
from bbb_book.style import figure, house, palette
from bbb_core.balance.shares import sampling_floor

__all__ = [
    "amplification",
    "bracket",
    "intervention",
    "shares",
    "small_samples",
]

LOOKS = palette(["generated", "edited", "training"])


def _needs_data(draw: Callable[[GenerationAudit], Figure]) -> Callable[..., Figure]:
    """Draw a plain statement instead of the figure when there is no audit."""

    @functools.wraps(draw)
    def drawn(found: GenerationAudit | None) -> Figure:
        if found is not None:
            return draw(found)
        fig, ax = figure(height=1.0)
        ax.set_axis_off()
        ax.text(0.5, 0.5, ABSENT, ha="center", va="center", transform=ax.transAxes)
        return fig

    return drawn


@house
def bracket(sizes: list[int]) -> Figure:
    """Draw the exact expectation of both estimates against the true imbalance."""
    fig, axes = figure(1, len(sizes), height=2.6, sharey=True, squeeze=False)
    share = np.linspace(0.5, 0.75, 126)
    looks = palette(["plug-in", "split-half"])
    for ax, n in zip(axes[0], sizes, strict=True):
        values = expected_estimates(n, share)
        ax.plot(share - 0.5, share - 0.5, color="#888888", linewidth=1.0, label="truth")
        for (name, look), value in zip(looks.items(), values, strict=True):
            ax.plot(share - 0.5, value, **look.lines(label=name))
        ax.axhline(sampling_floor(n), color="#888888", linestyle=":", linewidth=1.0)
        ax.set_xlabel(f"true imbalance, n = {n}")
    axes[0, 0].set_ylabel("expected estimate")
    axes[0, 0].legend(loc="upper left")
    return fig


@_needs_data
@house
def shares(found: GenerationAudit) -> Figure:
    """Draw the share read as the second group for every prompt, in three panels."""
    fig, axes = figure(1, 3, height=3.0, sharey=True)
    for ax, key in zip(axes, ("training", "generated", "edited"), strict=True):
        table = found.shares[key].sort_values("share")
        share, ends = table["share"], (table["low"], table["high"])
        place = np.arange(len(share))
        floor = found.balance[key]["floor"].median()
        ax.axhspan(0.5 - floor, 0.5 + floor, color="#cccccc", alpha=0.7, linewidth=0)
        ax.vlines(place, *ends, color=LOOKS[key].colour, alpha=0.35, linewidth=0.9)
        ax.plot(place, share, **LOOKS[key].points(markersize=2.5))
        ax.set_xlabel(key)
        ax.set_xticks([])
        ax.set_ylim(-0.02, 1.02)
    axes[0].set_ylabel(f"share read as {found.groups[1]}")
    return fig


@_needs_data
@house
def amplification(found: GenerationAudit) -> Figure:
    """Draw generated against training log-odds with the copying line and the fitted slope."""
    fig, (left, right) = figure(1, 2, height=3.1)
    x, y = (found.shares[key]["log_odds"].to_numpy() for key in ("training", "generated"))
    flagged = found.shares["training"].index.isin(found.flagged)
    edge = float(np.abs(np.concatenate([x, y])).max()) * 1.05
    left.plot([-edge, edge], [-edge, edge], color="#888888", linewidth=1.0, label="copying")
    left.plot(x[~flagged], y[~flagged], **LOOKS["generated"].points(markersize=3))
    hollow = LOOKS["edited"].points(markersize=5, markerfacecolor="none", label="flagged")
    left.plot(x[flagged], y[flagged], **hollow)
    left.set(xlabel="training log-odds", ylabel="generated log-odds")
    left.legend(loc="upper left")
    table = found.changes["amplification"].drop(index=list(found.flagged)).sort_values("change")
    place = np.arange(len(table))
    colours = {"further": "#D55E00", "closer": "#0072B2", "not resolved": "#999999"}
    markers = {"further": "^", "closer": "v", "not resolved": "o"}
    for verdict, colour in colours.items():
        rows = (table["verdict"] == verdict).to_numpy()
        right.vlines(place[rows], table["low"][rows], table["high"][rows], color=colour, alpha=0.35)
        style = {"linestyle": "none", "markersize": 3, "color": colour}
        right.plot(
            place[rows], table["change"][rows], marker=markers[verdict], label=verdict, **style
        )
    right.axhline(0, color="black", linewidth=0.8)
    right.set(xlabel="occupations in order", ylabel="change of imbalance")
    right.set_xticks([])
    right.legend(loc="upper left")
    return fig


@_needs_data
@house
def intervention(found: GenerationAudit) -> Figure:
    """Draw the share of every prompt before and after the intervention, and both imbalances."""
    fig, (left, right) = figure(1, 2, height=3.1)
    before, after = (found.shares[key]["share"] for key in ("generated", "edited"))
    left.plot([0, 1], [0, 1], color="#888888", linewidth=1.0, label="no change")
    left.axhline(0.5, color="black", linewidth=0.8, linestyle=":", label="balance")
    left.plot(before, after, **LOOKS["edited"].points(markersize=3))
    left.set(
        xlabel=f"share read as {found.groups[1]}, before",
        ylabel="the same share, after",
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
    )
    left.legend(loc="upper left")
    for key in ("training", "generated", "edited"):
        values = np.sort(found.balance[key]["imbalance"])
        steps = np.arange(1, len(values) + 1) / len(values)
        right.step(values, steps, where="post", **LOOKS[key].lines(label=key))
    right.axvline(
        found.means["generated"].floor, color="#888888", linestyle=":", label="sampling floor"
    )
    right.set(xlabel="imbalance", ylabel="share of occupations below", xlim=(0, 0.5))
    right.legend(loc="lower right")
    return fig


@_needs_data
@house
def small_samples(found: GenerationAudit) -> Figure:
    """Draw the imbalance of training images against their number, with the sampling floor."""
    fig, ax = figure(height=2.8)
    table = found.balance["training"]
    flagged = table.index.isin(found.flagged)
    look = LOOKS["training"].points(label="one occupation")
    ax.plot(table["n"][~flagged], table["imbalance"][~flagged], **look)
    rows = table[flagged]
    errors = np.stack([rows["imbalance"] - rows["low"], rows["high"] - rows["imbalance"]]).clip(0)
    look = LOOKS["edited"].points(markerfacecolor="none", markersize=6, label="flagged")
    ax.errorbar(rows["n"], rows["imbalance"], yerr=errors, elinewidth=0.9, **look)
    n = np.unique(np.logspace(0, np.log10(table["n"].max()), 200).round())
    ax.plot(n, sampling_floor(n), color="black", linewidth=1.2, label="sampling floor")
    ax.set(xscale="log", xlabel="training images with a reading", ylabel="imbalance")
    ax.set_ylim(0, 0.52)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return fig
