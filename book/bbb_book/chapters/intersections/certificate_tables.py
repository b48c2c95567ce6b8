"""What one certificate for all cells costs beyond one for gender."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.intersections.cell_certificate import READERS

__all__ = ["certificate_margin", "certificate_price", "certificate_table"]


def certificate_table(made: Mapping[str, Any]) -> pd.DataFrame:
    """Return the certificates as text."""
    rows = [
        {
            "prompts": f"{row['occupation']}, {row['first']:.3g} to {row['second']:.3g}",
            "classifier": row["reader"],
            "values": row["values"],
            "k*": row["step"],
            "distribution of x_k*": f"{row['law_bound']:.2f}",
            "changes after": f"{row['change_bound']:.2f}",
            "certified bound": f"{row['bound']:.2f}",
            "measured distance": f"{row['distance']:.2f} (at least {row['low']:.2f})",
        }
        for row in made["rows"]
    ]
    return pd.DataFrame(rows).set_index(["prompts", "classifier"])


def certificate_margin(made: Mapping[str, Any]) -> float:
    """Return the smallest certified bound minus lower limit of the measured distance."""
    return min(row["bound"] - row["low"] for row in made["rows"])


def certificate_price(made: Mapping[str, Any]) -> dict[str, float]:
    """Return what all cells cost beyond gender alone: the largest difference over the pairs."""
    bounds: dict[str, list[float]] = {name: [] for name in READERS}
    for row in made["rows"]:
        bounds[row["reader"]].append(row["bound"])
    gaps = np.array(bounds["gender x tone"]) - np.array(bounds["gender"])
    return {
        "value": float(gaps.max()),
        "low": float(gaps.max()),
        "high": float(gaps.max()),
        "n": len(gaps),
    }
