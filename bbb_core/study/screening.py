"""Which participants are kept: checks, self-consistency, speed (human study)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bbb_core import checks as check
from bbb_core.study.design import Study
from bbb_core.study.exports import Export

__all__ = ["DROPPED", "Rules", "participant_table", "ratings_table", "screen"]

DROPPED = {
    "unfinished": "answered too few of the pictures",
    "failed checks": "chose another answer than the checks asked for",
    "inconsistent": "read repeated images differently",
    "too fast": "answered faster than anybody can look",
}
"""Why a participant is dropped; several reasons may hold at once."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """When a participant is kept. Fix these before the first answer comes in.

    Parameters
    ----------
    finished : float
        Least share of the pictures that must be answered, in [0, 1].
    passed : float
        Least share of the checks that must be right; checks that were not reached do not count.
    consistent : float
        Least share of repeated images read alike both times, used from `least_repeats` on.
    fastest : float
        Least median time per picture, in milliseconds.
    least_repeats : int
        Below so many repeated images consistency is reported and drops nobody.
    """

    finished: float | int = 1.0
    passed: float | int = 0.75
    consistent: float | int = 0.6
    fastest: float | int = 400.0
    least_repeats: int = 3

    def __post_init__(self) -> None:
        for name in ("finished", "passed", "consistent"):
            check.number(name, getattr(self, name), low=0, high=1)
        check.number("fastest", self.fastest, low=0)
        check.integer("least_repeats", self.least_repeats, low=1)


def ratings_table(exports: Sequence[Export], study: Study) -> pd.DataFrame:
    """Return one row per answer: who, which image, in which place, what, how long.

    ``showing`` is 1 or, for an image that came again, 2. ``simulated`` stands in every row.
    """
    rows: list[dict[str, Any]] = []
    for export in exports:
        seen: dict[str, int] = {}
        for place, one in enumerate(export.answers, start=1):
            image = study.by_id[one.image]
            seen[one.image] = seen.get(one.image, 0) + 1
            rows.append(
                {
                    "participant": export.participant,
                    "place": place,
                    "image": one.image,
                    "file": image.file,
                    "prompt": image.prompt,
                    "role": image.role,
                    "showing": seen[one.image],
                    "answer": one.answer,
                    "known": image.answer,
                    "ms": one.ms,
                    "changes": one.changes,
                    "simulated": export.simulated,
                }
            )
    columns = ["participant", "place", "image", "file", "prompt", "role", "showing", "answer"]
    return pd.DataFrame(rows, columns=[*columns, "known", "ms", "changes", "simulated"])


def participant_table(
    exports: Sequence[Export], study: Study, rules: Rules | None = None
) -> pd.DataFrame:
    """Return one row per participant with what the rules look at and which of them fail.

    Columns: ``answered`` (share), ``checks`` and ``checks_passed`` (counts), ``repeats`` and
    ``repeats_alike`` (counts), ``median_ms``, ``cant_tell`` (share of first answers to rated
    images), ``kept``, and ``reasons`` (joined by "; ").
    """
    rules = rules or Rules()
    rows = []
    for export in exports:
        first: dict[str, str] = {}
        again: list[bool] = []
        passed: list[bool] = []
        for one in export.answers:
            image = study.by_id[one.image]
            if image.role == "check":
                passed.append(one.answer == image.answer)
            elif one.image in first:
                again.append(one.answer == first[one.image])
            else:
                first[one.image] = one.answer
        times = [one.ms for one in export.answers]
        row = {
            "participant": export.participant,
            "answered": len(export.answers) / study.shown,
            "checks": len(passed),
            "checks_passed": sum(passed),
            "repeats": len(again),
            "repeats_alike": sum(again),
            "median_ms": float(np.median(times)) if times else 0.0,
            "cant_tell": float(np.mean([a == "unclear" for a in first.values()])) if first else 0.0,
            "simulated": export.simulated,
        }
        reasons = _reasons(row, rules)
        rows.append(row | {"kept": not reasons, "reasons": "; ".join(reasons)})
    return pd.DataFrame(rows)


def _reasons(row: dict[str, Any], rules: Rules) -> list[str]:
    found = []
    if row["answered"] < rules.finished or row["answered"] == 0:
        found.append("unfinished")
    if row["checks"] and row["checks_passed"] < rules.passed * row["checks"]:
        found.append("failed checks")
    enough = row["repeats"] >= rules.least_repeats
    if enough and row["repeats_alike"] < rules.consistent * row["repeats"]:
        found.append("inconsistent")
    if row["median_ms"] < rules.fastest:
        found.append("too fast")
    return found


def screen(participants: pd.DataFrame) -> pd.DataFrame:
    """Count participants by reason: how many fail it, and how many fail it alone.

    Returns
    -------
    pandas.DataFrame
        Rows: the reasons, then ``dropped`` and ``kept``. Columns: ``failed``, ``failed alone``.
    """
    lists = [set(text.split("; ")) if text else set() for text in participants["reasons"]]
    rows = {
        reason: (sum(reason in one for one in lists), sum(one == {reason} for one in lists))
        for reason in DROPPED
    }
    dropped = sum(bool(one) for one in lists)
    rows["dropped"] = (dropped, dropped)
    rows["kept"] = (len(lists) - dropped, len(lists) - dropped)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["failed", "failed alone"])
    return table.rename_axis("reason")
