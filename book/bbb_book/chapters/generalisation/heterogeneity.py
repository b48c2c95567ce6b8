r"""Do several studies agree? Random-effects summary with heterogeneity (chapter on generalisation).

Study i reports an effect :math:`y_i` with standard error :math:`s_i`; the model is
:math:`y_i = \mu + u_i + e_i` with :math:`u_i \sim (0, \tau^2)` and :math:`e_i \sim (0, s_i^2)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, stats

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["Heterogeneity", "heterogeneity", "rank_correlation_effect"]


@dataclass(frozen=True, kw_only=True)
class Heterogeneity:
    r"""What several studies share and how far they differ.

    Attributes
    ----------
    mean, low, high
        :math:`\mu` with its Hartung-Knapp interval.
    tau, tau_low, tau_high
        Standard deviation of the true effects between studies, with its Q-profile interval.
    i_squared, i_squared_low, i_squared_high
        :math:`I^2`, the share of the observed variance that sampling does not explain, in [0, 1];
        0 means that nothing but sampling differs.
    q, p_value
        Cochran's Q and its p-value under "all true effects are equal".
    prediction_low, prediction_high
        Where the true effect of a new study lies.
    studies
        k.
    """

    mean: float
    low: float
    high: float
    tau: float
    tau_low: float
    tau_high: float
    i_squared: float
    i_squared_low: float
    i_squared_high: float
    q: float
    p_value: float
    prediction_low: float
    prediction_high: float
    studies: int
    confidence: float


def heterogeneity(effects: Any, errors: Any, *, confidence: float = 0.95) -> Heterogeneity:
    r"""Summarise effects of several studies by DerSimonian and Laird's random-effects model.

    With :math:`w_i = s_i^{-2}` and :math:`Q = \sum w_i (y_i - \bar y_w)^2`,

    .. math::
        \tau^2 = \max\Bigl(0, \frac{Q - (k - 1)}{\sum w_i - \sum w_i^2 / \sum w_i}\Bigr), \qquad
        I^2 = \max\Bigl(0, \frac{Q - (k - 1)}{Q}\Bigr) .

    The mean weighs by :math:`(s_i^2 + \tau^2)^{-1}`; its interval is Hartung and Knapp's, never
    narrower than without their factor. The ends for :math:`\tau^2` are those at which the
    generalised Q equals the quantiles of :math:`\chi^2_{k-1}` (exact for normal effects with
    known errors), and those for :math:`I^2` are :math:`\tau^2 / (\tau^2 + s^2)` at them, with
    the typical error :math:`s^2 = (k - 1) / (\sum w_i - \sum w_i^2 / \sum w_i)`.

    Parameters
    ----------
    effects, errors : array_like, shape [k]
        Effects and their standard errors, from independent samples; k of at least 2.
    confidence : float
        Of each interval.

    Returns
    -------
    Heterogeneity

    Raises
    ------
    InputError
        If there are fewer than two effects, shapes differ, or an error is not positive.

    Notes
    -----
    A large :math:`I^2` says that studies differ by more than their errors explain, not that they
    differ by much: with exact studies any difference gives one. Read it beside :math:`\tau`.

    Simulated at a nominal .05, with errors that differ sixfold between 2, 3, 5 or 10 studies: the
    interval of the mean misses in at most .02 where effects are equal and .00 to .08 where they
    differ normally, .12 where exponentially; that of :math:`\tau` in at most .06 normally and .13
    otherwise; Q rejects equal effects in .04 to .07. Errors estimated from a dozen observations
    each make Q reject in .06 to .15.

    References
    ----------
    :cite:`dersimonian1986` (model), :cite:`higgins2002` (I squared), :cite:`viechtbauer2007`
    (Q-profile), :cite:`hartung2001` (interval of the mean).

    Examples
    --------
    >>> found = heterogeneity([0.0, 2.0], [1.0, 1.0])
    >>> found.mean, found.q, found.tau
    (1.0, 2.0, 1.0)
    """
    level = checks.confidence_level(confidence)
    y = np.asarray(checks.vector("effects", effects, minimum=2), dtype=np.float64)
    s = np.asarray(checks.vector("errors", errors, minimum=2), dtype=np.float64)
    checks.same_shape(effects=y, errors=s)
    if (s <= 0).any():
        row = int(np.flatnonzero(s <= 0)[0])
        raise InputError(f"errors[{row}] is {s[row]:g}; pass positive standard errors.")
    k, w = len(y), s**-2.0
    spare = float(w.sum() - (w**2).sum() / w.sum())
    q = _q(0.0, y, s)
    tau2 = max(0.0, (q - (k - 1)) / spare)
    typical = (k - 1) / spare
    upper, lower = stats.chi2.ppf([(1 + level) / 2, (1 - level) / 2], k - 1)
    ends = (min(_profile(upper, y, s), tau2), max(_profile(lower, y, s), tau2))
    v = 1 / (s**2 + tau2)
    mean = float((v * y).sum() / v.sum())
    factor = max(1.0, _q(tau2, y, s) / (k - 1))
    error = float(np.sqrt(factor / v.sum()))
    t = float(stats.t.ppf((1 + level) / 2, k - 1))
    spread = t * float(np.sqrt(tau2 + error**2))
    return Heterogeneity(
        mean=mean, low=mean - t * error, high=mean + t * error,
        tau=tau2**0.5, tau_low=ends[0] ** 0.5, tau_high=ends[1] ** 0.5,
        i_squared=tau2 / (tau2 + typical),  # is (q - (k - 1)) / q, and rounds as its limits do
        i_squared_low=ends[0] / (ends[0] + typical), i_squared_high=ends[1] / (ends[1] + typical),
        q=q, p_value=float(stats.chi2.sf(q, k - 1)),
        prediction_low=mean - spread, prediction_high=mean + spread,
        studies=k, confidence=level,
    )  # fmt: skip


def _q(tau2: float, y: np.ndarray, s: np.ndarray) -> float:
    """Return the generalised Q: falls from Cochran's Q towards zero as tau2 grows."""
    w = 1 / (s**2 + tau2)
    return float((w * (y - (w * y).sum() / w.sum()) ** 2).sum())


