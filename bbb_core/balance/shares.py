"""Shares of groups among generated images and their imbalance, with exact intervals (D2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.report.shown import Shown
from bbb_core.stats.intervals import multinomial_intervals, tv_interval

__all__ = ["NONE", "Balance", "representational_balance", "sampling_floor"]

NONE = "none"
"""The outcome "none of the groups": an image that no group's reader claims. Its target is zero."""


@dataclass(frozen=True, kw_only=True)
class Balance(Shown):
    """How far the groups of a sample are from their target shares.

    Attributes
    ----------
    shares : dict
        Observed share of every outcome, in [0, 1]; the groups of the target come first.
    share_intervals : dict
        ``{outcome: (low, high)}``, all of them right together with probability `confidence`.
    imbalance : float
        TV distance of the shares from the target, in [0, 1]; zero is fair.
    interval : tuple
        Interval of the imbalance of the *generator* with guaranteed coverage.
    epsilon : float
        Largest deviation of one group, max_a abs(share_a - target_a): the sample is
        eps-balanced for every eps from there on.
    floor : float
        Imbalance that a perfectly balanced generator shows on average in `n` images, just by
        chance. An observed imbalance near it is no evidence of bias.
    n : int
        Number of images.
    target : dict
        Target shares.
    confidence : float
        Level of the intervals.
    """

    shares: dict[str, float]
    share_intervals: dict[str, tuple[float, float]]
    imbalance: float
    interval: tuple[float, float]
    epsilon: float
    floor: float
    n: int
    target: dict[str, float]
    confidence: float


def sampling_floor(n: Any, target: Any = (0.5, 0.5)) -> Any:
    r"""Return the expected imbalance of `n` images of a generator that is exactly balanced.

    .. math:: \tfrac12 \sum_a E\left|\tfrac{X_a}{n} - \pi_a\right|, \qquad
        E|X - n\pi| = 2 m \tbinom{n}{m} \pi^m (1 - \pi)^{n - m + 1},\ m = \lfloor n\pi \rfloor + 1

    (de Moivre's mean deviation of a binomial count). For two equal groups it is about
    :math:`0.4 / \sqrt n`.

    Parameters
    ----------
    n : int or array_like
        Numbers of images, whole and at least 1.
    target : array_like, shape [k]
        Shares that sum to one; an outcome with target 0 (*none of these*) adds nothing.

    Returns
    -------
    float or numpy.ndarray
        In [0, 1], of the shape of `n`; an observed imbalance near it is no evidence of bias.

    References
    ----------
    Diaconis and Zabell (1991), ``diaconis1991`` in the references.

    Examples
    --------
    >>> sampling_floor(1)
    0.5
    >>> sampling_floor([1, 100]).round(4).tolist()
    [0.5, 0.0398]
    """
    size = np.asarray(checks.finite("n", n), dtype=np.float64)[..., None]
    if (size < 1).any() or (size != np.floor(size)).any():
        raise InputError("n must be whole numbers of at least 1; pass numbers of images.")
    pi = np.asarray(checks.distribution("target", target), dtype=np.float64)
    pi = pi[(pi > 0) & (pi < 1)]
    m = np.minimum(np.floor(size * pi) + 1, size)  # at pi near 1 the floor may round up to n
    log = special.gammaln(size + 1) - special.gammaln(m + 1) - special.gammaln(size - m + 1)
    log = log + m * np.log(pi) + (size - m + 1) * np.log1p(-pi)
    floor = (m * np.exp(log)).sum(axis=-1) / size[..., 0]
    return float(floor) if floor.ndim == 0 else floor


def _target(groups: list[str], target: Mapping[str, float] | None) -> dict[str, float]:
    if target is None:
        if len(groups) < 2:
            raise InputError(
                f"counts has the single group {groups[0]!r}; name the others, with count 0."
                if groups
                else f"counts has only the outcome {NONE!r}; name the groups, with count 0."
            )
        return dict.fromkeys(groups, 1 / len(groups))
    if not isinstance(target, Mapping) or not target:
        raise InputError("target is no mapping with groups; pass {group: share}.")
    values = {group: checks.number(f"target[{group!r}]", v) for group, v in target.items()}
    checks.distribution("target", list(values.values()))
    if values.pop(NONE, 0.0) > 0:
        raise InputError(f"target[{NONE!r}] is positive; the target shares belong to groups.")
    if len(values) < 2:
        raise InputError("target has a single group; name at least two.")
    unknown = [group for group in groups if group not in values]
    if unknown:
        raise InputError(f"counts has the group {unknown[0]!r}, which target lacks; add it there.")
    return values


def representational_balance(
    counts: Mapping[str, Any],
    *,
    target: Mapping[str, float] | None = None,
    confidence: float = 0.95,
) -> Balance:
    r"""Measure the representational balance of generated images from counts of their groups.

    .. math:: \mathrm{imbalance} = TV(s, \pi)
        = \tfrac12 \Big( \sum_a |s_a - \pi_a| + s_\text{none} \Big)

    with the observed shares :math:`s` and the target :math:`\pi`; zero is fair. Groups that the
    target names and the sample lacks count as drawn zero times, so a sample of one group only
    reads as maximally imbalanced, 1 minus that group's target, never as fair.

    Parameters
    ----------
    counts
        ``{group: number of images read as that group}``; the outcome ``"none"`` (images that
        are read as no group) is allowed and counts as imbalance.
    target
        ``{group: share}``, summing to one; default: equal shares of the groups in `counts`.
    confidence
        Level of `interval` and of `share_intervals`, in (0, 1).

    Returns
    -------
    Balance

    Raises
    ------
    InputError
        If nothing was counted, a count is negative or not whole, there is a single group, or the
        target does not sum to one or lacks a group.

    References
    ----------
    Definition D2 of the book, after :cite:`kuchlous2024`; intervals: `bbb_core.stats.tv_interval`.

    Examples
    --------
    >>> b = representational_balance({"woman": 2, "man": 4})
    >>> round(b.imbalance, 3), tuple(round(x, 3) for x in b.interval)
    (0.167, (0.0, 0.457))
    """
    whole = checks.counts("counts", counts)
    aims = _target([group for group in whole if group != NONE], target)
    if NONE in whole:
        aims = {**aims, NONE: 0.0}
    names = list(aims)
    observed = np.array([whole.get(name, 0) for name in names])
    pi = np.array(list(aims.values()))
    n = int(observed.sum())
    shares = observed / n
    box = multinomial_intervals(observed, confidence=confidence)
    groups = [i for i, name in enumerate(names) if name != NONE]
    return Balance(
        shares=dict(zip(names, shares.tolist(), strict=True)),
        share_intervals={
            name: (low, high) for name, (low, high) in zip(names, box.tolist(), strict=True)
        },
        imbalance=float(np.abs(shares - pi).sum() / 2),
        interval=tv_interval(observed, pi, confidence=confidence),
        epsilon=float(np.abs(shares - pi)[groups].max()),
        floor=sampling_floor(n, pi),
        n=n,
        target=dict(zip(names, pi.tolist(), strict=True)),
        confidence=float(confidence),
    )
