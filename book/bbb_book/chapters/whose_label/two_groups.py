r"""Shares of two groups from one event, as closed forms over arrays (T7, chapter "Whose label?").

An event B, such as "read as woman", occurs at rate t among images of group a, at rate f among
those of group b, and at rate q among the images to be judged. If these are a mixture with share
s of group a, then :math:`q = s\,t + (1 - s)\,f`. Every approach of the chapter is this
equation with other knowledge of t and f. All functions work on arrays, so that thousands of
simulated audits cost one call; for more groups and labels see `bbb_core.balance.labels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.stats import binomial_interval

__all__ = [
    "answered_share",
    "bounded_shares",
    "compatible_shares",
    "corrected_shares",
    "corrected_value",
    "leaky_shares",
    "reading_rate",
    "shares_from_odds",
]


def _rates(name: str, x: Any) -> np.ndarray:
    return np.asarray(checks.probability(name, np.asarray(x, dtype=np.float64)))


def _box(name: str, x: Any) -> tuple[np.ndarray, np.ndarray]:
    values = _rates(name, x)
    if values.ndim < 1 or values.shape[-1] != 2:
        raise InputError(f"{name} has shape {values.shape}; the last axis holds (low, high).")
    if (values[..., 0] > values[..., 1]).any():
        raise InputError(f"{name} has a low end above its high end; swap them.")
    return np.asarray(values[..., 0]), np.asarray(values[..., 1])


def reading_rate(share: Any, t: Any, f: Any) -> np.ndarray:
    """Return q = s t + (1 - s) f, the rate of the event among images with share s of group a.

    Examples
    --------
    >>> float(reading_rate(0.5, 0.9, 0.2))
    0.55
    """
    s, t, f = (_rates(n, x) for n, x in (("share", share), ("t", t), ("f", f)))
    return np.asarray(s * t + (1 - s) * f)


def corrected_value(q: Any, t: Any, f: Any) -> np.ndarray:
    r"""Return the share :math:`(q - f)/(t - f)`, moved into [0, 1] (Rogan and Gladen).

    NaN where t = f: the event then says nothing about groups.

    References
    ----------
    Rogan and Gladen (1978), ``rogan1978`` in the references.

    Examples
    --------
    >>> round(float(corrected_value(0.55, 0.9, 0.2)), 6)
    0.5
    """
    q, t, f = (_rates(n, x) for n, x in (("q", q), ("t", t), ("f", f)))
    gap = t - f
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gap == 0, np.nan, np.clip((q - f) / gap, 0, 1))


def compatible_shares(q: Any, t: Any, f: Any) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the range of shares s with s t + (1 - s) f = q for some t, f and q in given ranges.

    .. math:: s\,(t_- - f_-) \le q_+ - f_- \quad\text{and}\quad s\,(t_+ - f_+) \ge q_- - f_+

    Both conditions are linear in s, so the set is an interval; it is sharp. If the ranges hold
    together with some probability, the interval covers s with at least that probability.

    Parameters
    ----------
    q, t, f
        Ranges ``[..., 2]`` of (low, high); they broadcast.

    Returns
    -------
    low, high
        Within [0, 1]; NaN where no share is possible: the images are no mixture of the groups,
        or the ranges do not apply to them.

    Examples
    --------
    >>> low, high = compatible_shares([0.5, 0.6], [0.9, 0.9], [0.2, 0.2])
    >>> round(float(low), 3), round(float(high), 3)
    (0.429, 0.571)
    """
    (q0, q1), (t0, t1), (f0, f1) = _box("q", q), _box("t", t), _box("f", f)
    shape = np.broadcast_shapes(q0.shape, t0.shape, f0.shape)
    low, high, possible = np.zeros(shape), np.ones(shape), np.ones(shape, dtype=bool)
    # s (t0 - f0) <= q1 - f0, and (t1 - f1) s >= q0 - f1 turned into the same form
    for slope, room in ((t0 - f0, q1 - f0), (f1 - t1, f1 - q0)):
        with np.errstate(divide="ignore", invalid="ignore"):
            end = room / slope
        high = np.where(slope > 0, np.minimum(high, end), high)
        low = np.where(slope < 0, np.maximum(low, end), low)
        possible = possible & ((slope != 0) | (room >= 0))
    possible = possible & (low <= high)
    return np.where(possible, low, np.nan), np.where(possible, high, np.nan)


