"""What a score rewards: the formulas of theorem T4 (leaderboards)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.theory.inequalities import nonnegative

__all__ = ["leaderboard_sample_size", "mean_score", "mixture_variance", "price_of_fairness"]


def mean_score(shares: Any, means: Any) -> float:
    r"""Return the mean alignment score of a generator, :math:`\sum_a w_a m_a` (T4).

    Parameters
    ----------
    shares : array_like, shape [k]
        Shares :math:`w_a` of the groups among its images.
    means : array_like, shape [k]
        :math:`m_a`: mean score of the images of group a.

    Returns
    -------
    float
        Linear in the shares: the best generator draws the group with the best mean only.

    Raises
    ------
    InputError
        If shapes differ or shares do not sum to one.

    Examples
    --------
    >>> round(mean_score([0.9, 0.1], [0.3, 0.2]), 3)
    0.29
    """
    m = checks.vector("means", np.asarray(means, dtype=np.float64))
    w = checks.distribution("shares", np.asarray(shares, dtype=np.float64))
    checks.same_shape(shares=w, means=m)
    return float(w @ m)


def mixture_variance(shares: Any, means: Any, deviations: Any) -> float:
    r"""Return the variance of one image's score when its group is drawn by `shares` (T4).

    .. math:: V_w = \sum_a w_a \Big(s_a^2 + \big(m_a - \textstyle\sum_b w_b m_b\big)^2\Big)

    Parameters
    ----------
    shares, means : array_like, shape [k]
        As for `mean_score`.
    deviations : array_like, shape [k]
        :math:`s_a \ge 0`: standard deviation of the score within group a.

    Examples
    --------
    >>> mixture_variance([0.5, 0.5], [1.0, 0.0], [0.0, 0.0])
    0.25
    """
    m, s = np.asarray(means, dtype=np.float64), nonnegative("deviations", deviations)
    centre = mean_score(shares, m)
    checks.same_shape(means=m, deviations=s)
    return float(np.asarray(shares, dtype=np.float64) @ (s**2 + (m - centre) ** 2))


def price_of_fairness(mean_scores: Any, target: Any = None) -> float:
    r"""Return what a balanced generator loses on a mean alignment score (T4).

    .. math:: \max_a m_a - \sum_a \pi_a m_a

    Parameters
    ----------
    mean_scores : array_like, shape [k]
        :math:`m_a`: the mean score of the images of group a.
    target : array_like, shape [k], optional
        Target shares; uniform when left out.

    Returns
    -------
    float
        Zero is fair: no generator gains by drawing one group only.

    Examples
    --------
    >>> round(price_of_fairness([0.30, 0.26]), 3)
    0.02
    """
    scores = checks.vector("mean_scores", np.asarray(mean_scores, dtype=np.float64))
    shares = np.full(len(scores), 1 / len(scores)) if target is None else np.asarray(target)
    checks.distribution("target", shares)
    checks.same_shape(mean_scores=scores, target=shares)
    return float(scores.max() - shares @ scores)


def leaderboard_sample_size(
    *, fair: Any, unfair: Any, means: Any, deviations: Any, probability: float = 0.95
) -> float:
    r"""Return how many images each generator needs until the unfair one leads (T4).

    .. math:: n = z_p^2 \, \frac{V_w + V_\pi}{\big(\sum_a (w_a - \pi_a) m_a\big)^2}

    for independent images of the two generators, in the normal approximation of their mean scores;
    :math:`V` as in `mixture_variance`.

    Parameters
    ----------
    fair, unfair : array_like, shape [k]
        Shares :math:`\pi` and w of the groups.
    means, deviations : array_like, shape [k]
        :math:`m_a` and :math:`s_a` of the score within each group.
    probability : float
        p in [1/2, 1).

    Returns
    -------
    float
        Images per generator, not rounded; infinite where the unfair model does not score higher
        (which is fair).

    Raises
    ------
    InputError
        If shapes differ, shares do not sum to one, or a deviation is negative.

    Examples
    --------
    >>> round(leaderboard_sample_size(fair=[0.5, 0.5], unfair=[0.9, 0.1],
    ...                               means=[0.30, 0.28], deviations=[0.03, 0.03]))
    82
    """
    if not 0.5 <= checks.number("probability", probability) < 1:
        raise InputError(f"probability is {probability}; pass at least 0.5 and less than 1.")
    difference = mean_score(unfair, means) - mean_score(fair, means)
    variance = mixture_variance(fair, means, deviations)
    variance += mixture_variance(unfair, means, deviations)
    if difference <= 0:
        return float("inf")
    return float(special.ndtri(probability) ** 2 * variance / difference**2)