def _profile(target: float, y: np.ndarray, s: np.ndarray) -> float:
    """Return the tau2 at which the generalised Q equals `target`; 0 where it never does."""
    if _q(0.0, y, s) <= target:
        return 0.0
    top = float(y.var() + s.max() ** 2)
    while _q(top, y, s) > target:
        top *= 2
    return float(optimize.brentq(lambda t: _q(t, y, s) - target, 0.0, top, xtol=1e-14))


def rank_correlation_effect(x: Any, y: Any) -> tuple[float, float]:
    r"""Return Spearman's correlation on Fisher's scale and its standard error.

    :math:`z = \operatorname{artanh} r` with error :math:`\sqrt{(1 + r^2/2)/(n - 3)}` (Bonett and
    Wright). Ranks that agree entirely are moved to :math:`r = \pm(1 - 1/n)`: z stays finite. A
    constant side has no order, so its correlation counts as 0.

    Examples
    --------
    >>> z, error = rank_correlation_effect(range(20), [*range(10, 20), *range(10)])
    >>> round(float(np.tanh(z)), 3), round(error, 3)
    (-0.504, 0.257)

    References
    ----------
    :cite:`bonett2000`.
    """
    a = np.asarray(checks.vector("x", x, minimum=5), dtype=np.float64)
    b = np.asarray(checks.vector("y", y, minimum=5), dtype=np.float64)
    checks.same_shape(x=a, y=b)
    n = len(a)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        r = 0.0
    else:
        r = float(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1])
    r = float(np.clip(r, -1 + 1 / n, 1 - 1 / n))
    return float(np.arctanh(r)), float(np.sqrt((1 + r**2 / 2) / (n - 3)))
