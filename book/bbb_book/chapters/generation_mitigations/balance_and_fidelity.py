"""What mitigations of the prompt do to balance and fidelity: claims and the table of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.generators import prompt_balance
from bbb_core.balance import mean_imbalance
from bbb_core.stats import binomial_interval

__all__ = [
    "fidelity_loss",
    "gain_over",
    "imbalance",
    "paired_change",
    "subclass_imbalance",
    "summary",
]


def _counts(made: Mapping[str, Any], methods: Sequence[str], method: str) -> np.ndarray:
    return np.asarray(made["counts"])[list(methods).index(method)]


def imbalance(made: Mapping[str, Any], methods: Sequence[str], method: str) -> dict[str, float]:
    """Return the mean imbalance under one mitigation, for occupations like these."""
    return prompt_balance.imbalance(_counts(made, methods, method))


def paired_change(made: Mapping[str, Any], methods: Sequence[str], method: str) -> dict[str, float]:
    """Return the mean change of imbalance by a mitigation, paired by occupation."""
    return gain_over(made, methods, method, "none")


def gain_over(
    made: Mapping[str, Any], methods: Sequence[str], method: str, other: str
) -> dict[str, float]:
    """Return the mean imbalance under one mitigation minus that under another, paired."""
    before, after = (_counts(made, methods, m) for m in (other, method))
    return prompt_balance.imbalance_change(before, after)


def subclass_imbalance(made: Mapping[str, Any], methods: Sequence[str]) -> dict[str, float]:
    """Return the mean over occupations of TV(readings, target) under subclass sampling.

    "None" is an outcome. Half of the images are drawn per group, which makes the shares less
    variable than the interval allows for.
    """
    counts = _counts(made, methods, "subclass")
    found = mean_imbalance(counts, target=(0.5, 0.5, 0.0))
    return prompt_balance.estimate_row(found.corrected, int(counts.sum()))


def fidelity_loss(made: Mapping[str, Any], methods: Sequence[str]) -> dict[str, float]:
    """Return the worst change of occupation fidelity by a mitigation, with joint exact limits."""
    right = np.asarray(made["occupation"]).sum(1)
    n = int(np.asarray(made["counts"])[0].sum())
    level = 1 - 0.05 / len(methods)
    ends = np.array([binomial_interval(int(k), n, confidence=level) for k in right])
    base = list(methods).index("none")
    others = [i for i in range(len(methods)) if i != base]
    worst = min(others, key=lambda i: right[i])
    return {
        "value": float(right[worst] - right[base]) / n,
        "low": float(ends[worst, 0] - ends[base, 1]),
        "high": float(ends[worst, 1] - ends[base, 0]),
        "n": n,
    }


def summary(made: Mapping[str, Any], methods: Sequence[str]) -> pd.DataFrame:
    """Return balance, fidelity and cost of every mitigation as text."""
    rows = {}
    for i, method in enumerate(methods):
        mean = imbalance(made, methods, method)
        counts = np.asarray(made["counts"])[i]
        rows[method] = {
            "imbalance": f"{mean['value']:.2f} [{mean['low']:.2f}, {mean['high']:.2f}]",
            "right occupation": f"{np.asarray(made['occupation'])[i].sum() / counts.sum():.3f}",
            "read as none": f"{counts[:, 2].sum() / counts.sum():.3f}",
            "evaluations per image": f"{made['evaluations'][i]:.0f}",
        }
    return pd.DataFrame(rows).T.rename_axis("mitigation")
