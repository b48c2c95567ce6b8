"""What each criterion says of a finite generator, and what it misses."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from bbb_book.chapters.fairness_criteria.finite_generator import FiniteGenerator

__all__ = ["counterexamples", "criteria_table", "shares_table"]


def counterexamples() -> dict[str, FiniteGenerator]:
    """Return generators over four pictures that one criterion calls fair and another does not.

    Pictures 1 and 2 are read as woman, 3 and 4 as man.
    """
    woman, man = [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]

    def made(neutral: list[float], named_woman: list[float]) -> FiniteGenerator:
        return FiniteGenerator(
            pictures=["1", "2", "3", "4"],
            readings=["woman", "woman", "man", "man"],
            neutral=neutral,
            groups={"woman": named_woman, "man": man},
        )

    return {
        "balanced mixture": made([0.5, 0.0, 0.25, 0.25], woman),
        "other women": made([0.0, 0.5, 0.25, 0.25], woman),
        "only other women": made([0.0, 1.0, 0.0, 0.0], woman),
        "group words ignored": made([0.0, 0.0, 0.5, 0.5], man),
    }


def criteria_table(generators: Mapping[str, FiniteGenerator]) -> pd.DataFrame:
    """Return separation (D1), imbalance (D2) and internal imbalance (D3) of each generator."""
    rows = {
        name: {
            "separation error (D1)": g.separation(),
            "imbalance (D2)": g.imbalance(),
            "internal imbalance (D3)": g.internal_imbalance(),
        }
        for name, g in generators.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def shares_table(generator: FiniteGenerator) -> pd.DataFrame:
    """Return the reader's share, the distance and the internal share of each group, rounded."""
    rows = {
        group: {
            "classifier's share": generator.share(group),
            "TV to the prompt that names it": generator.distances()[group],
            "internal share": generator.internal_shares()[group],
        }
        for group in generator.groups
    }
    return pd.DataFrame.from_dict(rows, orient="index").map("{:.3f}".format)
