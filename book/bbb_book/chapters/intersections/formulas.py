r"""What margins say about intersections, and T2 for several groups (chapter: intersections)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = [
    "cyclic_imbalance_bound",
    "hidden_imbalance_limit",
    "images_to_vanish",
]


def hidden_imbalance_limit(rows: int, columns: int) -> float:
    r"""Return the largest joint imbalance that two perfectly balanced margins can hide.

    With uniform margins over a and b readings, :math:`TV(P, u) \le 1 - 1/\min(a, b)`. It is
    attained when the smaller number divides the larger: every column then lies in one row.

    Parameters
    ----------
    rows, columns : int
        a and b, at least 2.

    Returns
    -------
    float
        In [1/2, 1): never zero. Balanced margins alone promise little.

    Examples
    --------
    >>> hidden_imbalance_limit(2, 6)
    0.5
    """
    low = min(checks.integer("rows", rows, low=2), checks.integer("columns", columns, low=2))
    return 1 - 1 / low


def images_to_vanish(
    threshold: float, outcomes: int, *, prompts: int = 1, confidence: float = 0.95
) -> int:
    r"""Return how many images are needed before an empty cell can be called vanished.

    A cell with no image among n has the simultaneous upper limit
    :math:`1 - (\alpha / 2mk)^{1/n}` (k outcomes, m prompts, Bonferroni). It lies below the
    threshold :math:`\theta` from

    .. math:: n = \lceil \ln(\alpha / 2mk) / \ln(1 - \theta) \rceil

    on. With fewer images no cell can be shown to be missing, whatever was drawn. (Each limit of
    `bbb_core.stats.multinomial_intervals` is at most this one, as shares sum to one.)

    Parameters
    ----------
    threshold : float
        Share below which a cell counts as vanished, in (0, 1).
    outcomes : int
        Cells, and *none of them* if it is an outcome; at least 3.
    prompts : int
        Prompts that are looked at together.
    confidence : float
        :math:`1 - \alpha`.

    Examples
    --------
    >>> images_to_vanish(1 / 48, 13)
    298
    """
    share = checks.number("threshold", threshold)
    if not 0 < share < 1:
        raise InputError(f"threshold is {share}; pass a share between 0 and 1.")
    k = checks.integer("outcomes", outcomes, low=3)
    m = checks.integer("prompts", prompts, low=1)
    tail = (1 - checks.confidence_level(confidence)) / (2 * m * k)
    return math.ceil(math.log(tail) / math.log1p(-share))


def cyclic_imbalance_bound(distances: Any) -> float:
    r"""Bound the imbalance of m groups under a cyclic symmetry (T2 for more than two groups).

    .. math:: \mathrm{imbalance}(c) \le \frac1m \sum_{j=1}^{m-1} TV(D_c, D_{\tau^j c})

    for a model with :math:`\mu_k(\sigma x, \tau c) = \sigma \mu_k(x, c)`, :math:`\sigma^m = id`
    and regions :math:`S_{a+1} = \sigma S_a`; images read as no group are left out of account.

    Parameters
    ----------
    distances : array_like, shape [m - 1]
        (Bounds on) the total variation between c and its turns :math:`\tau c, \tau^2 c, \dots`

    Returns
    -------
    float
        In [0, 1]; zero at a fixed point of :math:`\tau`.

    Examples
    --------
    >>> round(cyclic_imbalance_bound([0.3, 0.3]), 3)
    0.2
    """
    values = checks.probability("distances", np.asarray(distances, dtype=np.float64))
    values = np.asarray(checks.vector("distances", values))
    return float(values.sum() / (len(values) + 1))
