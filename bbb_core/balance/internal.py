r"""Internal balance from samples: no labels, only what the model draws when groups are named (D3).

Samples can bound a total variation distance from below (some event tells the two laws apart) and
never from above. So the distances here are lower bounds. Under the mixture assumption
:math:`D_p = \sum_a w_a D_{p_a}` the weights are identified as well: the model's own group prompts
play the part of the confusion matrix of T7, and the internal imbalance gets a lower bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bbb_core import checks
from bbb_core.balance.confusion import Confusion
from bbb_core.balance.labels import CorrectedShares, correct_labels
from bbb_core.errors import InputError
from bbb_core.stats import binomial_interval

__all__ = ["InternalBalance", "internal_imbalance", "tv_lower_bound"]

RIDGE = 0.1
"""Ridge of the witness, as a share of the mean squared norm of the centred samples."""
NEIGHBOURS = 5
"""Neighbours that vote in the ``nearest`` witness."""

Witness = Literal["ridge", "nearest"]


@dataclass(frozen=True, kw_only=True)
class InternalBalance:
    """What the samples say about internal balance, without any labels.

    Parameters
    ----------
    distance_low : dict
        Group to a lower bound on TV(D_p, D_{p_a}); no assumption. All hold together with `low`.
    weights : CorrectedShares or None
        Weights of the group laws in D_p; assumes that D_p is a mixture of them. None if the
        samples refute that, or the witness cannot tell the groups apart (`reason` says which).
    low : float
        Lower bound on the internal imbalance under the same assumption; 0 says nothing.
    reason : str
        Why there are no weights; empty if there are.
    confidence : float
        Of everything together.
    """

    distance_low: dict[str, float]
    weights: CorrectedShares | None
    low: float
    reason: str
    confidence: float


def tv_lower_bound(
    x: Any,
    y: Any,
    *,
    witness: Witness = "ridge",
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> float:
    r"""Return a lower confidence bound on TV between the laws of two samples.

    Half of each sample chooses an event B (the witness), the other half judges it:
    :math:`TV \ge P(B) - Q(B)`, with exact one-sided bounds for both probabilities at half the
    error rate each. Valid for every witness and every sample size; how sharp it is depends on
    the witness. 0 says nothing.

    Parameters
    ----------
    x, y
        Samples ``[n, d]``, ``[m, d]`` (images flattened, or features), at least 4 rows each.
    witness
        ``ridge``: sign of a linear score, fitted in least squares; ``nearest``: vote of the
        nearest neighbours.
    """
    level = checks.confidence_level(confidence)
    checks.choice("witness", witness, ("ridge", "nearest"))
    a, b = _samples({"x": x, "y": y}).values()
    (a_fit, a_judge), (b_fit, b_judge) = _halves(a, rng), _halves(b, rng)
    inside = [_read([a_fit, b_fit], part, witness) == 0 for part in (a_judge, b_judge)]  # read as x
    return _difference_low(inside[0], inside[1], level)


def internal_imbalance(
    neutral: Any,
    groups: Mapping[str, Any],
    *,
    witness: Witness = "ridge",
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> InternalBalance:
    r"""Bound the internal imbalance of a prompt from samples, without a classifier.

    Half of every sample fits witnesses, the other half judges them. The error rate is split into
    three: the distances (Bonferroni over groups), the weights, and for two groups the sum

    .. math:: \lvert 2 P(B) - A(B) - B'(B) \rvert \le \lvert TV(D_p, D_a) - TV(D_p, D_b) \rvert,

    which holds for every event B if :math:`D_p = w D_a + (1 - w) D_b`. For any number of groups
    :math:`TV(D_p, D_b) \le 1 - w_b` gives
    :math:`\max_{a,b} (\mathrm{low}_a - (1 - w_b^{\mathrm{low}}))`; the larger bound counts.

    Parameters
    ----------
    neutral
        Samples of D_p ``[n, d]``.
    groups
        Group name to samples of D_{p_a} ``[n_a, d]``; at least two groups.

    Returns
    -------
    InternalBalance

    Raises
    ------
    InputError
        If there are fewer than two groups, or a sample is too small or misshapen.
    """
    level = checks.confidence_level(confidence)
    checks.choice("witness", witness, ("ridge", "nearest"))
    if not isinstance(groups, Mapping) or len(groups) < 2:
        raise InputError("groups needs at least two groups; pass {name: samples}.")
    samples = _samples({"neutral": neutral, **{f"groups[{g!r}]": x for g, x in groups.items()}})
    fit, judge = {}, {}
    for name, part in zip(["", *groups], samples.values(), strict=True):
        fit[name], judge[name] = _halves(part, rng)
    third = (1 - level) / 3
    low = {}
    for group in groups:
        pair = [fit[""], fit[group]]
        inside = [_read(pair, judge[name], witness) == 0 for name in ("", group)]
        low[group] = _difference_low(*inside, 1 - third / len(groups))
    names = tuple(groups)
    every = [fit[g] for g in names]
    read = {name: _read(every, judge[name], witness) for name in ("", *names)}
    counts = {
        name: dict(zip(names, np.bincount(r, minlength=len(names)).tolist(), strict=True))
        for name, r in read.items()
    }
    confusion = Confusion.from_counts({g: counts[g] for g in names})
    try:
        weights = correct_labels(counts[""], confusion, method="exact", confidence=1 - third)
    except InputError as error:  # told apart by nothing, or no mixture: no weights, no bound
        return InternalBalance(
            distance_low=low, weights=None, low=0.0, reason=str(error), confidence=level
        )
    bound = max(low[a] - (1 - weights.interval[b][0]) for a in names for b in names if a != b)
    if len(names) == 2:
        inside = [read[name] == 0 for name in ("", *names)]
        bound = max(bound, _functional_low(*inside, 1 - third))
    return InternalBalance(
        distance_low=low, weights=weights, low=max(0.0, float(bound)), reason="", confidence=level
    )


def _samples(named: Mapping[str, Any]) -> dict[str, np.ndarray]:
    arrays = {}
    columns = None
    for name, x in named.items():
        array = np.asarray(checks.matrix(name, x, columns), dtype=np.float64)
        columns = array.shape[1]
        if len(array) < 4:
            raise InputError(f"{name} has {len(array)} rows; pass at least 4 samples.")
        arrays[name] = array
    return arrays


def _halves(x: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    order = rng.permutation(len(x))
    return x[order[: len(x) // 2]], x[order[len(x) // 2 :]]


def _read(fit: list[np.ndarray], x: np.ndarray, witness: Witness) -> np.ndarray:
    """Return, for each row of x, which of the fitted samples it is read as."""
    pooled = np.concatenate(fit)
    code = np.repeat(np.arange(len(fit)), [len(part) for part in fit])
    if witness == "nearest":
        squares = (pooled**2).sum(axis=1) - 2 * x @ pooled.T  # up to a constant per row of x
        k = min(NEIGHBOURS, len(pooled))
        nearest = np.argpartition(squares, k - 1, axis=1)[:, :k]
        weight = 1 / np.bincount(code)  # classes of unequal size vote alike
        votes = [((code[nearest] == c) * weight[c]).sum(axis=1) for c in range(len(fit))]
        return np.argmax(np.stack(votes, axis=1), axis=1)
    centre = np.mean([part.mean(axis=0) for part in fit], axis=0)
    z = pooled - centre
    gram = z @ z.T
    weight = 1 / (len(fit) * np.bincount(code))[code]  # every class weighs the same
    target = np.eye(len(fit))[code] - 1 / len(fit)
    size = float(weight @ np.diag(gram))
    if size == 0:
        raise InputError("the samples are all equal; nothing can tell them apart.")
    # weighted ridge in its dual form: (K + ridge / weight) alpha = target
    alpha = np.linalg.solve(gram + np.diag(RIDGE * size / weight / len(pooled)), target)
    return np.argmax((x - centre) @ z.T @ alpha, axis=1)


def _difference_low(p_inside: np.ndarray, q_inside: np.ndarray, level: float) -> float:
    """Lower bound on P(B) - Q(B), from independent readings of both."""
    half = 1 - (1 - level) / 2
    low, _ = binomial_interval(int(p_inside.sum()), len(p_inside), confidence=half, side="lower")
    _, high = binomial_interval(int(q_inside.sum()), len(q_inside), confidence=half, side="upper")
    return max(0.0, float(low - high))


def _functional_low(
    neutral: np.ndarray, first: np.ndarray, second: np.ndarray, level: float
) -> float:
    """Lower bound on |2 P(B) - A(B) - B'(B)|."""
    each = 1 - (1 - level) / 3
    ends = [
        binomial_interval(int(part.sum()), len(part), confidence=each)
        for part in (neutral, first, second)
    ]
    low = 2 * ends[0][0] - ends[1][1] - ends[2][1]
    high = 2 * ends[0][1] - ends[1][0] - ends[2][0]
    return float(max(low, -high, 0.0))