def corrected_shares(
    seen: Any,
    n: Any,
    *,
    seen_a: Any,
    n_a: Any,
    seen_b: Any,
    n_b: Any,
    drift: float = 0.0,
    confidence: float = 0.95,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return an interval of the share of group a with guaranteed coverage.

    Half of the error rate is spent on q, a quarter each on t and f (exact binomial intervals);
    then `compatible_shares`. With ``drift=0`` it equals `correct_labels` with method ``exact``,
    whose ``combined`` limits are about half as wide and were simulated.

    Parameters
    ----------
    seen, n
        Occurrences of the event among n images of unknown groups.
    seen_a, n_a, seen_b, n_b
        The same among images known to show group a, and group b. Or, for the label-free approach,
        among images drawn from the prompts that name the groups.
    drift
        How far t and f may lie from the rates of those images, in [0, 1].
    """
    alpha = 1 - checks.confidence_level(confidence)
    slack = checks.number("drift", drift, low=0, high=1)
    q = np.stack(binomial_interval(seen, n, confidence=1 - alpha / 2), axis=-1)
    boxes = [
        np.stack(binomial_interval(k, m, confidence=1 - alpha / 4), axis=-1)
        for k, m in ((seen_a, n_a), (seen_b, n_b))
    ]
    t, f = (np.clip(box + np.array([-slack, slack]), 0, 1) for box in boxes)
    return compatible_shares(q, t, f)


def bounded_shares(
    seen: Any, n: Any, *, error: Any, refused: Any = 0, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the bounds on the share of group a if only a bound e on the reader's error is known.

    At most a share e of *each* group is read as the other one; images may be refused, in any way:

    .. math:: \frac{q_a - e}{1 - e} \le s_a \le \frac{1 - q_b}{1 - e}

    With no refusals :math:`1 - q_b = q_a`; with e = 0 they are the worst case over whom the reader
    refused.

    Parameters
    ----------
    seen, n
        Images read as group a, of n.
    refused
        Images that the reader refused, of the same n.

    Examples
    --------
    >>> low, high = bounded_shares(500_000, 1_000_000, error=0.1, refused=100_000)
    >>> round(float(low), 2), round(float(high), 2)
    (0.44, 0.67)
    """
    level = checks.confidence_level(confidence)
    e = _rates("error", error)
    if (e >= 1).any():
        raise InputError("error reaches 1; pass shares below 1.")
    k, m, r = (np.asarray(x, dtype=np.float64) for x in (seen, n, refused))
    whole = not (r > 0).any()
    each = level if whole else 1 - (1 - level) / 2  # one binomial, or two
    first = np.asarray(binomial_interval(k, m, confidence=each)[0])
    last = np.asarray(binomial_interval(k + r, m, confidence=each)[1])
    low, high = (first - e) / (1 - e), last / (1 - e)
    return np.asarray(np.clip(low, 0, 1)), np.asarray(np.clip(high, 0, 1))


def leaky_shares(low: Any, high: Any, *, leak: Any) -> tuple[np.ndarray, np.ndarray]:
    r"""Turn an interval of the mixture weight w into one of the share read as group a (D1, D3).

    If at most a share :math:`\delta` of what each group prompt draws is read otherwise, then
    :math:`w (1 - \delta) \le D_p(S_a) \le w + (1 - w)\,\delta`.

    Examples
    --------
    >>> [round(float(x), 2) for x in leaky_shares(0.4, 0.6, leak=0.1)]
    [0.36, 0.64]
    """
    a, b, delta = _rates("low", low), _rates("high", high), _rates("leak", leak)
    return np.asarray(a * (1 - delta)), np.asarray(b + (1 - b) * delta)


def answered_share(share: Any, answer_a: Any, answer_b: Any) -> np.ndarray:
    r"""Return the share of group a among answered images, if groups are answered at these rates.

    :math:`s\,r_a / (s\,r_a + (1 - s)\,r_b)`: equal to s for every s only if the rates are equal.

    Examples
    --------
    >>> round(float(answered_share(0.5, 0.9, 0.6)), 3)
    0.6
    """
    s, a, b = (_rates(n, x) for n, x in (("share", share), ("answer_a", answer_a),
                                         ("answer_b", answer_b)))  # fmt: skip
    total = s * a + (1 - s) * b
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, s * a / total, np.nan)


def shares_from_odds(low: Any, high: Any, *, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    r"""Bound the share of group a by that among answered images and a bound on the rates' ratio.

    Since the odds of s are the odds among answered images times :math:`r_b / r_a`, a ratio within
    :math:`[1/\rho, \rho]` moves them by at most that factor.

    Parameters
    ----------
    low, high
        Interval of the share among answered images.
    ratio
        :math:`\rho \ge 1`; one says that refusal does not depend on the group.

    Examples
    --------
    >>> [round(float(x), 3) for x in shares_from_odds(0.5, 0.5, ratio=1.5)]
    [0.4, 0.6]
    """
    a, b = _rates("low", low), _rates("high", high)
    rho = checks.number("ratio", ratio, low=1)
    return np.asarray(a / (a + (1 - a) * rho)), np.asarray(b * rho / (b * rho + (1 - b)))
