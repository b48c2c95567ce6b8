"""Intervals for shares with guaranteed coverage: binomial, multinomial, distance to a target."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy import special

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["binomial_interval", "multinomial_intervals", "tv_interval"]

ENUMERATED = 16
"""Up to this many outcomes the upper end of `tv_interval` is exact, beyond it a safe bound."""


def _whole(name: str, x: Any) -> np.ndarray:
    values = np.asarray(checks.finite(name, x), dtype=np.float64)
    if (values != np.floor(values)).any() or (values < 0).any():
        bad = values[(values != np.floor(values)) | (values < 0)].flat[0]
        raise InputError(f"{name} holds {bad:g}; pass whole numbers that are not negative.")
    return values


def binomial_interval(
    successes: Any,
    trials: Any,
    *,
    confidence: float = 0.95,
    side: Literal["both", "lower", "upper"] = "both",
) -> tuple[Any, Any]:
    r"""Return the exact confidence interval of a share, that of Clopper and Pearson.

    With :math:`\alpha = 1 -` `confidence` and :math:`k` successes in :math:`n` trials its ends
    solve :math:`P(X \ge k \mid l) = \alpha/2` and :math:`P(X \le k \mid h) = \alpha/2`. It covers
    the true share with probability at least `confidence`, whatever the share.

    Parameters
    ----------
    successes, trials
        Whole numbers or arrays that broadcast; ``trials >= 1``.
    side
        ``lower`` gives a one-sided bound ``[low, 1]`` at the full level, ``upper`` ``[0, high]``.

    Returns
    -------
    low, high
        Floats for scalar input, otherwise arrays.

    Raises
    ------
    InputError
        If a number is negative or not whole, or if there are more successes than trials.

    References
    ----------
    Clopper and Pearson (1934), ``clopper1934`` in the references.

    Examples
    --------
    >>> low, high = binomial_interval(0, 20)
    >>> low, round(high, 4)
    (0.0, 0.1684)
    """
    level = checks.confidence_level(confidence)
    checks.choice("side", side, ("both", "lower", "upper"))
    k, n = np.broadcast_arrays(_whole("successes", successes), _whole("trials", trials))
    if (n < 1).any():
        raise InputError("trials is 0; an interval needs at least one trial.")
    if (k > n).any():
        i = tuple(np.argwhere(k > n)[0])
        raise InputError(f"successes is {k[i]:g} but trials is {n[i]:g}; pass at most that many.")
    tail = (1 - level) / (2 if side == "both" else 1)
    low = np.where(k > 0, special.betaincinv(np.maximum(k, 1), n - k + 1, tail), 0.0)
    high = np.where(k < n, special.betainccinv(k + 1, np.maximum(n - k, 1), tail), 1.0)
    low = np.zeros_like(low) if side == "upper" else low
    high = np.ones_like(high) if side == "lower" else high
    return (float(low), float(high)) if np.ndim(low) == 0 else (low, high)


def multinomial_intervals(counts: Any, *, confidence: float = 0.95) -> np.ndarray:
    r"""Return simultaneous intervals of all shares of a multinomial sample, shape ``[k, 2]``.

    Construction: Clopper-Pearson intervals at level :math:`1 - \alpha/k` each (Bonferroni), then
    tightened by the fact that shares sum to one,
    :math:`l_i \leftarrow \max(l_i, 1 - \sum_{j \ne i} h_j)` and likewise above. All shares lie in
    their intervals together with probability at least `confidence`, for every sample size. Two
    outcomes are one binomial, so they get the whole :math:`\alpha` and no loss.

    Raises
    ------
    InputError
        If there are fewer than two outcomes or no observation.

    Examples
    --------
    >>> multinomial_intervals([0, 20]).round(4).tolist()
    [[0.0, 0.1684], [0.8316, 1.0]]
    """
    level = checks.confidence_level(confidence)
    x = _whole("counts", checks.vector("counts", counts, minimum=2))
    k = len(x)
    if x.sum() == 0:
        raise InputError("counts are all zero; nothing was counted, so there are no shares.")
    each = level if k == 2 else 1 - (1 - level) / k
    low, high = binomial_interval(x, x.sum(), confidence=each)
    if k == 2:  # one binomial: make the two intervals exact mirror images
        low, high = np.array([low[0], 1 - high[0]]), np.array([high[0], 1 - low[0]])
    low, high = (
        np.maximum(low, 1 - (high.sum() - high)),
        np.minimum(high, 1 - (low.sum() - low)),
    )
    return np.stack([low, high], axis=1)


def tv_interval(counts: Any, target: Any, *, confidence: float = 0.95) -> tuple[float, float]:
    r"""Return an interval with guaranteed coverage for the TV distance of shares from a target.

    It is the range of :math:`TV(s, \pi)` over all share vectors :math:`s` inside
    `multinomial_intervals` :math:`[l, h]`, so it covers whenever they do. The lower end is
    :math:`\max(\sum_i (l_i - \pi_i)^+, \sum_i (\pi_i - h_i)^+)`, the upper end
    :math:`\max_B \min(\sum_{i \in B} (h_i - \pi_i), \sum_{i \notin B} (\pi_i - l_i))` over sets
    of outcomes (beyond 16 outcomes its linear relaxation, which is never smaller). For two
    outcomes it is the exact binomial interval, carried over to :math:`|s - \pi|`. Zero is fair.

    Examples
    --------
    >>> low, high = tv_interval([0, 20], [0.5, 0.5])
    >>> round(low, 4), high
    (0.3316, 0.5)
    """
    box = multinomial_intervals(counts, confidence=confidence)
    pi = np.asarray(checks.distribution("target", target), dtype=np.float64)
    checks.same_shape(counts=np.asarray(counts), target=pi)
    above, below = box[:, 1] - pi, pi - box[:, 0]  # room above and below the target [k]
    low = max(np.maximum(-below, 0).sum(), np.maximum(-above, 0).sum())
    if len(pi) <= ENUMERATED:
        inside = (np.arange(2 ** len(pi))[:, None] >> np.arange(len(pi))) & 1  # sets B [2^k, k]
        high = np.minimum(inside @ above, (1 - inside) @ below).max()
    else:  # dual of the relaxation: convex and piecewise linear in the weight, least at a kink
        total = above + below
        kinks = np.concatenate([[0.0, 1.0], below[total > 0] / total[total > 0]]).clip(0, 1)
        parts = np.maximum(kinks[:, None] * above, (1 - kinks[:, None]) * below)
        high = parts.sum(axis=1).min()
    return float(low), float(min(max(high, low), 1.0))
