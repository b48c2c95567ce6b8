"""Figures of the chapter on gender, skin tone and occupation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bbb_book.chapters.intersections.audits import FAMILIES, STAGES
from bbb_book.chapters.intersections.cell_law import LAWS, pooled
from bbb_book.chapters.intersections.cycle_balance import MODELS, ORDER, bounds
from bbb_book.data.emoji import TONES
from bbb_book.generators.studies import GROUPS
from bbb_book.generators.symmetric_figures import turn_distance
from bbb_book.style import figure, house, palette, picture_grid

__all__ = [
    "LOOKS",
    "cell_law",
    "cells",
    "cycle_pictures",
    "cycle_shares",
    "occupations",
    "repairs",
    "reversals",
]

LOOKS = palette(GROUPS)


@house
def cells(found: pd.DataFrame, *, fraction: float) -> Figure:
    """Draw the share of every cell with its simultaneous interval, a panel per generator."""
    names = list(dict.fromkeys(found["prompt"]))
    fig, panels = figure(1, len(names), height=3.4, sharey=True, sharex=True, squeeze=False)
    y = np.arange(len(TONES))
    fair = 1 / (len(GROUPS) * len(TONES))
    for axes, name in zip(panels[0], names, strict=True):
        axes.axvline(fair, color="black", linewidth=0.8)
        axes.axvspan(0, fraction * fair, color="#999999", alpha=0.35, linewidth=0)
        for group, shift in zip(GROUPS, (-0.16, 0.16), strict=True):
            own = found[(found["prompt"] == name) & (found["row"] == group)]
            at, look = y + shift, LOOKS[group]
            axes.hlines(at, own["low"], own["high"], color=look.colour, linewidth=1.4)
            axes.plot(own["share"], at, label=group, **look.points())
        axes.set_xlabel(name.replace(" ", "\n"), fontsize=9)
        axes.tick_params(axis="x", labelsize=8)
    panels[0][0].set_xlim(0, 1.05 * float(found["high"].max()))
    panels[0][0].set_yticks(y, ["default\n(yellow)", *TONES[1:]])
    panels[0][0].invert_yaxis()
    panels[0][0].set_ylabel("tone of the drawing")
    handles, labels = panels[0][0].get_legend_handles_labels()
    fig.legend(handles, [f"read as {g}" for g in labels], loc="outside upper right", ncols=2)
    return fig


@house
def cell_law(generators: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw foretold and drawn shares of four cells: a row per generator, a column per prompt."""
    tables = {name: pooled(made) for name, made in generators.items()}
    prompts = list(dict.fromkeys(next(iter(tables.values()))["prompt"]))
    fig, panels = figure(
        len(tables), len(prompts), height=0.9 + 1.35 * len(tables), sharex=True, sharey=True,
        squeeze=False,
    )  # fmt: skip
    names = ("drawn", *LAWS[:2])
    for row, (name, table) in zip(panels, tables.items(), strict=True):
        for axes, prompt in zip(row, prompts, strict=True):
            own = table[table["prompt"] == prompt]
            y = np.arange(len(own))
            axes.axvline(1 / len(own), color="black", linewidth=0.8)
            for i, (column, look) in enumerate(palette(names).items()):
                fill = "full" if column == "drawn" else "none"
                at = y + 0.2 * (i - 1)
                axes.plot(own[column], at, label=column, **look.points(fillstyle=fill))
            axes.set(xlim=(-0.05, 1.05), xticks=[0, 0.5, 1])
            axes.tick_params(axis="x", labelsize=8)
        row[0].set_yticks(y, list(own["cell"]), fontsize=8)
        row[0].set_ylabel(name)
    for axes, prompt in zip(panels[-1], prompts, strict=True):
        axes.set_xlabel(f"names {prompt}", fontsize=9)
    panels[0][0].invert_yaxis()
    fig.legend(*panels[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return fig


@house
def occupations(table: pd.DataFrame) -> Figure:
    """Draw imbalance of margins, of their product and of the joint law for each occupation."""
    order = table.sort_values("joint")
    y = np.arange(len(order))
    fig, (axes, right) = figure(
        1, 2, height=4.4, sharey=True, gridspec_kw={"width_ratios": [1.5, 1]}
    )
    looks = palette(["gender", "tone", "product", "joint"])
    axes.hlines(y, order["product"], order["joint"], color="#888888", linewidth=1)
    names = {"product": "joint, if independent", "joint": "joint"}
    for name, look in looks.items():
        axes.plot(order[name], y, label=names.get(name, name), **look.points(markersize=4.5))
    axes.set_yticks(y, order.index, fontsize=8)
    axes.set(xlabel="imbalance", xlim=(-0.02, None))
    right.axvline(0, color="black", linewidth=0.8)
    strong = order["adjusted"] <= 0.05
    right.plot(order["excess"][~strong], y[~strong], **looks["joint"].points(fillstyle="none"))
    right.plot(order["excess"][strong], y[strong], **looks["joint"].points())
    right.set_xlabel("hidden imbalance\nbeyond chance")
    width = max(0.05, 1.15 * float(order["excess"].abs().max()))
    right.set_xlim(-width, width)
    fig.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return fig


@house
def reversals(table: pd.DataFrame) -> Figure:
    """Draw pooled against within-occupation differences; a reversal lies in a grey quarter."""
    fig, axes = figure(height=3.6, width=4.6)
    top = 1.1 * max(0.02, float(table[["pooled", "within"]].abs().to_numpy().max()))
    for x, y in ((-1, 1), (1, -1)):
        axes.fill_between([0, x * top], 0, y * top, color="#999999", alpha=0.25, linewidth=0)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.axvline(0, color="black", linewidth=0.8)
    for name, look in palette(dict.fromkeys(table["generator"])).items():
        own = table[table["generator"] == name]
        axes.plot(own["within"], own["pooled"], label=name, **look.points(fillstyle="none"))
    found = table[table["reversal"]]
    axes.plot(found["within"], found["pooled"], "o", color="black", markersize=9, fillstyle="none")
    axes.set(xlim=(-top, top), ylim=(-top, top))
    axes.set(xlabel="within occupations", ylabel="pooled over occupations")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return fig


@house
def repairs(table: pd.DataFrame) -> Figure:
    """Draw the worst error per family before and after both repairs, a panel per caption bias."""
    biases = list(dict.fromkeys(table["bias"]))
    fig, panels = figure(1, len(biases), height=3.0, sharey=True, sharex=True, squeeze=False)
    looks = palette(STAGES)
    y = np.arange(len(FAMILIES))
    for axes, bias in zip(panels[0], biases, strict=True):
        for i, (stage, look) in enumerate(looks.items()):
            own = table[(table["bias"] == bias) & (table["stage"] == stage)]
            at = y + 0.22 * (i - 1)
            seeds = [own[own["family"] == family]["error"].to_numpy() for family in FAMILIES]
            axes.hlines(at, [s.min() for s in seeds], [s.max() for s in seeds], color=look.colour)
            axes.plot([np.median(s) for s in seeds], at, label=stage, **look.points())
        axes.set_xlabel(f"captions: {bias}", fontsize=9)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.tick_params(axis="x", labelsize=8)
    panels[0][0].set_yticks(y, list(FAMILIES))
    panels[0][0].invert_yaxis()
    handles = panels[0][0].get_legend_handles_labels()
    fig.supxlabel("worst mean error, degrees of fit", fontsize=10)
    fig.legend(*handles, loc="outside upper center", ncols=3)
    return fig


@house
def cycle_shares(made: Mapping[str, Any], leans: Sequence[float]) -> Figure:
    """Draw the shares of the three groups against the distance from the fixed point."""
    eta = np.array([turn_distance(lean, order=ORDER) for lean in leans])
    counts = np.asarray(made["counts"]).sum(axis=1)[..., :ORDER]
    share = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    fig, panels = figure(1, 2, height=2.7, sharey=True)
    looks = palette(["first group", "second", "third", "imbalance"])
    for axes, name, rows in zip(panels, MODELS, share, strict=True):
        axes.axhline(1 / ORDER, color="black", linewidth=0.8)
        for group, (label, look) in enumerate(list(looks.items())[:ORDER]):
            axes.plot(eta, rows[:, group], label=label, **look.lines(marker=look.marker))
        axes.set(xlabel="distance eta from the fixed point", ylim=(-0.03, 1.05))
        axes.text(0.03, 0.97, name, transform=axes.transAxes, va="top")
    top = 1 / ORDER + np.minimum(bounds(made).mean(axis=0), 1 - 1 / ORDER)
    panels[1].plot(eta, top, color="black", linestyle=":", label="1/3 + bound")
    panels[0].set_ylabel("share of the group")
    panels[1].legend(loc="center right")
    return fig


@house
def cycle_pictures(made: Mapping[str, Any], leans: Sequence[float], *, shape: int = 0) -> Figure:
    """Draw generations of one shape: a row per model, a block per prompt."""
    sheet = np.asarray(made["sheet"])[:, shape, :, :4]
    labels = [f"eta = {turn_distance(lean, order=ORDER):.2f}" for lean in leans]
    return picture_grid(sheet, rows=MODELS, blocks=labels)
