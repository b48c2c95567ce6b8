"""Words of the reports in plain words, and the pages of the book that say more."""

from __future__ import annotations

import os
from collections.abc import Iterable

from bbb_core.errors import InputError

__all__ = ["TERMS", "book", "explained"]

TERMS: dict[str, tuple[str, str]] = {
    "share": ("Part of the images that are read as a group.", "fairness_criteria"),
    "imbalance": (
        "Distance of the shares from the target: how much of the images would have to change "
        "group. 0 is balanced.",
        "fairness_criteria",
    ),
    "floor": (
        "Imbalance that a perfectly balanced generator shows by chance in as many images. A "
        "measured imbalance near it is no evidence of bias.",
        "published_generations",
    ),
    "interval": (
        "Values that the data leave possible for the generator or the score, not for these images "
        "alone. The level says how often such intervals are right.",
        "fairness_criteria",
    ),
    "Holm's correction": (
        "Makes p-values of many comparisons larger, so that one false finding among all of them "
        "stays as rare as among one.",
        "published_generations",
    ),
    "multiaccuracy error": (
        "Largest amount by which the score is too low or too high for a group on average, times "
        "the group's share. 0 is fair.",
        "alignment_auditing",
    ),
    "multicalibration error": (
        "The same within every level of the score: whether a given score means the same for all "
        "groups. 0 is fair.",
        "alignment_auditing",
    ),
    "gap of a score": (
        "Difference of two groups' mean scores for the same prompts, in standard deviations. "
        "Unfair only if the truth does not depend on the group.",
        "real_alignment_scores",
    ),
    "gap of an embedding": (
        "Cosine of a prompt with the first group's prompt minus that with the second group's.",
        "embedding_bias",
    ),
    "gap beyond the baseline": (
        "Gap minus that of nouns that name no occupation, such as “person”. 0 is treated alike.",
        "embedding_bias",
    ),
    "position": (
        "Where a prompt lies between two groups' prompts: 0 at one, 1 at the other, 0.5 half way.",
        "inheritance",
    ),
    "total variation": (
        "Largest difference between the chances that two prompts give to any one thing: 0 if they "
        "draw alike, 1 if nothing is drawn by both.",
        "imbalanced_generations",
    ),
    "delta": (
        "How often a prompt that names a group fails to draw it, at most. An assumption.",
        "imbalanced_generations",
    ),
    "slope": ("How fast the log-odds of a group change on the way between prompts.", "inheritance"),
    "switch": ("Position at which both groups are drawn alike.", "inheritance"),
}
"""From a word to its meaning and the page that defines it."""


def book() -> str:
    """Return the address of the book's pages, from ``BBB_BOOK_URL``; empty if it is not set.

    Raises
    ------
    InputError
        If it is no address of the web.
    """
    address = os.environ.get("BBB_BOOK_URL", "").strip()
    if address and not address.startswith(("https://", "http://")):
        raise InputError(f"BBB_BOOK_URL is {address!r}; give an address that begins with https://.")
    return address.rstrip("/")


def explained(words: Iterable[str]) -> list[dict[str, str | None]]:
    """Return word, meaning and address (None without `book`) of each of `words`."""
    base = book()
    return [
        {"term": word, "meaning": TERMS[word][0],
         "page": f"{base}/{TERMS[word][1]}.html" if base else None}
        for word in words
    ]  # fmt: skip
