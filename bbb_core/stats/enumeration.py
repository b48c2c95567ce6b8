"""Exact null distributions of sums by meeting in the middle (used by `permutation`)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["HALF_SUMS", "count_signs", "count_splits", "sign_work", "split_work"]

HALF_SUMS = 2**22
"""Largest number of subset sums that one half may hold (memory below about 100 MB)."""


def _sums_by_size(values: np.ndarray, size: int) -> list[np.ndarray]:
    """Return, for j = 0..size, the sorted sums of all subsets of j values."""
    sums = [np.zeros(1, values.dtype)] + [values[:0]] * size
    for value in values:
        for j in range(size, 0, -1):
            sums[j] = np.concatenate([sums[j], sums[j - 1] + value])
    return [np.sort(s) for s in sums]


def _signed_sums(values: np.ndarray) -> np.ndarray:
    """Return the sorted sums over all 2^n choices of signs."""
    sums = np.zeros(1, values.dtype)
    for value in values:
        sums = np.concatenate([sums - value, sums + value])
    return np.sort(sums)


def _count(a: np.ndarray, b: np.ndarray, low: Any, high: Any) -> int:
    """Count pairs with a + b <= low or a + b >= high (None: no such end); `b` is sorted."""
    total = 0
    if high is not None:
        total += int((len(b) - np.searchsorted(b, high - a, side="left")).sum())
    if low is not None:
        total += int(np.searchsorted(b, low - a, side="right").sum())
    return total


def split_work(total: int, size: int) -> int:
    """Return how many subset sums one half of `total` values needs for subsets of `size`."""
    half = (total + 1) // 2
    return sum(math.comb(half, j) for j in range(min(size, total - size, half) + 1))


def sign_work(total: int) -> int:
    """Return how many signed sums one half of `total` values needs."""
    return 2 ** ((total + 1) // 2)


def count_splits(values: np.ndarray, size: int, low: Any, high: Any) -> int:
    """Count the subsets of `size` values whose sum is <= `low` or >= `high`.

    `values` must sum to zero (up to rounding), so that a subset and its complement carry opposite
    sums and the smaller of the two can be enumerated.
    """
    if 2 * size > len(values):
        size, values = len(values) - size, -values
    middle = len(values) // 2
    a, b = _sums_by_size(values[:middle], size), _sums_by_size(values[middle:], size)
    return sum(_count(a[j], b[size - j], low, high) for j in range(size + 1))


def count_signs(values: np.ndarray, low: Any, high: Any) -> int:
    """Count the 2^n signings of `values` whose sum is <= `low` or >= `high`."""
    middle = len(values) // 2
    return _count(_signed_sums(values[:middle]), _signed_sums(values[middle:]), low, high)
