"""The audit of the published counts and the words that the chapter's prose takes from it."""

from __future__ import annotations

from typing import Any

from bbb_book.chapters.published_generations.count_audit import (
    GenerationAudit,
    audit_generations,
    explaining_error,
)
from bbb_book.data import published
from bbb_book.results.rules import NOT_MEASURED
from bbb_book.results.unmeasured import say, show_or_say
from bbb_core import checks
from bbb_core.balance.estimates import plug_in_imbalance

__all__ = ["ABSENT", "DRAWN", "NAMES", "audit", "finding", "show_numbers", "show_status"]

DRAWN = 250
"""Images per occupation in the fullest rows of the published files."""
NAMES = {
    "generated": "fair-diffusion-generated",
    "edited": "fair-diffusion-edited",
    "training": "fair-diffusion-laion",
}
ABSENT = "Not measured: the published counts were not at hand when this page was built."


def audit(source: str, **options: Any) -> GenerationAudit | None:
    """Audit the published counts; None if `source` is ``none`` or the files cannot be had.

    A file with a wrong hash or a malformed line is an error, not an absence.
    """
    checks.choice("source", source, ("published", "none"))
    if source == "none" or not published.available(*NAMES.values()):
        return None
    return audit_generations(*(published.load(name) for name in NAMES.values()), **options)


def show_status(found: GenerationAudit | None) -> None:
    """Glue ``gen-status``: whether the numbers of the page were measured."""
    measured = "All three files were read and their hashes verified; every number is computed."
    say("gen-status", ABSENT if found is None else measured)


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
        everyone = plug_in_imbalance(found.counts["training"].to_numpy()).mean()
        values["gen-mean-training-all"] = (everyone, 3)
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
        shortfall = {k: int((DRAWN - found.counts[k].sum(axis=1)).sum()) for k in NAMES}
        values["gen-missing-generated"] = (shortfall["generated"], 0)
        values["gen-missing-edited"] = (shortfall["edited"], 0)
    for name in _NUMBERS:
        value, digits = values.get(name, (None, 0))
        show_or_say(name, value, digits=digits)
    show_or_say("gen-minimum", minimum, digits=0)
    show_or_say("gen-drawn", DRAWN, digits=0)
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
    "gen-flagged-count",
    "gen-explaining-error",
    "gen-missing-generated",
    "gen-missing-edited",
]
