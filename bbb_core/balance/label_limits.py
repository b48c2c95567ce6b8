"""Limits of corrected shares, by method: a linear program, limits in squares, draws (T7)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import optimize

from bbb_core.balance.confusion import Confusion
from bbb_core.errors import InputError
from bbb_core.stats import multinomial_intervals
from bbb_core.stats.bounded import bounded_mean_interval

__all__ = ["combined_range", "exact_range", "jeffreys_range", "solve", "to_simplex"]


def solve(rates: Any, q: Any) -> np.ndarray:
    """Solve M^T s = q in least squares under sum(s) = 1; batched over leading dimensions."""
    reduced = rates[..., :-1, :] - rates[..., -1:, :]
    inverse = np.linalg.pinv(np.swapaxes(reduced, -1, -2))  # [..., groups - 1, labels]
    head = (inverse @ (q - rates[..., -1, :])[..., None])[..., 0]
    return np.concatenate([head, 1 - head.sum(axis=-1, keepdims=True)], axis=-1)


def to_simplex(s: np.ndarray) -> np.ndarray:
    """Return the nearest point whose values lie in [0, 1] and sum to one (last axis)."""
    ordered = -np.sort(-s, axis=-1)
    excess = (np.cumsum(ordered, axis=-1) - 1) / np.arange(1, s.shape[-1] + 1)
    last = (ordered > excess).sum(axis=-1, keepdims=True) - 1
    return np.maximum(s - np.take_along_axis(excess, last, axis=-1), 0.0)


def exact_range(x: np.ndarray, matrix: Confusion, level: float) -> np.ndarray:
    """Return, per group, the range of shares that some rates and readings in their boxes allow."""
    certain = matrix.counts is None
    half = level if certain else 1 - (1 - level) / 2
    q = multinomial_intervals(x, confidence=half)
    box = matrix.intervals(confidence=half)  # [groups, labels, 2]
    g, m = matrix.rates.shape
    flows = np.eye(g * m).reshape(g, m, g * m)  # flows[a, l] picks w_al
    share = flows.sum(axis=1)  # [groups, flows]; s_a = sum_l w_al
    above = box[:, :, :1] * share[:, None, :] - flows  # M_low s_a <= w_al
    below = flows - box[:, :, 1:] * share[:, None, :]  # w_al <= M_high s_a
    read = flows.sum(axis=0)  # [labels, flows]; q_l = sum_a w_al
    rows = np.concatenate([above.reshape(g * m, -1), below.reshape(g * m, -1), read, -read])
    limits = np.concatenate([np.zeros(2 * g * m), q[:, 1], -q[:, 0]])
    problem = {
        "A_ub": rows,
        "b_ub": limits,
        "A_eq": np.ones((1, g * m)),
        "b_eq": [1.0],
        "bounds": (0, 1),
        "method": "highs",
    }
    ends = np.empty((g, 2))
    for a in range(g):
        for side, sign in enumerate((1.0, -1.0)):
            solved = optimize.linprog(sign * share[a], **problem)
            if solved.status == 2:
                raise InputError(
                    "counts cannot come from this confusion matrix, whatever the shares: the "
                    "reader treats these images otherwise; give 'none of these' a row, or measure "
                    "the confusion matrix on such images."
                )
            if solved.status != 0:
                raise RuntimeError(f"the linear program of the interval failed: {solved.message}")
            ends[a, side] = sign * solved.fun
    return ends.clip(0, 1)


def combined_range(x: np.ndarray, matrix: Confusion, level: float) -> np.ndarray:
    """Return, per group, the hull of the shares that are not rejected, within `exact_range`."""
    outer = exact_range(x, matrix, level)
    g = len(matrix.groups)
    each = level if g == 2 else 1 - (1 - level) / g  # two shares are one number
    duals = solve(matrix.rates, np.eye(len(matrix.labels))).T  # u_a . M_b is 1 for a = b, else 0
    ends = np.empty((g, 2))
    for a, u in enumerate(duals):
        value, below, above = _functional(u, x, each)
        rows = matrix.rates if matrix.counts is None else matrix.counts
        errors = [
            (0.0, 0.0) if matrix.counts is None else _functional(u, row, each)[1:] for row in rows
        ]
        own, others = errors[a], np.max(errors[:a] + errors[a + 1 :], axis=0)
        ends[a] = _not_rejected(value, (below, own[1], others[1]), (above, own[0], others[0]))
    low, high = np.maximum(ends[:, 0], outer[:, 0]), np.minimum(ends[:, 1], outer[:, 1])
    return np.where((low <= high)[:, None], np.stack([low, high], axis=1), outer)


def _functional(u: np.ndarray, counts: np.ndarray, level: float) -> tuple[float, float, float]:
    """Return the mean of u over readings, and how far its limits lie below and above."""
    if np.ptp(u) == 0:
        return float(u[0]), 0.0, 0.0
    e = bounded_mean_interval(
        u, least=float(u.min()), most=float(u.max()), counts=counts, confidence=level
    )
    return e.value, e.value - e.low, e.high - e.value


def _not_rejected(
    value: float, falling: tuple[float, ...], rising: tuple[float, ...]
) -> tuple[float, float]:
    r"""Return the hull of the shares s in [0, 1] that neither side rejects.

    With distances (A, B, C) s is rejected where
    :math:`\pm(v - s) > \sqrt{A^2 + s^2 B^2 + (1 - s)^2 C^2}`; the ends are roots of quadratics.
    """
    tried = [0.0, 1.0, min(max(value, 0.0), 1.0)]
    for a, b, c in (falling, rising):
        square = np.array([1 - b**2 - c**2, 2 * (c**2 - value), value**2 - a**2 - c**2])
        roots = np.roots(np.trim_zeros(square, "f"))
        tried += [float(r.real) for r in roots if abs(r.imag) < 1e-9 and 0 <= r.real <= 1]
    s = np.array(sorted(tried))
    kept = np.ones(len(s), dtype=bool)
    for sign, (a, b, c) in ((1, falling), (-1, rising)):
        kept &= sign * (value - s) <= np.sqrt(a**2 + (s * b) ** 2 + ((1 - s) * c) ** 2) + 1e-9
    return (float(s[kept][0]), float(s[kept][-1])) if kept.any() else (1.0, 0.0)


def jeffreys_range(
    x: np.ndarray, matrix: Confusion, level: float, n_draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Return, per group, quantiles of shares solved from draws of Jeffreys posteriors."""
    q = rng.dirichlet(x + 0.5, n_draws)
    if matrix.counts is None:
        rates = np.broadcast_to(matrix.rates, (n_draws, *matrix.rates.shape))
    else:
        rates = np.stack([rng.dirichlet(row + 0.5, n_draws) for row in matrix.counts], axis=1)
    shares = to_simplex(solve(rates, q))
    g = len(matrix.groups)
    tail = (1 - level) / 2 / (1 if g == 2 else g)  # two shares are one number
    return np.quantile(shares, [tail, 1 - tail], axis=0).T
