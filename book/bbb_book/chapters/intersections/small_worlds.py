"""Small worlds of gender and tone in which balance is computed exactly."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bbb_book.chapters.fairness_criteria.internal_balance import internal_imbalance
from bbb_book.chapters.intersections.product_balance import intersectional_balance

__all__ = ["WORLDS", "worlds"]

WORLDS = {
    "every cell alike": [[1, 1, 1], [1, 1, 1]],
    "dark women missing": [[2, 2, 0], [1, 1, 2]],
    "one gender per tone": [[2, 0, 1], [0, 2, 1]],
    "women of one tone only": [[3, 0, 0], [1, 1, 1]],
    "men of all tones, no women": [[0, 0, 0], [2, 2, 2]],
}
"""Tables of parts, gender by three tones, for the definitions worked by hand."""


def worlds() -> pd.DataFrame:
    """Return margins, joint law and internal imbalance (D3) of small worlds, exactly.

    A picture is a cell. "women" and "men" are the prompts that name a gender and draw all tones
    alike; the last column compares the prompts that name a cell.
    """
    tones = ("light", "medium", "dark")
    rows = {}
    for name, parts in WORLDS.items():
        table = np.array(parts)
        b = intersectional_balance(table, rows=("woman", "man"), columns=tones)
        neutral = table.ravel() / table.sum()
        named = np.repeat(np.eye(2), 3, axis=1) / 3  # laws of the prompts for women and for men
        internal = internal_imbalance(np.abs(neutral - named).sum(axis=1) / 2)
        rows[name] = {
            "gender": b.first.imbalance,
            "tone": b.second.imbalance,
            "if independent": b.product,
            "joint": b.joint.imbalance,
            "internal, genders": internal,
            "internal, cells": float(neutral.max() - neutral.min()),
        }
    return pd.DataFrame.from_dict(rows, orient="index").map("{:.2f}".format)
