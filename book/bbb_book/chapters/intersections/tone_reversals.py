"""Associations of gender and tone, pooled over occupations and within them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.intersections.drawn_cells import cell_counts
from bbb_book.chapters.intersections.reversals import covariance_parts, find_reversals
from bbb_book.data.emoji import TONES
from bbb_core.stats import holm

__all__ = ["covariances", "reversal_rows", "reversal_table", "reversals_found"]


def reversal_table(generators: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return the search for reversals over all pairs of tones and all generators (Holm over all).

    ``first`` minus ``second`` tone in the share of men, pooled and within occupations.
    """
    found = []
    for name, drawn in generators.items():
        counts, _ = cell_counts(drawn)
        found.append(find_reversals(counts, columns=TONES).assign(generator=name))
    table = pd.concat(found, ignore_index=True)
    table["adjusted"] = holm(table["p_value"])
    table["reversal"] = table["adjusted"] <= 0.05
    return table


def reversals_found(table: pd.DataFrame) -> dict[str, float]:
    """Return the number of reversals that survive, and how many pairs were looked at."""
    count = int(table["reversal"].sum())
    return {"value": float(count), "low": count, "high": count, "n": len(table)}


def reversal_rows(table: pd.DataFrame, *, rows: int = 5) -> pd.DataFrame:
    """Return the pairs of tones that come nearest to a reversal, as text."""
    near = table.sort_values(["p_value", "generator"], kind="stable").head(rows)
    return pd.DataFrame(
        {
            "generator": near["generator"],
            "tones": near["first"] + " - " + near["second"],
            "pooled": [f"{x:+.3f}" for x in near["pooled"]],
            "within": [f"{x:+.3f}" for x in near["within"]],
            "p": [f"{x:.3f}" for x in near["p_value"]],
            "p, adjusted": [f"{x:.3f}" for x in near["adjusted"]],
        }
    ).set_index("generator")


def covariances(generators: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return the covariance of "read as man" and rank of tone, within and between occupations.

    The rank runs from light (1) to dark (5); the default yellow is left out.
    """
    rows = {}
    for name, drawn in generators.items():
        counts, _ = cell_counts(drawn)
        rows[name] = covariance_parts(counts[:, :, 1:], np.arange(1.0, len(TONES)))
    columns = ["within occupations", "between occupations"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)
