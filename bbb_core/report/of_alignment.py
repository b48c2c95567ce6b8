"""Reports of alignment scores: audits against a truth, and gaps without one (D5, T6)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bbb_core.report.parts import Curves, Forest, Heat, Quantity, Report, Table

if TYPE_CHECKING:
    from bbb_core.alignment.audit_results import Audit, ErrorEstimate
    from bbb_core.alignment.gaps import GroupGaps

__all__ = ["audit", "gaps", "sampling_caveats"]

ASSIGNED = "Groups are labels that somebody assigned; errors of theirs move every number here."
SERIES = 6
"""Groups in one figure of reliability."""
FEW_UNITS = 20


def sampling_caveats(units: int | None) -> tuple[str, ...]:
    """Say what the independent units are: `units` prompts, or rows (None)."""
    if units is None:
        return (
            "Rows are taken as independent. Images of one prompt are not: name its column by "
            "--within, or intervals are too narrow.",
        )
    if units < FEW_UNITS:
        return (
            f"Only {units} prompts are the independent units; with so few, intervals are wide, and "
            "too narrow where prompts differ in a very skewed way.",
        )
    return ()


def _error(name: str, e: ErrorEstimate) -> Quantity:
    return Quantity(name, e.value, e.low, e.high, e.reason)


def audit(found: Audit) -> Report:
    """Tell of an audit against a truth."""
    import pandas as pd

    main, worst, level = found.by_group, found.worst_group, found.confidence
    head = _error("multiaccuracy error", found.multiaccuracy_error)
    side = "underrated" if worst.error > 0 else "overrated"
    known = main[main["supported"]]
    verdict = (
        f"The score is unfair to {worst.group}, {side} by {abs(worst.bias):.3f} on average"
        if worst.low > 0 or worst.high < 0
        else f"No group is shown to be treated unfairly; {worst.group} is {side} most, by "
        f"{abs(worst.bias):.3f}, which chance can do"
    )
    left_out = len(main) - len(known)
    figures: list[Any] = [
        Forest.of(
            "How much the score is too low (+) or too high (−) for each group",
            f"Mean truth minus mean score with intervals that hold for all groups together at "
            f"{level:.0%}; at 0 a group is treated fairly.",
            known, ("group", "bias", "bias_low", "bias_high"), {"fair": 0.0},
        )
    ]  # fmt: skip
    curves = _reliability(found)
    figures += [curves] if curves else []
    figures += _heat(known, "bias", "Too low (+) or too high (−), by two attributes")
    cells = found.by_cell.replace({np.inf: math.nan, -np.inf: math.nan})
    return Report(
        kind="alignment with truth",
        title="Alignment scores against the truth",
        answer=f"{verdict}. The multiaccuracy error is {head}." if not head.reason else verdict,
        confidence=level,
        quantities=(
            head,
            _error("multicalibration error", found.multicalibration_error),
            _error("proportional error", found.proportional_error),
        ),
        tables={
            "groups": Table(pd.DataFrame(main), ("group",), ("error", "low", "high")),
            "cells": Table(cells, ("group", "level")),
        },
        figures=tuple(figures),
        caveats=(
            ASSIGNED,
            "The truth is taken as given; what its raters see differently between groups counts as "
            "an error of the score.",
            *((f"{left_out} groups have too few rows to be compared.",) if left_out else ()),
            f"{len(known)} groups are compared; intervals and p-values allow for that.",
        ),
        terms=("multiaccuracy error", "multicalibration error", "interval"),
        like={"groups": sorted(known["group"])},
    )


def _reliability(found: Audit) -> Curves | None:
    single = [group for group in dict.fromkeys(found.by_cell["group"]) if " & " not in group]
    series = {
        group: tuple(zip(*(found.by_cell.loc[found.by_cell["group"] == group, c].tolist()
                           for c in ("mean_score", "mean_truth")), strict=True))
        for group in single[:SERIES]
    }  # fmt: skip
    if not series:
        return None
    every = [x for points in series.values() for point in points for x in point]
    ends = (min(every), max(every))
    more = f" Drawn are {SERIES} of {len(single)} groups." if len(single) > SERIES else ""
    return Curves(
        "Reliability by group",
        "Mean truth against mean score within levels of the score. On the line the score means "
        "what it says; above it a group is underrated." + more,
        "mean score", "mean truth", series, tuple((x, x) for x in ends),
    )  # fmt: skip


def gaps(found: GroupGaps, *, confidence: float | None = None) -> Report:
    """Tell of gaps without a truth; `confidence` is the level that was asked for, if known."""
    level = math.nan if confidence is None else confidence
    at = "their level" if confidence is None else f"{level:.0%}"
    main = found.pairs.assign(pair=found.pairs["first"] + " − " + found.pairs["second"])
    ends = main["family_low"], main["family_high"]
    near = np.maximum(ends[0], -ends[1]).clip(lower=0)
    far = np.maximum(-ends[0], ends[1])
    head = Quantity.of("largest gap", (x.max() for x in (main["gap"].abs(), near, far)))
    top, sure = main.loc[main["gap"].abs().idxmax()], int((near > 0).sum())
    first, second = (
        (top["first"], top["second"]) if top["gap"] > 0 else (top["second"], top["first"])
    )
    unit = "standard deviations" if found.unit == "within-sd" else f"units ({found.unit})"
    proved = (
        f" If the truth does not depend on the group, the multiaccuracy error is at least "
        f"{found.bound_low:.3f}."
        if found.bound_low > 0
        else ""
    )
    strata = int(main["strata"].max())
    same = " for the same prompts" if strata > 1 else ""
    verdict = (
        f"{first} scores higher than {second}{same}"
        if near[top.name] > 0
        else f"No pair of groups is shown to score differently; {first} − {second} is largest"
    )
    return Report(
        kind="alignment without truth",
        title="Gaps of alignment scores between groups",
        answer=f"{verdict}. The largest gap is {head} {unit}; {sure} of {len(main)} pairs differ."
        + proved,
        confidence=level,
        quantities=(
            head,
            Quantity("least multiaccuracy error if the truth is group-blind", found.bound,
                     found.bound_low, math.nan),
        ),
        tables={
            "gaps": Table(found.pairs, ("first", "second"), ("gap", "family_low", "family_high")),
            "groups": Table(found.by_group, ("group",)),
        },
        figures=(
            Forest.of(
                "Gaps between groups",
                f"First minus second group in {unit}, with intervals that hold for all pairs "
                f"together at {at}.",
                main, ("pair", "gap", "family_low", "family_high"), {"no gap": 0.0},
            ),
            *_heat(found.by_group, "mean", "Mean score of each group, by two attributes"),
        ),
        caveats=(
            "A gap is unfair only if the truth does not depend on the group. Nothing here tests "
            "that.",
            ASSIGNED,
            *sampling_caveats(strata if strata > 1 else None),
            f"{len(main)} pairs are compared; the intervals shown hold together, and adjusted "
            "p-values are Holm's.",
        ),
        terms=("gap of a score", "multiaccuracy error", "interval", "Holm's correction"),
        like={"unit": found.unit, "within": strata > 1},
    )  # fmt: skip


def _heat(frame: Any, column: str, title: str) -> list[Heat]:
    """Return a map of the first two attributes that groups cross."""
    crossed = (name.count("=") > 1 for name in frame["group"])
    cells = {
        tuple(part.partition("=")[::2] for part in name.split(" & ")): float(value)
        for name, value, two in zip(frame["group"], frame[column], crossed, strict=True)
        if two
    }
    pairs = [key for key in cells if len(key) == 2]
    if not pairs:
        return []
    (a, _), (b, _) = pairs[0]
    told = {(x[1], y[1]): cells[x, y] for x, y in pairs if (x[0], y[0]) == (a, b)}
    rows, columns = (tuple(dict.fromkeys(key[i] for key in told)) for i in (0, 1))
    values = tuple(tuple(told.get((r, c), math.nan) for c in columns) for r in rows)
    caption = f"Rows: {a}. Columns: {b}. Empty: too few rows."
    return [Heat(title, caption, rows, columns, values)]
