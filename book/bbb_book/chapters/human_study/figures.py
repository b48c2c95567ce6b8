"""Figures, tables and records of the chapter *What would people see?*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bbb_book import results
from bbb_book.style import COLOURS, figure, house, palette
from bbb_core.stats import binomial_interval, mean_interval
from bbb_core.study.collecting import Collected
from bbb_core.study.power import (
    Readers,
    detection_power,
    expected_half_width,
    images_for_power,
)
from bbb_core.study.trials import one_study, power_trials, simulated_studies

__all__ = [
    "DESIGNS",
    "balance_rows",
    "coverage",
    "dropped",
    "example",
    "needed",
    "paired",
    "planned",
    "power_check",
    "power_gap",
    "power_table",
    "recovery",
    "right_labels",
    "scenarios",
    "screening_table",
    "worlds",
]

DESIGNS: tuple[tuple[int, float, int, float, float, float], ...] = (
    (40, 0.2, 1, 0.1, 0.05, 0.0),
    (40, 0.2, 3, 0.2, 0.2, 0.0),
    (100, 0.15, 3, 0.1, 0.05, 0.2),
    (100, 0.15, 5, 0.1, 0.05, 0.0),
    (200, 0.1, 5, 0.2, 0.1, 0.3),
    (200, 0.0, 2, 0.1, 0.3, 0.0),
)
"""Images, imbalance, readings, error, "can't tell", ambiguous: the designs that are simulated."""

_WORLDS = {
    "screened": {},
    "unscreened": {"screened": "no"},
    "few": {"careless": 0, "screened": "no", "few": True},
    "agreed": {"careless": 0, "even": True},
    "unreadable": {"careless": 0, "even": True, "world": "unreadable", "treat": "label"},
    "misread": {"careless": 0, "even": True, "world": "misread"},
}
_NAMES = {
    "screened": "a third careless,\nscreened",
    "unscreened": "a third careless,\nnobody dropped",
    "agreed": "careful readers",
    "unreadable": "unreadable images\nof one group",
    "misread": "an error that\nall readers share",
}


def scenarios(
    *, people: int, careless: int, per_participant: int, rates: Mapping[str, float], **common: Any
) -> dict[str, pd.DataFrame]:
    """Simulate all scenarios of the chapter, each an artefact of its own; one table for each.

    `rates` gives the share of images hidden in ``unreadable`` and ``misread``.
    """
    found = {}
    for name, special in _WORLDS.items():
        told: dict[str, Any] = {
            **common, "people": people, "careless": careless, "screened": "yes", "world": "plain",
            "treat": "missing", "per_participant": per_participant, "rate": rates.get(name, 0.0),
        }  # fmt: skip
        told |= {k: v for k, v in special.items() if k in told}
        if special.get("even"):
            told["shares"] = [0.5]
        if special.get("few"):  # three people read every image
            told |= {"people": 3, "per_participant": told["images"]}
        made = results.artefact(f"human-study-{name}", simulated_studies, parameters=told)
        found[name] = made["studies"]
    return found


def example(**options: Any) -> tuple[Collected, pd.Series]:
    """Simulate the study that the chapter shows."""
    return one_study(**options)


def screening_table(found: Collected) -> pd.DataFrame:
    """Return the counts of dropped annotators by reason."""
    return found.screening


def balance_rows(found: Collected) -> pd.DataFrame:
    """Return the balance of each prompt as rounded text."""
    table = found.balance
    rows = {
        "images": table["images"].astype(int).astype(str),
        "no label": table["unclear"].astype(int).astype(str),
        "imbalance": table["imbalance"].map("{:.2f}".format),
        "interval": _pairs(table["low"], table["high"]),
        "labels from posteriors": _pairs(table["labels low"], table["labels high"]),
        "whatever the rest shows": _pairs(table["any low"], table["any high"]),
    }
    return pd.DataFrame(rows)


def _pairs(low: pd.Series, high: pd.Series) -> list[str]:
    return [f"[{a:.2f}, {b:.2f}]" for a, b in zip(low, high, strict=True)]


def coverage(studies: pd.DataFrame, *, ends: str = "", confidence: float) -> dict[str, Any]:
    """Return the share of studies whose interval covers the planted imbalance (exact interval).

    `ends` is empty, or "any " for the wider interval.
    """
    low, high = studies[f"{ends}low"], studies[f"{ends}high"]
    hits = int(((low <= studies["planted"]) & (studies["planted"] <= high)).sum())
    return _share(hits, len(studies), confidence)


def dropped(studies: pd.DataFrame, who: str, *, confidence: float) -> dict[str, Any]:
    """Return the share of ``careless`` or ``careful`` annotators who were dropped."""
    return _share(int(studies[f"{who} dropped"].sum()), int(studies[who].sum()), confidence)


def _share(hits: int, n: int, confidence: float) -> dict[str, Any]:
    low, high = binomial_interval(hits, n, confidence=confidence)
    return {"value": hits / n, "low": low, "high": high, "n": n}


def paired(first: Any, second: Any, *, confidence: float) -> dict[str, Any]:
    """Return the mean difference over studies, with its interval."""
    gaps = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    e = mean_interval(gaps, confidence=confidence)
    return {"value": e.value, "low": e.low, "high": e.high, "n": len(gaps)}


def power_check(*, trials: int, confidence: float, seed: int) -> pd.DataFrame:
    """Hold the power calculation against simulated studies, one row per design."""
    told = {"designs": list(DESIGNS), "trials": trials, "confidence": confidence, "seed": seed}
    return results.artefact("human-study-power", power_trials, parameters=told)["power"]


def power_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the designs with calculated and simulated power as rounded text."""
    text = table.map("{:g}".format)
    kinds = text[["error", "can't tell", "ambiguous"]].agg(" / ".join, axis=1)
    shown = text[["images", "imbalance", "readings"]].assign(
        **{"error / can't tell / ambiguous": kinds}
    )
    shown = shown.set_index("images")
    table = table.set_axis(shown.index)
    shown["calculated"] = table["calculated"].map("{:.2f}".format)
    ends = zip(table["simulated"], table["low"], table["high"], strict=True)
    shown["simulated"] = [f"{a:.2f} [{b:.2f}, {c:.2f}]" for a, b, c in ends]
    return shown


def power_gap(table: pd.DataFrame) -> dict[str, Any]:
    """Return the largest difference of calculated and simulated power, with an interval."""
    exact, seen = table["calculated"], table["simulated"]
    least = np.maximum(0, np.maximum(table["low"] - exact, exact - table["high"]))
    most = np.maximum((exact - table["low"]).abs(), (table["high"] - exact).abs())
    return {
        "value": (exact - seen).abs().max(),
        "low": least.max(),
        "high": most.max(),
        "n": len(table),
    }


def needed(readers: Mapping[str, Readers], imbalances: Sequence[float]) -> pd.DataFrame:
    """Return the images needed to detect each imbalance (columns) with such readers (rows)."""
    rows = {
        name: {f"{gap:.2f}": str(images_for_power(gap, one)) for gap in imbalances}
        for name, one in readers.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("readers")


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
        "agreed": "careful readers",
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
