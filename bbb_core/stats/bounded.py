r"""Interval of a mean of few bounded values, whatever their law."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import optimize
from scipy.special import betainccinv as _beta

from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.stats.resampling import Estimate

__all__ = ["bounded_mean_interval"]

ANGLES, WEIGHTS = np.polynomial.legendre.leggauss(256)
"""Nodes of the integral below, on (-1, 1)."""


def bounded_mean_interval(
    values: Any,
    *,
    least: float | int,
    most: float | int,
    counts: Any = None,
    confidence: float = 0.95,
) -> Estimate:
    r"""Return the mean of values between two known bounds, with an interval for any law.

    Of n values, let :math:`D = \sum_{i=1}^{n} w_i x_i + w_{n+1}\, b` with weights uniform on the
    simplex and b the upper bound; the upper end is the quantile of D at
    :math:`1 - \alpha/2`. The lower end is its mirror image. It is the Bayesian bootstrap with the
    worst value added once, so unlike a bootstrap it knows that few values may have missed a rare
    large one. For values that are all at the bounds it is the interval of Clopper and Pearson.

    Parameters
    ----------
    values : array_like, shape [n]
        One value per independent unit, at least one.
    least, most
        Bounds that no value can leave.
    counts : array_like, shape [n], optional
        How many units have each value, where values repeat; 0 is allowed.

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        If a value leaves the bounds.

    Notes
    -----
    Coverage of at least `confidence` is known for values at the bounds and conjectured for all
    laws; no counterexample is known.

    References
    ----------
    :cite:`gaffke2005`, :cite:`learnedmiller2019`.

    Examples
    --------
    >>> e = bounded_mean_interval([0.0, 1.0, 1.0], least=0.0, most=1.0)
    >>> round(e.low, 4), round(e.high, 4)  # 2 of 3
    (0.0943, 0.9916)
    """
    level = checks.confidence_level(confidence)
    x = np.asarray(checks.vector("values", values, minimum=1), dtype=np.float64)
    if not least < most:
        raise InputError(f"least is {least} and most {most}; pass least < most.")
    outside = (x < least) | (x > most)
    if outside.any():
        raise InputError(f"values holds {x[outside][0]:g}, outside [{least:g}, {most:g}].")
    weight = np.ones(len(x)) if counts is None else np.asarray(counts, dtype=np.float64)
    checks.same_shape(values=x, counts=weight)
    if (weight < 0).any() or weight.sum() < 1:
        raise InputError("counts must not be negative, and count at least one unit.")
    x, place = np.unique(x[weight > 0], return_inverse=True)
    weight = np.bincount(place, weight[weight > 0]).astype(np.float64)
    z, tail = (x - least) / (most - least), (1 - level) / 2
    low, high = 1 - _upper(1 - z, weight, tail), _upper(z, weight, tail)
    value, width = float(np.average(x, weights=weight)), most - least
    return Estimate(value, min(least + width * low, value), max(least + width * high, value), level)


def _upper(z: np.ndarray, weight: np.ndarray, tail: float) -> float:
    """Return the quantile of D for values in [0, 1], with 1 added."""
    if np.isin(z, (0.0, 1.0)).all():  # shares: D has a beta law
        hits = float(weight[z == 1].sum())
        return 1.0 if hits == weight.sum() else float(_beta(hits + 1, weight.sum() - hits, tail))
    z, weight = np.append(z, 1.0), np.append(weight, 1.0)
    return float(optimize.brentq(lambda t: _above(z - t, weight) - tail, z.min(), 1.0, xtol=1e-8))


def _above(gaps: np.ndarray, weight: np.ndarray) -> float:
    r"""Return :math:`P(\sum_i g_i G_i > 0)` for independent gamma variables of shapes `weight`.

    The weights of D are such variables over their sum, so this is P(D > t) for gaps from t.
    Imhof's integral is :math:`\frac12 + \frac1\pi \int_0^\infty \sin(\sum_i a_i \arctan g_i u)\,
    u^{-1} \prod_i (1 + g_i^2 u^2)^{-a_i/2}\, du`.
    """
    if gaps.max() <= 0:
        return 0.0
    if gaps.min() >= 0:
        return 1.0
    scale = np.sqrt((weight * gaps**2).sum())
    angle = (ANGLES + 1) * np.pi / 4
    u = np.tan(angle)[:, None]
    g = gaps / scale * u  # [nodes, n + 1]
    phase, size = np.arctan(g) @ weight, -0.5 * np.log1p(g**2) @ weight
    slope = (1 + u[:, 0] ** 2) / u[:, 0] * np.pi / 4
    return 0.5 + float((WEIGHTS * np.sin(phase) * np.exp(size) * slope).sum()) / np.pi
