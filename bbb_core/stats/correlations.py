"""Correlation with a jackknife interval and a permutation test."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any, Literal

import numpy as np
from scipy import stats

from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.stats.permutation import Alternative, PermutationTest, extremes, rearrangement_test
from bbb_core.stats.resampling import Estimate
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
    """Return both sides in float64, equal where they differ by rounding alone."""
    checks.choice("method", method, ("pearson", "spearman"))
    given = {name: checks.vector(name, v, minimum=4) for name, v in (("x", x), ("y", y))}
    checks.same_shape(**given)
    sides = []
    for name, values in given.items():
        side = snapped(np.asarray(values, dtype=np.float64), rounding_error(values))
        if (side == side[0]).all():
            raise InputError(f"{name} is constant at {side[0]:g}; a correlation needs variation.")
        sides.append(side)
    return sides[0], sides[1]


def correlation(x: Any, y: Any, *, method: Kind = "pearson", confidence: float = 0.95) -> Estimate:
    r"""Return the correlation of pairs in [-1, 1] with an interval.

    On Fisher's scale :math:`z = \operatorname{artanh} r` the interval is Student's, with the
    jackknife's standard error :math:`s^2 = \frac{n-1}{n} \sum_i (z_{(i)} - \bar z)^2` over the
    correlations :math:`r_{(i)}` without pair i, and n - 2 degrees of freedom. It needs neither
    normal values nor equal spread.

    Parameters
    ----------
    x, y : array_like, shape [n]
        At least four pairs.
    method : {"pearson", "spearman"}

    Raises
    ------
    InputError
        If one side is constant, too short, of another length or not finite.

    Notes
    -----
    Simulated coverage at a nominal .95 with 6, 10, 20 and 60 pairs and correlations of 0, .5 and .9
    (500 samples each). Ranks: .94 to .99 for normal, log-normal, bounded, rounded and heavy-tailed
    (3 degrees of freedom) values, .91 to .99 where the spread of y grows with x. Pearson: .92 to
    .98 for normal, bounded, rounded and heavy-tailed values, .88 to .98 for log-normal ones and
    where the spread grows; Fisher's own error covers .67 to .86 there.

    Rank correlations beyond :math:`1 - n^{-2}` are moved there on Fisher's scale, which has no
    place for 1; where all ranks agree, Fisher's own error replaces the jackknife's, which is zero.

    References
    ----------
    :cite:`bonett2000` (error of rank correlations), :cite:`efron1987` for the jackknife.

    Examples
    --------
    >>> e = correlation(np.arange(12.0), np.arange(12.0) ** 3, method="spearman")
    >>> e.value, e.high, 0.8 < e.low < 1
    (1.0, 1.0, True)
    """
    level = checks.confidence_level(confidence)
    a, b = _pairs(x, y, method)
    n, ranks = len(a), method == "spearman"
    measure = _spearman if ranks else _pearson
    r = float(measure(a, b, axis=0))
    edge = 1 - (n**-2 if ranks else 1e-12)
    kept = (np.arange(n - 1) + (np.arange(n - 1) >= i) for i in range(n))
    left_out = np.array([float(measure(a[rows], b[rows], axis=0)) for rows in kept])
    z, without = np.arctanh(np.clip(r, -edge, edge)), np.arctanh(left_out.clip(-edge, edge))
    error = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    if abs(r) > edge:
        error = max(error, np.sqrt((1 + (r**2 / 2 if ranks else 0)) / (n - 3)))
    half = float(stats.t.ppf((1 + level) / 2, n - 2)) * error
    return Estimate(r, min(float(np.tanh(z - half)), r), max(float(np.tanh(z + half)), r), level)


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
    a, b = _pairs(x, y, method)
    if method == "spearman":
        a, b = stats.rankdata(a), stats.rankdata(b)
    observed = float(_pearson(a, b, axis=-1))
    unit_a, unit_b = ((v - v.mean()) / np.linalg.norm(v - v.mean()) for v in (a, b))
    n = len(a)

    def count(low: Any, high: Any) -> int:
        pairings = np.array(list(permutations(range(n))))
        return extremes(unit_b[pairings] @ unit_a, low, high)

    def draw(k: int, rng: np.random.Generator) -> np.ndarray:
        return rng.permuted(np.broadcast_to(unit_b, (k, n)), axis=1) @ unit_a

    return rearrangement_test(
        observed, observed, 1e-12, alternative,
        cases=math.factorial(n), count=count, possible=n <= ENUMERATED,
        draw=draw, size=n, n_permutations=n_permutations, rng=rng,
    )  # fmt: skip
