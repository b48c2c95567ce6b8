"""Estimates of largest absolute errors without the upward bias that noise gives them (D5)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import special

__all__ = ["corrected_absolute", "median_corrected_maximum"]


def corrected_absolute(estimate: np.ndarray, error: np.ndarray) -> np.ndarray:
    r"""Return estimates of absolute values without the upward bias of the plug-in.

    For an estimate :math:`\hat e \sim N(e, s^2)` the plug-in :math:`\lvert\hat e\rvert` is too
    large by up to :math:`s \sqrt{2/\pi}`. Taking the sign from one half of a sample and the size
    from the other half is not; averaged over all ways to halve the sample it is

    .. math:: h(\hat e, s) = \hat e\,(2 \Phi(\hat e / s) - 1) - 2 s\, \varphi(\hat e / s),
       \qquad E\,h = \lvert e \rvert\,(2 \Phi(\lvert e \rvert / \sqrt 2 s) - 1).

    So its mean is zero under the null and never exceeds :math:`\lvert e \rvert`.

    Parameters
    ----------
    estimate, error : numpy.ndarray
        :math:`\hat e` and its standard error s, of one shape.

    Returns
    -------
    numpy.ndarray
        Values that may be negative: clip sums of them, not the terms.

    Examples
    --------
    >>> corrected_absolute(np.array([0.0, 5.0]), np.array([1.0, 1.0])).round(2).tolist()
    [-0.8, 5.0]
    """
    z = np.divide(estimate, error, out=np.zeros_like(estimate), where=error > 0)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    shrunk = estimate * (2 * special.ndtr(z) - 1) - 2 * error * density
    return np.where(error > 0, shrunk, np.abs(estimate))


def median_corrected_maximum(
    estimates: np.ndarray,
    errors: np.ndarray,
    draws: np.ndarray,
    critical: float,
    *,
    sided: Literal["absolute", "signed"],
) -> float:
    r"""Return the largest value, corrected for having been selected as the largest.

    Noise alone makes the largest of many estimates too large. What it adds is simulated around
    centres :math:`c_C`, which are the estimates that stand out (:math:`\hat e_C > k s_C` with the
    simultaneous critical value k) and zero for all others; the median of the largest simulated
    value, less the largest centre, is taken off. Under the null the result lies above zero in half
    of all samples; where one group stands out clearly it is hardly moved; between the two it errs
    on the low side.

    Parameters
    ----------
    estimates, errors : numpy.ndarray, shape [m]
        Non-negative estimates (or corrected ones) and their standard errors.
    draws : numpy.ndarray, shape [draws, m]
        Standard normal noise with their correlation.
    critical : float
        Simultaneous critical value.
    sided : {"absolute", "signed"}
        Whether `estimates` are absolute values of noisy numbers, or noisy numbers themselves.
    """
    centre = np.where(estimates > critical * errors, estimates, 0.0)
    simulated = centre + draws * errors
    if sided == "absolute":
        simulated = np.abs(simulated)
    added = float(np.median(simulated.max(axis=1)) - centre.max())
    return float(estimates.max() - max(added, 0.0))
