"""Figures of the chapter on alignment auditing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bbb_book.chapters.alignment_auditing.audit_promises import TESTS, share
from bbb_book.chapters.alignment_auditing.scorer_bias import mean_gaps
from bbb_book.data import emoji
from bbb_book.scorers.caption_bias import GROUPS, shares_of_men, without_share
from bbb_book.scorers.design import LEVELS
from bbb_book.scorers.models import ScoredModels
from bbb_book.style import figure, house, palette
from bbb_core import rng
from bbb_core.alignment import Audit

__all__ = ["blends", "both_spaces", "estimators", "floors", "group_bars", "level_curves", "levels"]


@house
def estimators(found: dict[tuple[int, float], Any]) -> Figure:
    """Draw mean plug-in and corrected errors against the sample size, fair and planted."""
    biases = sorted({bias for _, bias in found})
    sizes = sorted({n for n, _ in found})
    fig, axes = figure(1, len(biases), height=2.7, sharey=True)
    looks = palette(["plug-in", "corrected"])
    for ax, bias in zip(axes, biases, strict=True):
        tables = [found[n, bias] for n in sizes]
        ax.axhline(bias / 2, color="#666666", linewidth=1.0, linestyle=":", label="truth")
        for name, column in (("plug-in", "mc_plug_in"), ("corrected", "mc")):
            mean = [t[column].mean() for t in tables]
            bar = [1.96 * t[column].std() / np.sqrt(len(t)) for t in tables]
            look = looks[name]
            ax.errorbar(sizes, mean, bar, **look.lines(marker=look.marker, label=name))
        ax.set(xscale="log", xlabel=f"images, planted bias {bias:g}")
        ax.set_xticks(sizes, [f"{n}" for n in sizes])
        ax.minorticks_off()
    axes[0].set_ylabel("multicalibration error")
    axes[0].legend()
    return fig


@house
def levels(designs: dict[str, pd.DataFrame]) -> Figure:
    """Draw how often each test rejects fair scores on unkind data, with exact intervals."""
    fig, ax = figure(height=0.22 * len(designs) + 0.9)
    looks = palette(TESTS.values())
    for column, offset in zip(TESTS, (-0.15, 0.15, 0.0), strict=True):
        look, label = looks[TESTS[column]], TESTS[column]
        for y, table in enumerate(designs.values()):
            if column in table:
                e = share(table[column].to_numpy() < 0.05)
                ax.hlines(y + offset, e["low"], e["high"], color=look.colour, linewidth=1.2)
                ax.plot(e["value"], y + offset, **look.points(label=label))
                label = ""
    ax.axvline(0.05, color="black", linewidth=0.8)
    ax.set_yticks(range(len(designs)), list(designs))
    ax.set_ylim(len(designs) - 0.4, -0.6)
    ax.set_xlabel("share of fair samples rejected at level 0.05")
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3)
    return fig


@house
def blends(prompt: str = "judge", other: str = "cook") -> Figure:
    """Draw one row of pictures of known fit to a prompt, for a woman and a man."""
    people = emoji.load_emoji_people(
        size=72, groups=GROUPS, tones=("medium",), occupations=(prompt, other)
    )
    images = {
        label[:2]: people.images[i].permute(1, 2, 0).numpy()
        for i, label in enumerate(people.labels)
    }
    fig, axes = figure(2, len(LEVELS), height=2.5)
    for row, group in zip(axes, GROUPS, strict=True):
        for ax, fit in zip(row, LEVELS, strict=True):
            ax.imshow(fit * images[prompt, group] + (1 - fit) * images[other, group])
            ax.set_axis_off()
            if group == GROUPS[0]:
                ax.set_title(f"fit {fit:g}")
    return fig


@house
def group_bars(audits: dict[str, Audit]) -> Figure:
    """Draw each group's mean error with simultaneous intervals, one mark per caption bias."""
    first = next(iter(audits.values())).by_group
    names = list(first["group"])
    fig, ax = figure(height=0.21 * len(names) + 0.9)
    looks = palette(audits)
    offsets = np.linspace(-0.2, 0.2, len(audits))
    for offset, (name, found) in zip(offsets, audits.items(), strict=True):
        t = found.by_group.set_index("group").loc[names]
        y = np.arange(len(names)) + offset
        ax.hlines(y, t["bias_low"], t["bias_high"], color=looks[name].colour, linewidth=1.2)
        ax.plot(t["bias"], y, **looks[name].points(label=name))
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(names)), [n.replace("gender=", "").replace("tone=", "") for n in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlabel("mean of true fit minus score (right of 0: underrated)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(audits))
    return fig


@house
def level_curves(audits: dict[str, Audit]) -> Figure:
    """Draw true fit against score within level sets, for both genders."""
    fig, axes = figure(1, len(audits), height=2.8, sharey=True, squeeze=False)
    looks = palette(GROUPS)
    for ax, (name, found) in zip(axes[0], audits.items(), strict=True):
        ax.plot([0, 1], [0, 1], color="#888888", linewidth=1.0, label="calibrated")
        for group in GROUPS:
            t = found.by_cell[found.by_cell["group"] == f"gender={group}"]
            look = looks[group]
            share = t["n"] / found.n
            ax.errorbar(
                t["mean_score"], t["mean_truth"], 1.96 * t["standard_error"] / share,
                **look.lines(marker=look.marker, label=group),
            )  # fmt: skip
        ax.set_xlabel(f"mean score in level set, {name}")
    axes[0, 0].set_ylabel("mean true fit")
    axes[0, 0].legend()
    return fig


@house
def both_spaces(models: ScoredModels) -> Figure:
    """Draw text gap and image gap per occupation against the planted share of men, where one is."""
    models = models.by(models.encoders[0])  # cosines of two spaces share no axis
    fig, axes = figure(1, 2, height=2.9)
    looks = palette(models.biases)
    for bias in models.biases:
        men, known = shares_of_men(bias), ~without_share(bias)
        jitter = rng.generator(0, "jitter").uniform(-0.01, 0.01, len(men))
        for ax, gap in zip(axes, mean_gaps(models, bias), strict=True):
            ax.plot(
                (men + jitter)[known], gap[known], **looks[bias].points(label=bias, markersize=3.5)
            )
    for ax, name in zip(axes, ("text gap (cosine)", "image gap (SD)"), strict=True):
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set(xlabel="share of men, neutral captions", ylabel=f"{name}, woman − man")
    axes[0].legend()
    return fig


@house
def floors(table: pd.DataFrame) -> Figure:
    """Draw the label-free bound against the measured error, for every model and strategy."""
    fig, ax = figure(height=3.0, width=4.2)
    edge = float(table["error"].max()) * 1.05
    ax.plot([0, edge], [0, edge], color="#888888", linewidth=1.0, label="bound = error")
    looks = palette(table["groups"].unique())
    for groups, part in table.groupby("groups", sort=False):
        ax.plot(part["error"], part["bound"], **looks[groups].points(label=groups, markersize=3.5))
    ax.set(xlabel="multiaccuracy error, truth known", ylabel="label-free bound, truth unknown")
    ax.legend()
    return fig
