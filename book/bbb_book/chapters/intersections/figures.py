"""Figures, tables and words of the chapter on gender, skin tone and occupation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bbb_book.chapters.fairness_criteria.finite_generator import FiniteGenerator
from bbb_book.chapters.intersections.audits import FAMILIES, STAGES
from bbb_book.chapters.intersections.product_balance import intersectional_balance
from bbb_book.chapters.intersections.published_intersections import (
    PublishedIntersections,
    audit_published_intersections,
)
from bbb_book.data import published
from bbb_book.data.emoji import TONES
from bbb_book.generators.studies import GROUPS
from bbb_book.results.unmeasured import say, show_or_say
from bbb_book.style import figure, house, palette
from bbb_core import checks
from bbb_core.stats import Estimate

__all__ = [
    "ABSENT",
    "audit_table",
    "cells",
    "finding",
    "occupations",
    "real",
    "real_interactions",
    "real_numbers",
    "real_table",
    "repairs",
    "reversal_rows",
    "reversals",
    "worlds",
]

ABSENT = "Not measured: the published scores were not at hand when this page was built."
LOOKS = palette(GROUPS)
WORLDS = {
    "every cell alike": [[1, 1, 1], [1, 1, 1]],
    "dark women missing": [[2, 2, 0], [1, 1, 2]],
    "one gender per tone": [[2, 0, 1], [0, 2, 1]],
    "women of one tone only": [[3, 0, 0], [1, 1, 1]],
    "men of all tones, no women": [[0, 0, 0], [2, 2, 2]],
}
"""Tables of parts, gender by three tones, for the definitions worked by hand."""


def worlds() -> pd.DataFrame:
    """Return margins, joint law and internal imbalance (D3) of small worlds, exactly.

    A picture is a cell. "women" and "men" are the prompts that name a gender and draw all tones
    alike; the last column compares the prompts that name a cell.
    """
    tones = ("light", "medium", "dark")
    rows = {}
    for name, parts in WORLDS.items():
        table = np.array(parts)
        b = intersectional_balance(table, rows=("woman", "man"), columns=tones)
        neutral = table.ravel() / table.sum()
        named = {
            "woman": [1 / 3] * 3 + [0.0] * 3,
            "man": [0.0] * 3 + [1 / 3] * 3,
        }
        internal = FiniteGenerator(
            pictures=list("123456"),
            readings=["woman"] * 3 + ["man"] * 3,
            neutral=neutral.tolist(),
            groups=named,
        ).internal_imbalance()
        rows[name] = {
            "gender": b.first.imbalance,
            "tone": b.second.imbalance,
            "if independent": b.product,
            "joint": b.joint.imbalance,
            "internal, genders": internal,
            "internal, cells": float(neutral.max() - neutral.min()),
        }
    return pd.DataFrame.from_dict(rows, orient="index").map("{:.2f}".format)


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


def reversal_rows(table: pd.DataFrame, *, rows: int = 5) -> pd.DataFrame:
    """Return the pairs of tones that come nearest to a reversal, as text."""
    near = table.sort_values(["p_value", "generator"], kind="stable").head(rows)
    return pd.DataFrame(
        {
            "generator": near["generator"],
            "tones": near["first"] + " - " + near["second"],
            "pooled": [f"{x:+.3f}" for x in near["pooled"]],
            "within": [f"{x:+.3f}" for x in near["within"]],
            "p": [f"{x:.3f}" for x in near["p_value"]],
            "p, adjusted": [f"{x:.3f}" for x in near["adjusted"]],
        }
    ).set_index("generator")


def audit_table(table: pd.DataFrame, bias: str) -> pd.DataFrame:
    """Return the worst error per family and stage, as text: median and range over seeds."""
    own = table[table["bias"] == bias]
    rows = {}
    for family in FAMILIES:
        part = own[own["family"] == family]
        row = {}
        for stage in STAGES:
            found = part[part["stage"] == stage]["error"]
            row[stage] = f"{found.median():.3f} [{found.min():.3f}, {found.max():.3f}]"
        rows[family] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("groups")


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


def real(source: str, **options: Any) -> PublishedIntersections | None:
    """Audit the published scores; None if `source` is ``none`` or the file cannot be had."""
    checks.choice("source", source, ("published", "none"))
    if source == "none" or not published.available("mj-bench-bias"):
        return None
    return audit_published_intersections(published.load("mj-bench-bias"), **options)


def finding(found: PublishedIntersections | None) -> tuple[Estimate | None, int | None]:
    """Return (estimate, n) of the claim about published scores, or (None, None) without data."""
    if found is None:
        return None, None
    count = float(len(found.survivors()))
    return Estimate(count, count, count), len(found.interactions)


def real_numbers(found: PublishedIntersections | None) -> None:
    """Glue the words and numbers of the section on published scores."""
    say("cells-real-status", ABSENT if found is None else "The file was read.")
    values: Mapping[str, float | None] = {
        "cells-real-images": None if found is None else found.images,
        "cells-real-occupations": None if found is None else found.occupations,
        "cells-real-tests": None if found is None else len(found.interactions),
    }
    for name, value in values.items():
        show_or_say(name, value, digits=0)


def real_table(found: PublishedIntersections | None) -> pd.DataFrame | str:
    """Return the widest gap of every scorer over genders, races and intersections, as text."""
    if found is None:
        return ABSENT
    widest = found.widest()
    return pd.DataFrame(
        {
            "scorer": widest["scorer"],
            "groups": widest["groups"].str.replace(" & ", " x "),
            "higher": widest["higher"].map(_plain),
            "lower": widest["lower"].map(_plain),
            "gap": [
                f"{g:.2f} [{low:.2f}, {high:.2f}]"
                for g, low, high in zip(widest["gap"], widest["low"], widest["high"], strict=True)
            ],
            "p, adjusted": [f"{p:.3f}" for p in widest["adjusted"]],
        }
    ).set_index(["scorer", "groups"])


def real_interactions(found: PublishedIntersections | None) -> pd.DataFrame | str:
    """Return the interactions that survive correction (the nearest one if none does), as text."""
    if found is None:
        return ABSENT
    rows = found.survivors().sort_values("p_value")
    rows = found.interactions.sort_values("p_value").head(1) if rows.empty else rows
    return pd.DataFrame(
        {
            "scorer": rows["scorer"],
            "gap": rows["first"] + " - " + rows["second"],
            "for": rows["level"],
            "beyond other races": [
                f"{x:+.2f} [{low:+.2f}, {high:+.2f}]"
                for x, low, high in zip(rows["interaction"], rows["low"], rows["high"], strict=True)
            ],
            "p, adjusted": [f"{p:.3f}" for p in rows["adjusted"]],
        }
    ).set_index("scorer")


def _plain(name: str) -> str:
    return " & ".join(part.split("=", 1)[-1] for part in name.split(" & "))
