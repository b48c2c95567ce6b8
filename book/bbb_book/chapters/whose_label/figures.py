"""Figures of the chapter on unknown labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bbb_book.chapters.whose_label.audit_tables import error_levels
from bbb_book.chapters.whose_label.people_audits import METHODS
from bbb_book.chapters.whose_label.refusals import REMEDIES
from bbb_book.chapters.whose_label.simulated_audits import APPROACHES
from bbb_book.chapters.whose_label.world import POOLS, WITNESSES, label_pools
from bbb_book.data.emoji import OCCUPATIONS
from bbb_book.results.rules import NOT_MEASURED
from bbb_book.style import COLOURS, figure, house, palette
from bbb_core.stats import binomial_interval

__all__ = [
    "estimates",
    "montage",
    "neither_group",
    "occupations",
    "people",
    "refusals",
    "verdict_bars",
]

_SHOWN = (0, 17, 37, 46)  # drawings of a pool: four occupations, three tones
_NAMES = {"woman": "women", "man": "men", "person": "neither"}
_SAID = {"right": COLOURS["blue"], "open": "#d9d9d9", "wrong": COLOURS["vermillion"]}


@house
def montage(noises: Sequence[float], *, size: int, seed: int) -> Figure:
    """Draw the same people at every noise level: one row per pool, one column per level."""
    made, axes = figure(3, len(noises), height=3.0, squeeze=False)
    for j, noise in enumerate(noises):
        pools = label_pools(size=size, copies=1, noise=noise, seed=seed)
        for i, name in enumerate(POOLS):
            four = pools.images[i][list(_SHOWN)].permute(0, 2, 3, 1).numpy()
            tile = np.concatenate([np.concatenate(four[k : k + 2], axis=1) for k in (0, 2)])
            axis = axes[i, j]
            axis.imshow(tile, interpolation="nearest", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
            for spine in axis.spines.values():
                spine.set_visible(False)
            if i == len(POOLS) - 1:
                axis.set_xlabel(f"noise {noise:g}")
            if j == 0:
                axis.set_ylabel(_NAMES[name])
    return made


@house
def estimates(table: pd.DataFrame, rates: Any, *, share: float, n: int) -> Figure:
    """Draw the mean interval of every approach at every level, for one planted share and size."""
    names = error_levels(rates)
    made, axes = figure(height=3.2)
    axes.axhline(share, color="black", linewidth=1.0, label="planted")
    for k, (name, look) in enumerate(palette(APPROACHES).items()):
        rows = table[(table["road"] == name) & (table["share"] == share) & (table["n"] == n)]
        at = rows["level"].to_numpy() + 0.17 * (k - 1.5)
        axes.vlines(at, rows["low"], rows["high"], color=look.colour, linewidth=2.2)
        middle = (
            (rows["low"] + rows["high"]) / 2 if name == "bounds" else share + rows["error"]
        ).to_numpy()
        if name == "bounds":  # no point is claimed: the ends are marked instead
            for end in ("low", "high"):
                axes.plot(at, rows[end], **look.points(marker="_", markersize=8))
            axes.plot([], [], color=look.colour, marker="_", label=name, linewidth=2.2)
        else:
            axes.plot(at, middle, label=name, **look.points())
    axes.set_xticks(range(len(names)), names)
    axes.set(xlabel="mean error of the classifier", ylabel="share of women", ylim=(0, 1.02))
    axes.grid(axis="x", visible=False)
    made.legend(ncols=5, loc="outside upper center", fontsize=9, frameon=False)
    return made


@house
def verdict_bars(table: pd.DataFrame, rates: Any, *, sizes: Sequence[int]) -> Figure:
    """Draw how often each approach's verdict is right, open or wrong, mean over planted shares."""
    names = error_levels(rates)
    made, axes = figure(
        len(sizes), len(APPROACHES), height=1.5 * len(sizes) + 0.9, sharex=True, sharey=True,
        squeeze=False,
    )  # fmt: skip
    for i, n in enumerate(sizes):
        for k, road in enumerate(APPROACHES):
            rows = table[(table["road"] == road) & (table["n"] == n)]
            sums = rows.groupby("level")[[*_SAID, "audits"]].sum()
            base = np.zeros(len(sums))
            for said, colour in _SAID.items():
                part = (sums[said] / sums["audits"]).to_numpy()
                hatch = {"right": "", "open": "", "wrong": "///"}[said]
                axes[i, k].bar(sums.index, part, 0.85, bottom=base, color=colour, hatch=hatch,
                               edgecolor="white", linewidth=0.4, label=said)  # fmt: skip
                base = base + part
            axes[i, k].set_xticks(range(len(names)), [x.replace(" %", "") for x in names])
            axes[i, k].grid(visible=False)
            if i == 0:
                axes[i, k].set_title(road)
        axes[i, 0].set_ylabel(f"n = {n}")
    made.supxlabel("mean error of the classifier, per cent", fontsize=10)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    made.legend(handles, labels, ncols=3, loc="outside upper center", fontsize=9, frameon=False)
    return made


