"""Figures of the chapter *What would people see?*."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bbb_book.chapters.human_study.simulated_evidence import coverage
from bbb_book.style import COLOURS, figure, house, palette
from bbb_core.stats import mean_interval
from bbb_core.study.collecting import Collected
from bbb_core.study.power import Readers, detection_power, expected_half_width

__all__ = ["planned", "recovery", "right_labels", "worlds"]

_NAMES = {
    "screened": "a third careless,\nscreened",
    "unscreened": "a third careless,\nnobody dropped",
    "agreed": "careful annotators",
    "unreadable": "unreadable images\nof one group",
    "misread": "an error that\nall annotators share",
}


@house
def planned(readers: Mapping[str, Readers], *, imbalance: float, most: int) -> Figure:
    """Draw power and half-width against the number of images, one line per kind of reader."""
    fig, (left, right) = figure(1, 2, height=3.0)
    sizes = np.unique(np.geomspace(10, most, 24).astype(int))
    for name, look in palette(readers).items():
        one = readers[name]
        power = [detection_power(int(n), imbalance, one) for n in sizes]
        width = [expected_half_width(int(n), one) for n in sizes]
        left.plot(sizes, power, label=name, **look.lines(marker=look.marker, markevery=4))
        right.plot(sizes, width, **look.lines(marker=look.marker, markevery=4))
    left.axhline(0.9, color="#555555", linewidth=0.8)
    left.set(xlabel="images of a prompt", ylabel=f"power, imbalance {imbalance:g}", ylim=(0, 1.02))
    right.set(xlabel="images of a prompt", ylabel="half-width of a share", ylim=(0, None))
    for axes in (left, right):
        axes.set_xscale("log")
    fig.legend(loc="outside lower center", ncols=2)
    return fig


@house
def recovery(found: Collected, planted: pd.Series) -> Figure:
    """Draw planted imbalance and interval for each prompt of one simulated study."""
    fig, axes = figure(height=2.8)
    table = found.balance.loc[planted.sort_values().index]
    y = np.arange(len(table))
    middle = table["imbalance"].to_numpy()
    ends = np.stack([middle - table["low"], table["high"] - middle])
    looks = palette(["measured, with exact interval", "planted"])
    (name, look), (other, cross) = looks.items()
    axes.errorbar(middle, y, xerr=ends, label=name, **look.points(capsize=3))
    axes.plot(planted[table.index], y, label=other, **cross.points(markersize=7))
    axes.set_yticks(y, table.index)
    axes.set(xlabel="imbalance (simulated annotators)", xlim=(-0.02, 0.52), ylim=(-0.6, len(y)))
    axes.legend(loc="lower right")
    return fig


@house
def right_labels(found: Mapping[str, pd.DataFrame], *, confidence: float) -> Figure:
    """Draw the shares of right labels by Dawid and Skene and by majority, per scenario."""
    names = {
        "agreed": "careful annotators",
        "few": "three readings",
        "screened": "careless screened out",
        "unscreened": "a third careless",
    }
    fig, axes = figure(height=2.8)
    looks = palette(["Dawid and Skene", "majority"])
    columns = {"Dawid and Skene": "right", "majority": "right by majority"}
    for shift, (label, look) in zip((-0.12, 0.12), looks.items(), strict=True):
        ends = [mean_interval(found[name][columns[label]], confidence=confidence) for name in names]
        value = np.array([e.value for e in ends])
        bars = np.array([[e.value - e.low for e in ends], [e.high - e.value for e in ends]])
        at = np.arange(len(names)) + shift
        axes.errorbar(at, value, yerr=bars, label=label, **look.points(capsize=3))
    axes.set_xticks(np.arange(len(names)), list(names.values()))
    axes.set(ylabel="share of right labels\n(simulated annotators)")
    axes.legend(loc="lower left")
    return fig


@house
def worlds(found: Mapping[str, pd.DataFrame], *, confidence: float) -> Figure:
    """Draw how often the two intervals cover the planted imbalance, per scenario."""
    fig, axes = figure(height=3.0)
    looks = palette(["interval of the labels", "whatever unreadable images show"])
    for shift, end, (label, look) in zip((-0.1, 0.1), ("", "any "), looks.items(), strict=True):
        rows = [coverage(found[name], ends=end, confidence=confidence) for name in _NAMES]
        value = np.array([row["value"] for row in rows])
        bars = [
            [row["value"] - row["low"] for row in rows],
            [row["high"] - row["value"] for row in rows],
        ]
        at = np.arange(len(rows)) + shift
        axes.errorbar(at, value, yerr=bars, label=label, **look.points(capsize=3))
    axes.axhline(confidence, color=COLOURS["black"], linewidth=0.8)
    axes.set_xticks(np.arange(len(_NAMES)), list(_NAMES.values()), fontsize=8)
    axes.set(ylabel="coverage\n(simulated studies)", ylim=(-0.03, 1.05))
    axes.legend(loc="lower left")
    return fig
