"""Simulated studies of the chapter *What would people see?*: what is run, and what is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbb_book import results
from bbb_core.stats import binomial_interval, mean_interval
from bbb_core.study.collecting import Collected
from bbb_core.study.power import Readers, images_for_power
from bbb_core.study.trials import power_trials, simulated_studies

__all__ = [
    "DESIGNS",
    "balance_rows",
    "coverage",
    "dropped",
    "images_needed",
    "paired",
    "power_check",
    "power_gap",
    "power_table",
    "scenarios",
    "show_recovery",
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

SCENARIOS = {
    "screened": {},
    "unscreened": {"screened": "no"},
    "few": {"careless": 0, "screened": "no", "few": True},
    "agreed": {"careless": 0, "even": True},
    "unreadable": {"careless": 0, "even": True, "world": "unreadable", "treat": "label"},
    "misread": {"careless": 0, "even": True, "world": "misread"},
}
"""What sets each scenario apart from the common settings."""


def scenarios(
    *, people: int, careless: int, per_participant: int, rates: Mapping[str, float], **common: Any
) -> dict[str, pd.DataFrame]:
    """Simulate all scenarios of the chapter, each an artefact of its own; one table for each.

    `rates` gives the share of images hidden in ``unreadable`` and ``misread``.
    """
    found = {}
    for name, special in SCENARIOS.items():
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


def show_recovery(balance: pd.DataFrame, planted: pd.Series) -> None:
    """Glue how many intervals of the imbalance hold the planted one, and whose do not."""
    table = balance.loc[planted.index]
    inside = (table["low"] <= planted) & (planted <= table["high"])
    results.show_number("human-inside", inside.sum(), digits=0)
    results.show_number("human-prompts", len(inside), digits=0)
    results.say("human-outside", ", ".join(planted.index[~inside]) or "none")


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


def images_needed(readers: Mapping[str, Readers], imbalances: Sequence[float]) -> pd.DataFrame:
    """Return the images needed to detect each imbalance (columns) with such readers (rows)."""
    rows = {
        name: {f"{gap:.2f}": str(images_for_power(gap, one)) for gap in imbalances}
        for name, one in readers.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("annotators")
