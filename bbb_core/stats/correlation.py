"""Correlation with a bootstrap interval and a permutation test."""

from __future__ import annotations

from itertools import permutations
from typing import Any, Literal

import numpy as np
from scipy import stats

from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.stats.permutation import Alternative, PermutationTest, _draws, _region
from bbb_core.stats.resampling import Estimate, bootstrap
from bbb_core.stats.rounding import rounding_error, snapped

__all__ = ["correlation", "correlation_test"]

Kind = Literal["pearson", "spearman"]
ENUMERATED = 8
"""Up to this many pairs all n! pairings are counted (40,320)."""


def _pearson(x: np.ndarray, y: np.ndarray, axis: int) -> Any:
    x, y = (v - v.take([0], axis=axis) for v in (x, y))  # what is constant becomes exactly zero
    x, y = (v - v.mean(axis=axis, keepdims=True) for v in (x, y))
    top = (x * y).sum(axis=axis)
    bottom = np.sqrt((x**2).sum(axis=axis) * (y**2).sum(axis=axis))
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0).clip(-1, 1)


def _spearman(x: np.ndarray, y: np.ndarray, axis: int) -> Any:
    return _pearson(stats.rankdata(x, axis=axis), stats.rankdata(y, axis=axis), axis)


def _pairs(x: Any, y: Any, method: str) -> tuple[np.ndarray, np.ndarray]:
    checks.choice("method", method, ("pearson", "spearman"))
    """Return both sides in float64, equal where they differ by rounding alone."""
    given = {name: checks.vector(name, v, minimum=4) for name, v in (("x", x), ("y", y))}
    checks.same_shape(**given)
    sides = []
    for name, values in given.items():
        side = snapped(np.asarray(values, dtype=np.float64), rounding_error(values))
        if (side == side[0]).all():
            raise InputError(f"{name} is constant at {side[0]:g}; a correlation needs variation.")
        sides.append(side)
    return sides[0], sides[1]


def correlation(
    x: Any,
    y: Any,
    *,
    method: Kind = "pearson",
    confidence: float = 0.95,
    n_resamples: int = 9999,
    rng: np.random.Generator,
) -> Estimate:
    """Return the correlation of pairs in [-1, 1] with a BCa interval over resampled pairs.

    A resample in which one side is constant counts as correlation zero. At least four pairs; with
    fewer than about 20 the interval covers somewhat less than it says.

    Raises
    ------
    InputError
        If one side is constant, too short, of another length or not finite.

    Examples
    --------
    >>> from bbb_core.rng import generator
    >>> x = np.arange(12.0)
    >>> correlation(x, x**3, method="spearman", rng=generator(0), n_resamples=200).value
    1.0
    """
    a, b = _pairs(x, y, method)
    measure = _pearson if method == "pearson" else _spearman
    return bootstrap(
        measure, a, b, n_resamples=n_resamples, confidence=confidence, rng=rng, method="bca"
    )


def correlation_test(
    x: Any,
    y: Any,
    *,
    method: Kind = "pearson",
    alternative: Alternative = "two-sided",
    n_permutations: int = 9999,
    rng: np.random.Generator | None = None,
) -> PermutationTest:
    """Test whether `x` and `y` are paired at random: exact up to eight pairs, else Monte Carlo.

    Examples
    --------
    >>> correlation_test([1, 2, 3, 4], [1, 2, 3, 4], alternative="greater").p_value  # 1 / 4!
    0.041666666666666664
    """
    checks.choice("alternative", alternative, ("two-sided", "greater", "less"))
    draws = checks.integer("n_permutations", n_permutations, low=1)
    a, b = _pairs(x, y, method)
    if method == "spearman":
        a, b = stats.rankdata(a), stats.rankdata(b)
    observed = float(_pearson(a, b, axis=-1))
    low, high = _region(observed, 1e-12, alternative)
    unit_a, unit_b = ((v - v.mean()) / np.linalg.norm(v - v.mean()) for v in (a, b))
    if len(a) <= ENUMERATED:
        values = unit_b[np.array(list(permutations(range(len(a)))))] @ unit_a
        extreme = np.zeros(len(values), bool)
        extreme |= (values >= high) if high is not None else False
        extreme |= (values <= low) if low is not None else False
        p = 1.0 if low is not None and high is not None and low >= high else float(extreme.mean())
        return PermutationTest(observed, p, True, len(values))
    if rng is None:
        raise InputError("rng is missing; pass bbb_core.rng.generator(seed) for Monte Carlo.")

    def draw(k: int) -> np.ndarray:
        return rng.permuted(np.broadcast_to(unit_b, (k, len(b))), axis=1) @ unit_a

    return PermutationTest(observed, _draws(draw, draws, len(a), low, high), False, draws)
