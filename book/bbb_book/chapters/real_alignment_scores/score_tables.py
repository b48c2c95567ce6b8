"""Claims, tables and words of the chapter on real alignment scores, with the scores or without."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bbb_book.chapters.real_alignment_scores.published_audit import (
    PublishedScores,
    measure_scores,
    restored,
)
from bbb_book.data import published
from bbb_book.data.recorded import origin, recorded
from bbb_book.results.artefacts import Artefact
from bbb_book.results.rules import NOT_MEASURED
from bbb_book.results.unmeasured import say, show_or_say
from bbb_core import checks
from bbb_core.stats import Estimate

__all__ = [
    "ABSENT",
    "audit",
    "finding",
    "scores",
    "screening",
    "show_numbers",
    "show_status",
    "stored_audit",
    "survivors",
]

ABSENT = "Not measured: the published scores were not at hand when this page was built."


def scores(source: str) -> pd.DataFrame | None:
    """Return the published scores; None if `source` is ``none`` or the file cannot be had.

    A file with a wrong hash or a malformed record is an error, not an absence.
    """
    checks.choice("source", source, ("published", "none"))
    if source == "none" or not published.available("mj-bench-bias"):
        return None
    return published.load("mj-bench-bias")


def stored_audit(source: str, *, n_resamples: int, seed: int) -> Artefact | None:
    """Return the artefact of the audit; None if `source` is ``none`` or it cannot be had."""
    return recorded(
        "published-scores",
        measure_scores,
        source=source,
        sources={"scores": "mj-bench-bias"},
        parameters={"n_resamples": n_resamples, "seed": seed},
    )


def audit(found: Artefact | None) -> PublishedScores | None:
    """Return the audit that an artefact holds; None without one."""
    return None if found is None else restored(found)


def show_status(found: Artefact | None) -> None:
    """Glue ``real-status``: whether the numbers were computed for this page, or recorded."""
    say("real-status", origin(found, absent=ABSENT))


def finding(found: PublishedScores | None, claim_id: str) -> tuple[Any, int | None]:
    """Return (estimate, n) of a claim, or (None, None) without data."""
    if found is None:
        return None, None
    if claim_id == "real-defects":
        count = len(found.defective)
        return Estimate(count, count, count), len(found.screen)
    if claim_id == "real-survivors":
        count = len(found.survivors())
        return Estimate(count, count, count), len(found.all_pairs)
    if claim_id == "real-floor":
        return found.floor("ImageReward"), found.occupations
    scorer = {"clipscore": "CLIPScore", "imagereward": "ImageReward", "hps": "HPSv2.1"}
    return found.gap(scorer[claim_id.split("-")[1]], "female", "male"), found.occupations


def show_numbers(found: PublishedScores | None) -> None:
    """Glue the other words and numbers of the chapter's prose."""
    values: dict[str, float | None] = dict.fromkeys(
        ("real-images", "real-occupations", "real-pairs", "real-blip-agreement")
    )
    constant = reversed_ = NOT_MEASURED
    if found is not None:
        screen = found.screen
        values["real-images"] = found.images
        values["real-occupations"] = found.occupations
        values["real-pairs"] = len(found.all_pairs)
        turned = screen[screen["finding"] == "reversed"]
        values["real-blip-agreement"] = float(turned["agreement"].min()) if len(turned) else None
        constant, reversed_ = (
            ", ".join(screen.loc[screen["finding"] == word, "column"]) or "none"
            for word in ("constant", "reversed")
        )
    for name, value in values.items():
        show_or_say(name, value, digits=2 if name == "real-blip-agreement" else 0)
    say("real-surviving", NOT_MEASURED if found is None else _surviving(found))
    say("real-constant", constant)
    say("real-reversed", reversed_)


def _surviving(found: PublishedScores) -> str:
    """Name the scorers whose gap between women and men survives the correction."""
    s = found.survivors()
    mine = s[(s["first"] == "gender=female") & (s["second"] == "gender=male")]
    return " and ".join(sorted(mine["scorer"])) or "no scorer"


def _table(frame: pd.DataFrame | None) -> Any:
    return ABSENT if frame is None else frame.style.hide(axis="index")


def screening(found: PublishedScores | None) -> Any:
    """Tabulate what the screening says of every score column."""
    if found is None:
        return _table(None)
    s = found.screen
    words = [
        "" if low != low else f"{a:+.2f} [{low:+.2f}, {high:+.2f}]"
        for a, low, high in zip(s["agreement"], s["low"], s["high"], strict=True)
    ]
    return _table(
        pd.DataFrame(
            {
                "column": s["column"], "distinct values": s["distinct"],
                "agreement with the others": words, "finding": s["finding"],
            }
        )
    )  # fmt: skip


def survivors(found: PublishedScores | None) -> Any:
    """Tabulate the gaps that survive the correction over all scorers and pairs, or the nearest."""
    if found is None:
        return _table(None)
    kept = found.survivors()
    s = (kept if len(kept) else found.all_pairs).sort_values("adjusted").head(max(len(kept), 3))
    return _table(
        pd.DataFrame(
            {
                "scorer": s["scorer"], "first": s["first"].str.replace("=", ": "),
                "second": s["second"].str.replace("=", ": "),
                "first minus second (SD)": s["gap"].map("{:+.2f}".format),
                "adjusted p": s["adjusted"].map("{:.4f}".format),
            }
        )
    )  # fmt: skip
