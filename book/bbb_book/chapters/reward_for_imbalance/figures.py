"""Figures of the chapter on rewards for imbalance (T4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bbb_book.chapters.reward_for_imbalance.leaderboard import (
    leaderboard,
)
from bbb_book.chapters.reward_for_imbalance.rewards import FAIR, board_of, halves, pooled
from bbb_book.chapters.reward_for_imbalance.trained_rewards import JUDGED, differences, judges
from bbb_book.data import emoji
from bbb_book.scorers.caption_bias import shares_of_men, without_share
from bbb_book.scorers.models import ScoredModels
from bbb_book.style import figure, house, palette

__all__ = ["agreement_figure", "curve", "prices_figure", "rewards_figure"]


@house
def rewards_figure(models: ScoredModels) -> Figure:
    """Draw the reward per occupation under each caption bias, where captions have a share."""
    fig, ax = figure(height=3.6)
    looks = palette(models.biases)
    order = None
    for bias in models.biases:
        values = np.mean([board_of(m).rewards for m in models.of(bias)], axis=0)
        order = np.argsort(values) if bias == models.biases[-1] else order
    assert order is not None
    for bias in models.biases:
        values = np.mean([board_of(m).rewards for m in models.of(bias)], axis=0)
        known = ~without_share(bias)[order]
        ax.plot(values[order][known], np.flatnonzero(known), **looks[bias].points(label=bias))
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(order)), [emoji.OCCUPATIONS[i] for i in order])
    ax.set_xlabel("reward of the skewed generator (SD within prompt)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(models.biases))
    return fig


@house
def prices_figure(models: ScoredModels) -> Figure:
    """Draw measured against predicted price of fairness, one mark per scorer and occupation."""
    fig, ax = figure(height=3.0, width=4.2)
    looks = palette(models.biases)
    for bias in models.biases:
        pairs = [halves(m) for m in models.of(bias)]
        x, y = (np.concatenate([p[i] for p in pairs]) for i in (0, 1))
        ax.plot(x, y, **looks[bias].points(label=bias, markersize=3))
    edge = ax.get_xlim()[1]
    ax.plot([0, edge], [0, edge], color="#888888", linewidth=1.0)
    ax.set(xlabel="predicted price (SD)", ylabel="measured price (SD)")
    ax.legend()
    return fig


@house
def curve(models: ScoredModels) -> Figure:
    """Draw the chance that the unfair generator leads against the number of images."""
    fig, ax = figure(height=2.7)
    looks = palette(models.biases)
    n = np.geomspace(5, 20_000, 60)
    for bias in models.biases:
        pool, shares = pooled(models.of(bias))
        board = leaderboard(pool, fair=FAIR, unfair=shares)
        ax.plot(n, [board.probability(k) for k in n], **looks[bias].lines(label=bias))
    ax.axhline(0.5, color="#888888", linewidth=0.8)
    ax.axhline(0.95, color="#888888", linewidth=0.8, linestyle=":")
    ax.set(xscale="log", xlabel="images per generator", ylabel="chance to lead")
    ax.set_ylim(0, 1.02)
    ax.legend()
    return fig


@house
def agreement_figure(made: Mapping[str, Any], models: ScoredModels) -> Figure:
    """Draw measured against predicted differences of score, a mark per occupation and scorer."""
    fig, axes = figure(1, len(JUDGED), height=2.9, sharey=True)
    skewed = [j for j in judges(models) if (shares_of_men(j.bias) != 0.5).any()]
    pairs = differences(made, models)
    biases: Sequence[str] = list(dict.fromkeys(judge.bias for judge in skewed))
    looks = palette(biases)
    for i, judge in enumerate(skewed):
        for source, axis in enumerate(axes):
            known = judge.bias in axis.get_legend_handles_labels()[1]
            name = None if known else judge.bias
            points = looks[judge.bias].points(markersize=4, alpha=0.8, label=name)
            axis.plot(*pairs[len(JUDGED) * i + source], **points)
    for name, axis in zip(JUDGED, axes, strict=True):
        axis.axline((0, 0), slope=1, color="0.6", linewidth=1)
        axis.set_xlabel(f"predicted (SD): {name}")
    axes[0].set_ylabel("measured (SD)")
    axes[0].legend(title="captions of the scorer", fontsize=8, title_fontsize=8)
    return fig
