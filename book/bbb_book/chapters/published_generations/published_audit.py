"""The audit of the published counts and the words that the chapter's prose takes from it."""

from __future__ import annotations

from typing import Any

from bbb_book.chapters.published_generations.audit_record import measure_generations, restored
from bbb_book.chapters.published_generations.count_audit import GenerationAudit, explaining_error
from bbb_book.data.recorded import origin, recorded
from bbb_book.results.artefacts import Artefact
from bbb_book.results.rules import NOT_MEASURED
from bbb_book.results.unmeasured import say, show_or_say

__all__ = ["ABSENT", "NAMES", "audit", "finding", "show_numbers", "show_status", "stored_audit"]

NAMES = {
    "generated": "fair-diffusion-generated",
    "edited": "fair-diffusion-edited",
    "training": "fair-diffusion-laion",
}
ABSENT = "Not measured: the published counts were not at hand when this page was built."


def stored_audit(source: str, **options: Any) -> Artefact | None:
    """Return the artefact of the audit; None if `source` is ``none`` or it cannot be had.

    A file with a wrong hash or a malformed line is an error, not an absence.
    """
    return recorded(
        "published-generations", measure_generations, source=source, sources=NAMES,
        parameters=options,
    )  # fmt: skip


def audit(found: Artefact | None) -> GenerationAudit | None:
    """Return the audit that an artefact holds; None without one."""
    return None if found is None else restored(found)


def show_status(*found: Artefact | None) -> None:
    """Glue ``gen-status``: whether the numbers of the page were computed for it, or recorded."""
    say("gen-status", origin(*found, absent=ABSENT))


def finding(found: GenerationAudit | None, claim_id: str) -> tuple[Any, int | None]:
    """Return (estimate, number of prompts) of a claim, or (None, None) without data."""
    return (None, None) if found is None else found.estimates[claim_id]


def show_numbers(found: GenerationAudit | None, *, minimum: int) -> None:
    """Glue the other numbers of the chapter's prose (claims are recorded by the chapter)."""
    values: dict[str, tuple[float, int]] = {}
    if found is not None:
        for key, mean in found.means.items():
            values[f"gen-mean-{key}"] = (mean.plug_in, 3)
            values[f"gen-corrected-{key}"] = (mean.corrected.value, 3)
            values[f"gen-floor-{key}"] = (mean.floor, 3)
            detected = int((found.balance[key]["p_holm"] <= 0.05).sum())
            values[f"gen-detected-{key}"] = (detected, 0)
        values["gen-mean-training-all"] = (found.balance["training"]["imbalance"].mean(), 3)
        for key, table in found.changes.items():
            for verdict in ("further", "closer", "not resolved"):
                name = f"gen-{key}-{verdict.replace(' ', '-')}"
                values[name] = (int((table["verdict"] == verdict).sum()), 0)
        copied = found.amplification
        values["gen-share-more-extreme"] = (100 * copied.more_extreme.value, 0)
        values["gen-share-copying"] = (100 * copied.copying, 0)
        values["gen-correlation"] = (copied.correlation.value, 2)
        values["gen-prompts"] = (len(found.balance["generated"]), 0)
        values["gen-flagged-count"] = (len(found.flagged), 0)
        values["gen-explaining-error"] = (100 * explaining_error(found), 1)
        shortfall = {k: int((found.drawn - t["n"]).sum()) for k, t in found.shares.items()}
        values["gen-drawn"] = (found.drawn, 0)
        values["gen-missing-generated"] = (shortfall["generated"], 0)
        values["gen-missing-edited"] = (shortfall["edited"], 0)
    for name in _NUMBERS:
        value, digits = values.get(name, (None, 0))
        show_or_say(name, value, digits=digits)
    show_or_say("gen-minimum", minimum, digits=0)
    flagged = NOT_MEASURED if found is None else ", ".join(found.flagged)
    say("gen-flagged-names", flagged)


_NUMBERS = [
    *(f"gen-{what}-{key}" for key in NAMES for what in ("mean", "corrected", "floor", "detected")),
    "gen-mean-training-all",
    *(
        f"gen-{key}-{verdict}"
        for key in ("amplification", "intervention")
        for verdict in ("further", "closer", "not-resolved")
    ),
    "gen-share-more-extreme",
    "gen-share-copying",
    "gen-correlation",
    "gen-prompts",
    "gen-drawn",
    "gen-flagged-count",
    "gen-explaining-error",
    "gen-missing-generated",
    "gen-missing-edited",
]
