"""What few images show of a generator: floor, width and exact coverage of the imbalance."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import stats

from bbb_core.balance import representational_balance, sampling_floor
from bbb_core.stats import binomial_interval

__all__ = [
    "balanced_samples",
    "coverage_curves",
    "interval_coverage",
    "least_coverage",
    "one_group_ratios",
]


def balanced_samples(sizes: list[int]) -> pd.DataFrame:
    """Return what a perfectly balanced two-group generator shows in n images.

    Columns: ``n``, ``floor`` (mean imbalance), ``high`` (its 95 % quantile), ``half_width`` of the
    exact interval of a balanced sample.
    """
    rows = []
    for n in sizes:
        k = np.arange(n + 1)
        imbalance = np.abs(k / n - 0.5)
        order = np.argsort(imbalance, kind="stable")
        reached = np.cumsum(stats.binom.pmf(k, n, 0.5)[order]) >= 0.95
        low, high = binomial_interval(n // 2, n)
        rows.append(
            {
                "n": n,
                "floor": sampling_floor(n),
                "high": float(imbalance[order][reached][0]),
                "half_width": max(0.5 - low, high - 0.5),
            }
        )
    return pd.DataFrame(rows)


def interval_coverage(n: int, shares: np.ndarray, *, confidence: float = 0.95) -> np.ndarray:
    """Return the exact coverage of the imbalance interval of n images, per true share.

    Every possible count is enumerated; two groups, equal targets.
    """
    k = np.arange(n + 1)
    low, high = binomial_interval(k, n, confidence=confidence)
    least = np.maximum(np.maximum(low - 0.5, 0.5 - high), 0)
    most = np.maximum(np.abs(low - 0.5), np.abs(high - 0.5))
    truth = np.abs(shares - 0.5)[:, None]
    covered = (least <= truth + 1e-12) & (truth <= most + 1e-12)
    return (stats.binom.pmf(k, n, shares[:, None]) * covered).sum(axis=1)


def coverage_curves(sizes: list[int], *, confidence: float = 0.95) -> pd.DataFrame:
    """Return `interval_coverage` on a grid of true shares (the index), one column per size."""
    shares = np.linspace(0, 1, 501)
    curves = {f"n = {n}": interval_coverage(n, shares, confidence=confidence) for n in sizes}
    return pd.DataFrame(curves, index=pd.Index(shares, name="share"))


def least_coverage(sizes: list[int], shares: np.ndarray, *, confidence: float = 0.95) -> float:
    """Return the smallest exact coverage of the imbalance interval over sizes and shares."""
    return min(float(interval_coverage(n, shares, confidence=confidence).min()) for n in sizes)


def one_group_ratios(groups: Iterable[int], *, n: int) -> list[float]:
    """Return reported over largest possible imbalance of `n` images of one group out of k.

    The other k - 1 groups are named by the target only. One is right; a measure that looks at the
    observed groups only would give zero.
    """
    ratios = []
    for k in groups:
        target = {f"group {i}": 1 / k for i in range(k)}
        only = representational_balance({"group 0": n}, target=target)
        ratios.append(only.imbalance / (1 - 1 / k))
    return ratios
