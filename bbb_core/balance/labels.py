r"""Shares of true groups from the readings of an imperfect reader (T7, open question 3).

With confusion rates :math:`M_{al} = P(\text{read } l \mid \text{true } a)` the readings follow
:math:`q = M^\top s`. `correct_labels` solves for the shares s; `partial_shares` needs only an
upper bound on the reader's error. Both assume that the reader treats the counted images as it
treated those that its errors were measured on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bbb_core import checks
from bbb_core.balance.confusion import Confusion
from bbb_core.balance.label_limits import (
    combined_range,
    exact_range,
    jeffreys_range,
    solve,
    to_simplex,
)
from bbb_core.errors import InputError
from bbb_core.stats import multinomial_intervals

__all__ = ["CorrectedShares", "correct_labels", "partial_shares"]

SINGULAR = 1e-6
"""Smallest singular value of the reduced confusion matrix that still identifies the shares."""


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
    method: Literal["combined", "exact", "jeffreys"] = "combined",
    confidence: float = 0.95,
    n_draws: int = 4000,
    rng: np.random.Generator | None = None,
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

    ``jeffreys``: q and the rows of M are drawn from their posteriors under Jeffreys' prior, and
    the equation is solved for each draw. Shorter; coverage is approximate (measured in the tests).

    Parameters
    ----------
    counts
        Readings ``{label: count}``; labels that are missing count zero.
    confusion
        A `Confusion`, or counts ``{true group: {label: count}}``. Give *none of these* a row of
        its own if the images may show none of the groups.
    method
        ``combined`` has a simulated level, ``exact`` a proved one (see above and Notes).
    n_draws, rng
        Of ``jeffreys``.

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
    checks.choice("method", method, ("combined", "exact", "jeffreys"))
    matrix = confusion if isinstance(confusion, Confusion) else Confusion.from_counts(confusion)
    x = _ordered(counts, matrix)
    _identified(matrix)
    raw = solve(matrix.rates, x / x.sum())
    shares = to_simplex(raw)
    if method == "exact":
        ends = exact_range(x, matrix, level)
    elif method == "combined":
        ends = combined_range(x, matrix, level)
    else:
        if rng is None:
            raise InputError("rng is None; pass a generator for the draws of method 'jeffreys'.")
        ends = jeffreys_range(x, matrix, level, checks.integer("n_draws", n_draws, low=100), rng)
    ends = np.stack([np.minimum(ends[:, 0], shares), np.maximum(ends[:, 1], shares)], axis=1)
    return CorrectedShares(
        shares=_named(matrix.groups, shares),
        raw=_named(matrix.groups, raw),
        interval={
            g: (float(lo), float(hi)) for g, (lo, hi) in zip(matrix.groups, ends, strict=True)
        },
        method=method,
        confidence=level,
        n=int(x.sum()),
    )


def partial_shares(
    counts: Mapping[str, int],
    *,
    error: float,
    known: Literal["overall", "per-group"] = "overall",
    confidence: float = 0.95,
) -> dict[str, tuple[float, float]]:
    r"""Return what can be said about each share if only a bound on the reader's error is known.

    ``overall``: at most a share e of *these* images is misread; then
    :math:`s_a \in [q_a - e, q_a + e]`. ``per-group``: of each group at most a share e is misread;
    then :math:`s_a \in [(q_a - e)/(1 - e),\ q_a/(1 - e)]`, which lies inside the former. Both are
    sharp for each share. The exact simultaneous intervals of q take the place of q.

    Parameters
    ----------
    counts
        Readings ``{label: count}``, at least two labels; every label can be a true state.
    error
        e, in [0, 1); `Confusion.error_bound` gives one.

    Returns
    -------
    dict
        (low, high) per label, within [0, 1].

    Examples
    --------
    >>> ends = partial_shares({"a": 900_000, "b": 100_000}, error=0.1)
    >>> round(ends["a"][0], 2), round(ends["a"][1], 2)
    (0.8, 1.0)
    """
    x = checks.counts("counts", counts)
    e = checks.number("error", error, low=0)
    if e >= 1:
        raise InputError(f"error is {error}; pass a share below 1.")
    checks.choice("known", known, ("overall", "per-group"))
    if len(x) < 2:
        raise InputError("counts has one label; pass at least two.")
    box = multinomial_intervals(
        np.array(list(x.values())), confidence=checks.confidence_level(confidence)
    )
    low, high = box[:, 0] - e, box[:, 1] + e
    if known == "per-group":
        low, high = low / (1 - e), box[:, 1] / (1 - e)
    ends = np.stack([low, high], axis=1).clip(0, 1)
    return {label: (float(lo), float(hi)) for label, (lo, hi) in zip(x, ends, strict=True)}


def _named(groups: tuple[str, ...], values: np.ndarray) -> dict[str, float]:
    return {group: float(value) for group, value in zip(groups, values, strict=True)}


def _ordered(counts: Mapping[str, int], matrix: Confusion) -> np.ndarray:
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
    if len(matrix.groups) > len(matrix.labels) or _smallest(reduced) < SINGULAR:
        raise InputError(
            "confusion is singular: the reader cannot tell some groups apart, so no shares follow "
            "from its labels; use another reader, or merge those groups."
        )


def _smallest(a: np.ndarray) -> float:
    return float(np.linalg.svd(a, compute_uv=False).min())
