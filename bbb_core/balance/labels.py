r"""Shares of true groups from the readings of an imperfect reader (T7, open question 3).

With confusion rates :math:`M_{al} = P(\text{read } l \mid \text{true } a)` the readings follow
:math:`q = M^\top s`; `correct_labels` solves for the shares s. It assumes that the reader treats
the counted images as it treated those that its errors were measured on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bbb_core import checks
from bbb_core.balance.confusion import Confusion
from bbb_core.errors import InputError
from bbb_core.stats.bounded import bounded_mean_interval
from bbb_core.stats.intervals import multinomial_intervals

__all__ = ["CorrectedShares", "UnexplainedCounts", "correct_labels"]

SINGULAR = 1e-6
"""Smallest singular value of the reduced confusion matrix that still identifies the shares."""


class UnexplainedCounts(InputError):
    """No shares of the true groups at all explain the counts."""


@dataclass(frozen=True, kw_only=True)
class CorrectedShares:
    """Shares of true groups, corrected for the reader's errors.

    Parameters
    ----------
    shares : dict
        Estimate per group, in [0, 1], summing to one.
    raw : dict
        The same before it is moved into that range; values outside it say that the reader's
        errors were measured on other images than these, or that n is small.
    interval : dict
        (low, high) per group; all hold together at `confidence`.
    method : str
        How the interval was made.
    confidence : float
        Its level.
    n : int
        Number of readings.
    """

    shares: dict[str, float]
    raw: dict[str, float]
    interval: dict[str, tuple[float, float]]
    method: str
    confidence: float
    n: int


def correct_labels(
    counts: Mapping[str, int],
    confusion: Confusion | Mapping[str, Mapping[str, int]],
    *,
    method: Literal["combined", "exact"] = "combined",
    confidence: float = 0.95,
) -> CorrectedShares:
    r"""Return the shares of the true groups, given readings and the reader's confusion matrix.

    The estimate solves :math:`M^\top s = q` (Rogan and Gladen); with more labels than groups, in
    least squares under :math:`\sum_a s_a = 1`. It is then moved to the nearest point with all
    shares in [0, 1].

    ``combined``: for each group a the labels get the numbers :math:`u_a` with
    :math:`u_a \cdot \hat M_b = 1` for b = a, else 0. At the true rates
    :math:`u_a \cdot q = s_a\, u_a \cdot M_a + \sum_{b \ne a} s_b\, u_a \cdot M_b`, and a share is
    rejected where both sides lie further apart than the limits of their terms, added in squares,
    allow. The limits are those of `bbb_core.stats.bounded.bounded_mean_interval`, Clopper and
    Pearson's for two labels; the other groups count with the widest of theirs. Bonferroni over
    groups, if there are more than two. Like Fieller's, the interval widens up to [0, 1] where the
    reader hardly tells the groups apart; it never leaves that of ``exact``.

    ``exact``: all s for which *some* M and q inside exact simultaneous intervals satisfy
    :math:`M^\top s = q`; half of the error rate is spent on q, half on M. In the flows
    :math:`w_{al} = s_a M_{al}` this is a linear program, so the range is found exactly. The
    intervals cover all shares together with at least the stated probability, at every sample
    size; they are about twice as wide as the others.

    Parameters
    ----------
    counts
        Readings ``{label: count}``; labels that are missing count zero.
    confusion
        A `Confusion`, or counts ``{true group: {label: count}}``. Give *none of these* a row of
        its own if the images may show none of the groups.
    method
        ``combined`` has a simulated level, ``exact`` a proved one (see above and Notes).

    Returns
    -------
    CorrectedShares

    Raises
    ------
    InputError
        If a label was never met in the confusion matrix, two groups are read alike (singular), or
        no shares at all can produce these readings.

    Notes
    -----
    Simulated coverage of ``combined`` at a nominal .95, 400 audits per design (standard error
    .011): .945 to 1.00 for two groups with shares .5, .1 and .02, read right in 95 and 95, 99 and
    70, 60 and 55 (hardly told apart) or 100 % of images, with 500 readings and 20 or 200 known
    images per group, or 20 and 10; 60 audits each: .97 to 1.00 with *none of these* as a third
    label, and for three groups, one of them rare, told apart well or hardly. Mean width with 500
    readings, 20 known images per group and 90 % read right: .41, for .78 of ``exact``.

    References
    ----------
    :cite:`rogan1978`; :cite:`zou2008` (limits in squares), :cite:`fieller1954`.

    Examples
    --------
    >>> table = {"a": {"a": 90, "b": 10}, "b": {"a": 20, "b": 80}}
    >>> found = correct_labels({"a": 55, "b": 45}, table)
    >>> round(found.shares["a"], 6), found.interval["a"][0] < 0.5 < found.interval["a"][1]
    (0.5, True)
    """
    level = checks.confidence_level(confidence)
    checks.choice("method", method, ("combined", "exact"))
    matrix = confusion if isinstance(confusion, Confusion) else Confusion.from_counts(confusion)
    x = _readings(counts, matrix)
    _identified(matrix)
    raw = _solve(matrix.rates, x / x.sum())
    shares = _to_simplex(raw)
    ends = (_exact_range if method == "exact" else _combined_range)(x, matrix, level)
    low, high = np.minimum(ends[:, 0], shares), np.maximum(ends[:, 1], shares)
    names = matrix.groups
    return CorrectedShares(
        shares=dict(zip(names, shares.tolist(), strict=True)),
        raw=dict(zip(names, raw.tolist(), strict=True)),
        interval=dict(zip(names, zip(low.tolist(), high.tolist(), strict=True), strict=True)),
        method=method,
        confidence=level,
        n=int(x.sum()),
    )


def _readings(counts: Mapping[str, int], matrix: Confusion) -> np.ndarray:
    x = checks.counts("counts", counts)
    for label, n in x.items():
        if label not in matrix.labels:
            raise InputError(
                f"counts[{label!r}] is {n}, but the confusion matrix has no such label; measure "
                "how often each group is read so."
            )
    return np.array([x.get(label, 0) for label in matrix.labels], dtype=np.float64)


def _identified(matrix: Confusion) -> None:
    reduced = matrix.rates[:-1] - matrix.rates[-1]  # [groups - 1, labels]
    singular = np.linalg.svd(reduced, compute_uv=False)
    if len(matrix.groups) > len(matrix.labels) or singular.min() < SINGULAR:
        raise InputError(
            "confusion is singular: the reader cannot tell some groups apart, so no shares follow "
            "from its labels; use another reader, or merge those groups."
        )


def _solve(rates: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Solve M^T s = q in least squares under sum(s) = 1, for `q` [..., labels]."""
    inverse = np.linalg.pinv((rates[:-1] - rates[-1]).T)  # [groups - 1, labels]
    head = (inverse @ (q - rates[-1])[..., None])[..., 0]
    return np.concatenate([head, 1 - head.sum(axis=-1, keepdims=True)], axis=-1)