@house
def occupations(table: pd.DataFrame, *, share: float, confidence: float) -> Figure:
    """Draw where the pooled correction ends up per occupation, and coverage by method."""
    order = table["limit"].to_numpy().argsort()
    rows, place = table.iloc[order], np.arange(len(table))
    made, (left, right) = figure(1, 2, height=4.2, sharey=True)
    left.axvline(share, color="black", linewidth=1.0)
    left.hlines(place, share, rows["limit"], color="#bbbbbb", linewidth=1.2)
    left.plot(rows["limit"], place, **palette(["one"])["one"].points())
    left.set_yticks(place, [OCCUPATIONS[i] for i in order])
    left.set(xlabel="corrected share, endless images", xlim=(0, 1))
    looks = palette(["pooled", "drift", "own"])
    words = {
        "pooled": "rates of all occupations",
        "drift": "the same, drift allowed",
        "own": "rates of its own",
    }
    for method, look in looks.items():
        covered = rows[f"{method} covered"] / rows["audits"]
        at = place + {"pooled": 0.0, "drift": 0.2, "own": -0.2}[method]
        right.plot(covered, at, label=words[method], **look.points(markersize=4))
    right.axvline(confidence, color="black", linewidth=1.0)
    right.set(xlabel="coverage", xlim=(-0.03, 1.03))
    made.legend(loc="outside upper right", ncols=3, fontsize=9, frameon=False)
    return made


@house
def refusals(curve: pd.DataFrame, table: pd.DataFrame, *, share: float) -> Figure:
    """Draw whom a reader refuses, and the mean interval of each remedy."""
    made, (left, right) = figure(1, 2, height=3.4)
    names = {"women": "women answered", "men": "men answered", "accuracy": "right, if answered",
             "share": "women, if answered"}  # fmt: skip
    for (column, label), look in zip(names.items(), palette(names).values(), strict=True):
        left.plot(curve["refused"], curve[column], label=label, **look.lines())
    left.set(xlabel="share of images refused", ylabel="share", ylim=(0, 1.03))
    tight: dict[str, Any] = {"columnspacing": 1.0, "handletextpad": 0.5}
    left.legend(ncols=2, loc="lower right", bbox_to_anchor=(1.03, 1.0), **tight)
    right.axhline(share, color="black", linewidth=1.0)
    levels = sorted(table["refused"].unique())
    for k, (remedy, look) in enumerate(palette(REMEDIES).items()):
        rows = table[table["remedy"] == remedy]
        at = np.arange(len(levels)) + 0.18 * (k - 1.5)
        right.vlines(at, rows["low"], rows["high"], color=look.colour, linewidth=2.0)
        middle = (rows["low"] + rows["high"]) / 2
        right.plot(at, middle, label=remedy, **look.points(markersize=4))
    right.set_xticks(range(len(levels)), [f"{x:g}" for x in levels])
    right.set(xlabel="share of images refused", ylabel="share of women", ylim=(0, 1.03))
    right.grid(axis="x", visible=False)
    right.legend(ncols=2, loc="lower right", bbox_to_anchor=(1.03, 1.0), **tight)
    return made


@house
def neither_group(
    limits: pd.DataFrame, noticed: Any, shares: Sequence[float], *, repeats: int, confidence: float
) -> Figure:
    """Draw what is reported when some are of neither group, and how often it is noticed."""
    made, (left, right) = figure(1, 2, height=2.9)
    left.axhline(0.5, color="black", linewidth=1.0)
    names = [x for x in APPROACHES if x != "bounds"]
    for name, look in palette(APPROACHES).items():
        if name in names:
            left.plot(limits["outside"], limits[name], label=name, **look.lines())
    left.set(xlabel="share of neither group", ylabel="reported share of women", ylim=(0, 0.75))
    left.legend(loc="lower left")
    counts = np.asarray(noticed)[: len(shares)]
    for k, (name, look) in enumerate(palette(WITNESSES).items()):
        low, high = binomial_interval(counts[:, k], repeats, confidence=confidence)
        rate = counts[:, k] / repeats
        at = np.asarray(shares) + 0.006 * (k - 1)
        right.errorbar(at, rate, [rate - low, high - rate], label=name,
                       **look.lines(marker=look.marker, capsize=2))  # fmt: skip
    right.axhline(1 - confidence, color="black", linewidth=0.8)
    right.set(xlabel="share of neither group", ylabel="rate of 'no mixture'", ylim=(-0.03, 1.03))
    right.legend(loc="upper left")
    return made


@house
def people(table: pd.DataFrame | None) -> Figure:
    """Draw, per model, what is read of a planted share by people who err as real ones did."""
    if table is None:
        made, axes = figure(height=1.2)
        axes.set_axis_off()
        axes.text(0.5, 0.5, NOT_MEASURED, ha="center", va="center")
        return made
    models = list(dict.fromkeys(table["model"]))
    made, axes = figure(1, len(models), height=3.0, sharey=True, squeeze=False)
    shares = sorted(table["share"].unique())
    for axis, model in zip(axes[0], models, strict=True):
        axis.axhline(0, color="black", linewidth=1.0, label="as planted")
        for k, (method, look) in enumerate(palette(METHODS).items()):
            rows = table[(table["model"] == model) & (table["method"] == method)]
            at = np.array([shares.index(x) for x in rows["share"]]) + 0.25 * (k - 1)
            off = rows["mean"] - rows["share"]
            ends = [rows["mean"] - rows["low"], rows["high"] - rows["mean"]]
            axis.errorbar(at, off, np.maximum(ends, 0), label=method, **look.points())
        axis.set_xticks(range(len(shares)), [f"{x:g}" for x in shares])
        axis.set(xlabel=f"planted; read as\n{model}'s pictures")
        axis.grid(axis="x", visible=False)
    axes[0, 0].set_ylabel("found minus planted\nshare of women")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    made.legend(handles, labels, ncols=4, loc="outside upper center", fontsize=9, frameon=False)
    return made
