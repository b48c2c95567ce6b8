"""What a score rewards and what its gaps betray: theorems T4 (leaderboards) and T6 (no truth)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.theory.inequalities import nonnegative, probabilities

__all__ = ["label_free_bound", "leaderboard_sample_size", "price_of_fairness"]


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

    With scores of mean :math:`m_a` and standard deviation :math:`s_a` within group a, the mean
    scores of n images drawn with shares w and :math:`\pi` rank w first with probability p at

    .. math::
        n = z_p^2 \, \frac{V_w + V_\pi}{\big(\sum_a (w_a - \pi_a) m_a\big)^2}, \qquad
        V_w = \sum_a w_a \Big(s_a^2 + \big(m_a - \textstyle\sum_b w_b m_b\big)^2\Big)

    in the normal approximation of mean scores.

    Parameters
    ----------
    fair, unfair : array_like, shape [k]
        Shares :math:`\pi` and w of the groups.
    means, deviations : array_like, shape [k]
        :math:`m_a` and :math:`s_a`.
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
    m = checks.vector("means", np.asarray(means, dtype=np.float64))
    s = nonnegative("deviations", deviations)
    pi, w = (
        checks.distribution(name, np.asarray(shares, dtype=np.float64))
        for name, shares in (("fair", fair), ("unfair", unfair))
    )
    checks.same_shape(means=m, deviations=s, fair=pi, unfair=w)
    difference = float(w @ m) - float(pi @ m)
    if difference <= 0:
        return float("inf")
    v_pi, v_w = (float(p @ (s**2 + (m - p @ m) ** 2)) for p in (pi, w))
    return float(special.ndtri(probability) ** 2 * (v_pi + v_w) / difference**2)


def label_free_bound(means: Any, shares: Any, *, margin: float = 0.0) -> float:
    r"""Bound the multiaccuracy error from below without knowing the truth (T6).

    If the true alignment has means that differ by at most the margin :math:`\kappa` between any two
    groups, then for every score with group means :math:`m_a`

    .. math::
        \max_a \lvert E[(f^* - f) 1_{C_a}] \rvert \;\ge\; \max_{a < b}
        \frac{(\lvert m_a - m_b \rvert - \kappa)_+}{1 / P(C_a) + 1 / P(C_b)}

    and some truth with that margin attains it: nothing better can be said from m and P alone.

    Parameters
    ----------
    means : array_like, shape [k]
        Mean score within each group.
    shares : array_like, shape [k]
        :math:`P(C_a) > 0`; groups may overlap, so they need not sum to one.
    margin : float
        :math:`\kappa \ge 0`; zero for a group-blind truth.

    Returns
    -------
    float
        The bound; zero is compatible with a fair score (and proves nothing).

    Examples
    --------
    >>> round(label_free_bound([0.6, 0.4], [0.5, 0.5]), 3)
    0.05
    """
    means = checks.vector("means", np.asarray(means, dtype=np.float64), minimum=2)
    shares = probabilities("shares", shares)
    checks.same_shape(means=means, shares=shares)
    if (shares == 0).any():
        raise InputError("shares hold a group of share 0; leave that group out.")
    gaps = np.abs(np.subtract.outer(means, means)) - checks.number("margin", margin, low=0)
    harmonic = 1 / np.add.outer(1 / shares, 1 / shares)
    return float((np.maximum(gaps, 0) * harmonic).max())