def _to_simplex(s: np.ndarray) -> np.ndarray:
    """Return the nearest point whose values lie in [0, 1] and sum to one."""
    ordered = -np.sort(-s)
    excess = (np.cumsum(ordered) - 1) / np.arange(1, len(s) + 1)
    return np.maximum(s - excess[(ordered > excess).sum() - 1], 0.0)


def _exact_range(x: np.ndarray, matrix: Confusion, level: float) -> np.ndarray:
    """Return, per group, the range of shares that some rates and readings in their boxes allow."""
    from scipy import optimize

    half = 1 - (1 - level) / 2
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
                raise UnexplainedCounts(
                    "counts cannot come from this confusion matrix, whatever the shares: the "
                    "reader treats these images otherwise; give 'none of these' a row, or measure "
                    "the confusion matrix on such images."
                )
            if solved.status != 0:
                raise RuntimeError(f"the linear program of the interval failed: {solved.message}")
            ends[a, side] = sign * solved.fun
    return ends.clip(0, 1)


def _combined_range(x: np.ndarray, matrix: Confusion, level: float) -> np.ndarray:
    """Return, per group, the hull of the shares that are not rejected, within `_exact_range`."""
    outer = _exact_range(x, matrix, level)
    g = len(matrix.groups)
    each = level if g == 2 else 1 - (1 - level) / g  # two shares are one number
    duals = _solve(matrix.rates, np.eye(len(matrix.labels))).T  # u_a . M_b is 1 for a = b, else 0
    ends = np.empty((g, 2))
    for a, u in enumerate(duals):
        value, below, above = _mean_limits(u, x, each)
        errors = [_mean_limits(u, row, each)[1:] for row in matrix.counts]
        own, others = errors[a], np.max(errors[:a] + errors[a + 1 :], axis=0)
        ends[a] = _not_rejected(value, (below, own[1], others[1]), (above, own[0], others[0]))
    low, high = np.maximum(ends[:, 0], outer[:, 0]), np.minimum(ends[:, 1], outer[:, 1])
    return np.where((low <= high)[:, None], np.stack([low, high], axis=1), outer)


def _mean_limits(u: np.ndarray, counts: np.ndarray, level: float) -> tuple[float, float, float]:
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
