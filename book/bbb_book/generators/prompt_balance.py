"""Balance of the neutral prompts of a generator of emoji people, from the counts of readings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bbb_core.balance import mean_change, mean_imbalance
from bbb_core.stats import Estimate

__all__ = ["estimate_row", "group_counts", "imbalance", "imbalance_change", "women_share"]


def women_share(drawn: Mapping[str, Any]) -> np.ndarray:
    """Return (women - men) / images per neutral prompt, in [-1, 1]; 0 is balance."""
    counts = np.asarray(drawn["neutral"], float)
    return (counts[:, 1] - counts[:, 0]) / counts.sum(1)


def group_counts(counts: Any) -> np.ndarray:
    """Return the counts of men and women, [occupations, 2], from those of men, women and none.

    Images read as none lean to no group. An occupation without any other gets a single image:
    one image leaves every imbalance possible.
    """
    groups = np.asarray(counts)[:, :2]
    return np.where(groups.sum(1, keepdims=True) == 0, np.array([1, 0]), groups)


def imbalance(counts: Any) -> dict[str, float]:
    """Return the mean imbalance of prompts with these counts, for occupations like these."""
    groups = group_counts(counts)
    return estimate_row(mean_imbalance(groups, prompts="sampled").corrected, len(groups))


def imbalance_change(before: Any, after: Any) -> dict[str, float]:
    """Return the mean change of the imbalance, paired by occupation."""
    first, second = group_counts(before), group_counts(after)
    return estimate_row(mean_change(first, second, prompts="sampled"), len(second))


def estimate_row(found: Estimate, n: int) -> dict[str, float]:
    """Return an estimate as the keywords of `results.record`; its ends enclose its value."""
    low, high = min(found.low, found.value), max(found.high, found.value)
    return {"value": found.value, "low": low, "high": high, "n": n}
