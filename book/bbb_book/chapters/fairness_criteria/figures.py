"""Figures of the chapter on fairness criteria."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bbb_book.chapters.fairness_criteria.finite_generator import FiniteGenerator
from bbb_book.style import figure, house, palette

__all__ = ["coverage", "laws", "lemma"]


@house
def laws(generator: FiniteGenerator) -> Figure:
    """Draw the probabilities of the pictures under the neutral and the group prompts."""
    prompts = {"neutral prompt": generator.neutral}
    prompts |= {f"prompt names {group}": law for group, law in generator.groups.items()}
    looks = palette(prompts)
    made, axes = figure(height=2.6)
    width, places = 0.8 / len(prompts), np.arange(len(generator.pictures))
    for i, (name, law) in enumerate(prompts.items()):
        at = places + (i - (len(prompts) - 1) / 2) * width
        axes.bar(at, law, width, label=name, **looks[name].bars())
    labels = [
        f"{picture}\n({reading})"
        for picture, reading in zip(generator.pictures, generator.readings, strict=True)
    ]
    axes.set_xticks(places, labels)
    axes.set(xlabel="picture (what the classifier calls it)", ylabel="probability")
    axes.grid(axis="x", visible=False)
    axes.legend()
    return made


@house
def lemma(trial: pd.DataFrame) -> Figure:
    """Draw the difference of internal and read share, in units of delta, against the weight."""
    looks = palette(["upper bound", "lower bound", "generator"])
    made, axes = figure(height=3.0)
    w = np.array([0.0, 1.0])
    axes.plot(
        trial["weight"],
        trial["above"],
        label="one random generator",
        **looks["generator"].points(markersize=2, alpha=0.5, rasterized=True),
    )
    axes.plot(w, [1, 1], label="at most 1", **looks["upper bound"].lines())
    axes.plot(w, -(1 - w), label=r"at least $-(1-w_a)$", **looks["lower bound"].lines())
    axes.set(xlabel=r"weight $w_a$ of the group", ylabel=r"$(v_a - D_p(S_a))\,/\,\delta$")
    axes.set_ylim(-1.15, 1.5)
    axes.legend(ncols=3, loc="upper center")
    return made


@house
def coverage(samples: pd.DataFrame, curves: pd.DataFrame, confidence: float) -> Figure:
    """Draw the floor of the imbalance against n, and the exact coverage of its interval."""
    made, (left, right) = figure(1, 2, height=2.8)
    looks = palette(["mean", "95 % quantile", "half width of the interval"])
    for name, column in zip(looks, ("floor", "high", "half_width"), strict=True):
        look = looks[name].lines(marker=looks[name].marker)
        left.plot(samples["n"], samples[column], label=name, **look)
    left.set(xscale="log", xlabel="images n", ylabel="imbalance")
    left.legend(loc="upper right")
    left.set_ylim(0, 0.65)
    for name, look in palette(curves.columns).items():
        right.plot(curves.index, curves[name], label=name, **look.lines(linewidth=1))
    right.axhline(confidence, color="black", linewidth=0.8)
    right.set(xlabel="true share of group a", ylabel="probability of covering", ylim=(0.9, 1.005))
    right.legend(loc="lower right")
    return made
