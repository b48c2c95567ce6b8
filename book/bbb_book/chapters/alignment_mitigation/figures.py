"""Figures of the chapter on mitigating alignment scores (T5)."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from bbb_book.chapters.alignment_mitigation.misread_groups import misread_gaps
from bbb_book.scorers.models import STRATEGY_COLUMNS, ScoredModels
from bbb_book.style import figure, house, palette
from bbb_core import rng

__all__ = ["gaps_figure", "misread_figure"]


@house
def gaps_figure(models: ScoredModels) -> Figure:
    """Draw the gap of every occupation under every strategy, one panel per caption bias."""
    fig, axes = figure(1, len(models.biases), height=3.4, sharex=True, sharey=True, squeeze=False)
    looks = palette(STRATEGY_COLUMNS)
    jitter = rng.generator(0, "gaps").uniform(-0.25, 0.25, 20)
    for ax, bias in zip(axes[0], models.biases, strict=True):
        for y, column in enumerate(STRATEGY_COLUMNS):
            gaps = np.mean([m.gaps(column) for m in models.of(bias)], axis=0)
            ax.plot(gaps, y + jitter, **looks[column].points(markersize=2.5, alpha=0.6))
            ax.plot([gaps.mean()] * 2, [y - 0.35, y + 0.35], color="black", linewidth=1.6)
        ax.axvline(0, color="black", linewidth=0.6)
        ax.set_xlabel(bias)
    axes[0, 0].set_yticks(range(len(STRATEGY_COLUMNS)), STRATEGY_COLUMNS)
    axes[0, 0].set_ylim(len(STRATEGY_COLUMNS) - 0.4, -0.6)
    fig.supxlabel("gap woman − man (SD within prompt), by caption bias", fontsize=10)
    return fig


@house
def misread_figure(models: ScoredModels) -> Figure:
    """Draw the mean absolute gap of subclass-score against the share of women read as men."""
    fig, ax = figure(height=2.7)
    looks = palette(models.biases)
    shares = np.linspace(0, 0.5, 11)
    for bias in models.biases:
        chosen = models.of(bias)
        y = [np.mean([np.abs(misread_gaps(m, s)).mean() for m in chosen]) for s in shares]
        plain = np.mean([np.abs(m.gaps("plain")).mean() for m in chosen])
        look = looks[bias]
        ax.plot(shares, y, **look.lines(marker=look.marker, label=bias))
        ax.axhline(plain, color=look.colour, linewidth=0.8, linestyle=":")
    ax.set(xlabel="share of women read as men", ylabel="mean |gap| (SD)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(models.biases))
    return fig
