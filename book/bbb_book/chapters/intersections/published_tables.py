"""Gaps and interactions in published scores as tables and words, with the scores or without."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from bbb_book.chapters.intersections.published_intersections import (
    PublishedIntersections,
    measure_intersections,
    restored,
)
from bbb_book.data.recorded import origin, recorded
from bbb_book.results.artefacts import Artefact
from bbb_book.results.unmeasured import say, show_or_say
from bbb_core.stats import Estimate

__all__ = [
    "ABSENT",
    "audit",
    "finding",
    "interactions_table",
    "show_numbers",
    "show_status",
    "stored_audit",
    "widest_gaps",
]

ABSENT = "Not measured: the published scores were not at hand when this page was built."


def stored_audit(source: str, *, n_resamples: int, seed: int = 0) -> Artefact | None:
    """Return the artefact of the audit; None if `source` is ``none`` or it cannot be had."""
    return recorded(
        "published-intersections",
        measure_intersections,
        source=source,
        sources={"scores": "mj-bench-bias"},
        parameters={"n_resamples": n_resamples, "seed": seed},
    )


def audit(found: Artefact | None) -> PublishedIntersections | None:
    """Return the audit that an artefact holds; None without one."""
    return None if found is None else restored(found)


def show_status(found: Artefact | None) -> None:
    """Glue ``cells-real-status``: whether the numbers were computed for this page, or recorded."""
    say("cells-real-status", origin(found, absent=ABSENT))


def finding(found: PublishedIntersections | None) -> tuple[Estimate | None, int | None]:
    """Return (estimate, n) of the claim about published scores, or (None, None) without data."""
    if found is None:
        return None, None
    count = float(len(found.survivors()))
    return Estimate(count, count, count), len(found.interactions)


def show_numbers(found: PublishedIntersections | None) -> None:
    """Glue the words and numbers of the section on published scores."""
    values: Mapping[str, float | None] = {
        "cells-real-images": None if found is None else found.images,
        "cells-real-occupations": None if found is None else found.occupations,
        "cells-real-tests": None if found is None else len(found.interactions),
    }
    for name, value in values.items():
        show_or_say(name, value, digits=0)


def widest_gaps(found: PublishedIntersections | None) -> pd.DataFrame | str:
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


def interactions_table(found: PublishedIntersections | None) -> pd.DataFrame | str:
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
