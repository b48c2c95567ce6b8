"""Fidelity of the emoji generator: how often the named group and occupation are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bbb_book.data import emoji
from bbb_book.generators.studies import GROUPS
from bbb_book.results.claims import show_number
from bbb_core.stats import binomial_interval

__all__ = ["exact_share", "right_occupation", "separation", "show_group_settings", "worst_prompt"]


def exact_share(successes: int, n: int, *, confidence: float = 0.95) -> dict[str, float]:
    """Return a share with its exact interval, as the keywords of `results.record`."""
    low, high = binomial_interval(successes, n, confidence=confidence)
    return {"value": successes / n, "low": float(low), "high": float(high), "n": n}


def separation(drawn: Mapping[str, Any]) -> dict[str, float]:
    """Return the share of group-prompt images read as the named group, with its exact interval."""
    counts = np.asarray(drawn["group"])
    right = sum(int(counts[:, g, g].sum()) for g in range(len(GROUPS)))
    return exact_share(right, int(counts.sum()))


def worst_prompt(drawn: Mapping[str, Any]) -> dict[str, float]:
    """Return the lowest share among the group prompts; the interval holds for all together."""
    counts = np.asarray(drawn["group"])
    right = np.stack([counts[:, g, g] for g in range(len(GROUPS))], 1)
    n = int(counts[0, 0].sum())
    return exact_share(int(right.min()), n, confidence=1 - 0.05 / right.size)


def show_group_settings(n_group: int) -> None:
    """Glue how many images a group prompt has, and what its lower limit can be at best."""
    looks = len(emoji.OCCUPATIONS) * len(GROUPS)
    show_number("n-group-text", n_group, digits=0)
    best = exact_share(n_group, n_group, confidence=1 - 0.05 / looks)
    show_number("worst-possible", best["low"], digits=2)


def right_occupation(drawn: Mapping[str, Any]) -> dict[str, float]:
    """Return the share of group-prompt images that show the prompted occupation."""
    n = int(np.asarray(drawn["group"]).sum())
    return exact_share(int(np.asarray(drawn["occupation"]).sum()), n)
