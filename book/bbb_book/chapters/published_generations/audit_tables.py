"""Tables of the published audit: both ends of the list, and what assumptions are worth."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bbb_book.chapters.published_generations.count_audit import GenerationAudit
from bbb_book.chapters.published_generations.published_audit import ABSENT

__all__ = ["assumption_table", "extremes"]


def extremes(found: GenerationAudit | None, *, rows: int = 5) -> Any:
    """Return the prompts with the lowest and highest generated shares as a table of words."""
    if found is None:
        return _words(ABSENT)
    second = found.groups[1]
    order = found.shares["generated"]["share"].sort_values(kind="stable").index
    chosen = [*order[:rows], *order[-rows:]]
    keys = ("training", "generated", "edited")
    table = pd.DataFrame(
        {
            f"{key}, share read as {second}": [
                f"{found.shares[key]['share'][o]:.2f} (n = {found.shares[key]['n'][o]})"
                for o in chosen
            ]
            for key in keys
        },
        index=pd.Index(chosen, name="occupation"),
    )
    return table


def assumption_table(
    found: GenerationAudit | None, *, design_effect: float, reader_error: float
) -> Any:
    """Return what happens to four findings when their assumption is dropped, as a table."""
    if found is None:
        return _words(ABSENT)
    m = len(found.balance["generated"])
    words = {
        "independent": (
            f"one image in {design_effect:g} is independent",
            f"detectably imbalanced, of {m}",
            ".0f",
        ),
        "reader": (
            f"the classifier errs on {reader_error:.0%} of images",
            f"imbalanced all the same, of {m}",
            ".0f",
        ),
        "complete": (
            "images without a reading count as none of these", "mean imbalance", ".3f"
        ),
    }  # fmt: skip
    rows = []
    for _, row in found.assumptions.iterrows():
        dropped, quantity, form = words[row["dropped"]]
        ends = (format(row[key], form) for key in ("with", "without"))
        rows.append((dropped, f"{row['images']}: {quantity}", *ends))
    columns = ["dropped", "quantity", "with the assumption", "without it"]
    return pd.DataFrame(rows, columns=columns).set_index("dropped")


def _words(text: str) -> Any:
    from IPython.display import Markdown

    return Markdown(text)
