"""Exact expectations of the two estimates of an imbalance (published generations)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from bbb_core import checks
from bbb_core.balance.estimates import plug_in_imbalance, split_half_imbalance

__all__ = ["bracket_violation", "expected_estimates"]


def expected_estimates(n: int, share: Any) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the exact expectations of both estimates for two groups, target one half.

    Sums over all counts :math:`S \sim \mathrm{Bin}(n, \text{share})`; the truth is
    :math:`\lvert \text{share} - 1/2 \rvert` and lies between the two.

    Parameters
    ----------
    n
        Number of images, at least 2.
    share
        True shares of one group, in [0, 1].

    Returns
    -------
    plug_in, split_half
        Arrays of the shape of `share`.

    Examples
    --------
    >>> [x.round(3).tolist() for x in expected_estimates(4, [0.5, 0.9])]
    [[0.188, 0.402], [0.0, 0.32]]
    """
    n = checks.integer("n", n, low=2)
    p = np.atleast_1d(np.asarray(checks.probability("share", share), dtype=np.float64))
    outcomes = np.stack([np.arange(n, -1, -1.0), np.arange(n + 1.0)], axis=1)  # [n + 1, 2]
    chances = stats.binom.pmf(outcomes[:, 1], n, p[..., None])  # [..., n + 1]
    return chances @ plug_in_imbalance(outcomes), chances @ split_half_imbalance(outcomes)


def bracket_violation(sizes: tuple[int, ...] = (2, 3, 10, 20, 51, 250)) -> float:
    """Return by how much the truth ever leaves the bracket of the two expected estimates.

    Exact expectations over a grid of true shares and the given sample sizes; 0 (to rounding) if
    the plug-in value never errs downwards and the split-half value never upwards.
    """
    share = np.linspace(0, 1, 401)
    truth = np.abs(share - 0.5)
    worst = 0.0
    for n in sizes:
        plug_in, split = expected_estimates(n, share)
        worst = max(worst, float((truth - plug_in).max()), float((split - truth).max()))
    return worst
