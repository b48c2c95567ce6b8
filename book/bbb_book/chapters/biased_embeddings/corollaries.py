"""Corollaries of theorem T1: the smoothness that balance costs, and radii from cosines."""

from __future__ import annotations

from typing import Any

import numpy as np

from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.theory.inequalities import nonnegative
from bbb_core.theory.necessary import Form, necessary_radius

__all__ = ["cosine_radius", "smoothness_price"]


def smoothness_price(
    radius: Any,
    *,
    target: Any,
    delta: Any,
    epsilon: Any = 0.0,
    inequality: Form = "gaussian",
) -> np.ndarray:
    r"""Return the least Lambda of an eps-balanced model whose prompt is `radius` from a group (T1).

    .. math::
        \Lambda \ge \frac{\Phi^{-1}(1 - \delta) - \Phi^{-1}(\pi_a + \varepsilon)}{2\, r_a(p)}

    Parameters
    ----------
    radius : array_like
        :math:`r_a(p)`; zero gives infinity where any distance of laws is needed.
    target, delta, epsilon, inequality
        As in `bbb_core.theory.necessary_radius`.

    Returns
    -------
    numpy.ndarray
        The steepness that balance costs.

    Examples
    --------
    >>> smoothness_price([0.1, 0.5], target=0.5, delta=0.05).round(2).tolist()
    [8.22, 1.64]
    """
    radius = nonnegative("radius", radius)
    options = {"target": target, "delta": delta, "epsilon": epsilon}
    return necessary_radius(radius, **options, inequality=inequality)


def cosine_radius(cosine: Any) -> np.ndarray:
    r"""Return the distance of two unit vectors from their cosine, :math:`\sqrt{2 (1 - \cos)}`.

    Parameters
    ----------
    cosine : array_like
        Cosines in [-1, 1] (rounding errors up to 1e-9 beyond are clipped).

    Returns
    -------
    numpy.ndarray
        Distances in [0, 2].

    Examples
    --------
    >>> cosine_radius([1.0, 0.5, -1.0]).round(3).tolist()
    [0.0, 1.0, 2.0]
    """
    values = checks.finite("cosine", np.asarray(cosine, dtype=np.float64))
    bad = np.abs(values) > 1 + 1e-9
    if bad.any():
        raise InputError(f"cosine is {values[bad][0]:.6g}; pass values between -1 and 1.")
    return np.asarray(np.sqrt(2 * (1 - np.clip(values, -1, 1))))
