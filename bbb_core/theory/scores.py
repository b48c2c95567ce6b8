"""What the gaps of a score betray where nobody knows the truth (theorem T6)."""

from __future__ import annotations

from typing import Any

import numpy as np

from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.theory.inequalities import probabilities

__all__ = ["label_free_bound"]


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
