r"""What a calibrated sweep foretells: shares at other positions, and whether the law fits it."""

from __future__ import annotations

from typing import Any

import numpy as np

from bbb_core import checks
from bbb_core.diffusion.calibration import fit_sweep
from bbb_core.stats.resampling import Estimate

__all__ = ["foretold_share", "lack_of_fit"]


def foretold_share(positions: Any, counts: Any, at: Any, *, confidence: float = 0.95) -> Estimate:
    r"""Return the shares of group b that a sweep foretells at further positions, with intervals.

    Parameters
    ----------
    positions, counts
        The sweep, as for `calibrate`; every picture counts as independent.
    at : array_like, shape [m]
        Positions, such as those of neutral prompts; they may lie outside the sweep.
    confidence : float
        Of each interval.

    Returns
    -------
    Estimate
        Arrays [m] with values in [0, 1]; the values are those of `Calibration.share`.

    Raises
    ------
    InputError
        As `calibrate`.

    Notes
    -----
    The interval carries the uncertainty of slope and switch together. It is the hull of two
    intervals of the log-odds :math:`k (t - t^*)`: the likelihood ratio's, and that of the penalised
    fit by the covariance that serves Fieller's interval of the switch; both with Student's
    quantile. Neither would do alone. Simulated at a nominal .95 (72 designs: sweeps of 2 to 21
    positions, 20 to 100 pictures in all, slopes 0 to 40, switches .3 to 1.2; shares at .1, .42, .7,
    1.3 and at the switch; 150 sweeps each, and 500 of the 36 with the fewest pictures): the first
    covers .84 to 1.00, the second .00 to 1.00 (it fails where the groups are separated), the hull
    .94 to 1.00, and at least .96 in the larger simulation.

    It says nothing of what the law itself gets wrong: a prompt that lies beside the way, a
    generator that is not linear in log-odds (`lack_of_fit`), errors of whoever reads the pictures.

    Examples
    --------
    >>> t, counts = [0, 0.25, 0.5, 0.75, 1], [[40, 0], [35, 5], [20, 20], [4, 36], [0, 40]]
    >>> found = foretold_share(t, counts, [0.3])
    >>> [round(float(x[0]), 2) for x in (found.low, found.value, found.high)]
    [0.07, 0.15, 0.26]
    """
    from scipy.special import expit, stdtrit

    level = checks.confidence_level(confidence)
    places = np.asarray(checks.vector("at", at), np.float64)
    fit = fit_sweep(positions, counts)
    t, y, n = fit.positions, fit.b_seen, fit.pictures
    q = float(stdtrit(max(n.sum() - 2, 1), (1 + level) / 2))
    rows = np.stack([np.ones_like(places), places], axis=1)
    value = rows @ fit.beta
    reach = q * np.sqrt(np.einsum("mi,ij,mj->m", rows, fit.covariance, rows))
    low, high = np.array([_likely_log_odds(t - place, y, n, q) for place in places]).T
    ends = expit(np.minimum(low, value - reach)), expit(np.maximum(high, value + reach))
    return Estimate(expit(value), *ends, level)


def lack_of_fit(positions: Any, counts: Any) -> float:
    r"""Return the p-value of Pearson's test that the log-odds of a sweep lie on a straight line.

    .. math:: X^2 = \sum_i \frac{(y_i - n_i \hat p_i)^2}{n_i \hat p_i (1 - \hat p_i)}
        \sim \chi^2_{m - 2}

    over the m rows with pictures, :math:`\hat p` the shares that `calibrate` fits. Small: the law
    does not hold along this way, or the readers err at its ends. NaN for fewer than three rows.

    Notes
    -----
    Simulated at a nominal .05 (1,500 sweeps of each of 126 designs: 3 to 21 positions, 2 to 100
    pictures at each, slopes 0 to 40, switches .3 to 1.2): the true law is rejected in .09 at most,
    and hardly ever where slopes are steep or pictures few. So a large p-value is no evidence for
    the law. Readers who err on 5 % of the pictures of either group (slope 15, 11 positions) bend
    the line visibly in .15 of the sweeps with 6 pictures a position, .48 with 20, .89 with 60.

    Raises
    ------
    InputError
        As `calibrate`.

    Examples
    --------
    >>> t = [0, 0.25, 0.5, 0.75, 1]
    >>> line = lack_of_fit(t, [[40, 0], [35, 5], [20, 20], [4, 36], [0, 40]])
    >>> peak = lack_of_fit(t, [[40, 0], [5, 35], [0, 40], [5, 35], [40, 0]])
    >>> line > 0.5, peak < 1e-6
    (True, True)
    """
    from scipy.special import chdtrc, expit

    fit = fit_sweep(positions, counts)
    drawn = fit.pictures > 0
    t, y, n = (one[drawn] for one in (fit.positions, fit.b_seen, fit.pictures))
    if len(n) < 3:
        return float("nan")
    p = expit(fit.beta[0] + fit.beta[1] * t)
    return float(chdtrc(len(n) - 2, ((y - n * p) ** 2 / (n * p * (1 - p))).sum()))


def _likely_log_odds(u: np.ndarray, y: np.ndarray, n: np.ndarray, q: float) -> tuple[float, float]:
    """Return the log-odds at u = 0 whose best likelihood is within q^2 / 2 of the largest."""
    from scipy.optimize import brentq, minimize_scalar
    from scipy.special import expit

    steepest = 1e4 / float(np.ptp(u))
    far = steepest * float(np.abs(u).max()) + 50

    def profile(a: float) -> float:
        def score(k: float) -> float:
            return float((u * (y - n * expit(a + k * u))).sum())

        low, high = -steepest, steepest
        k = low if score(low) <= 0 else high if score(high) >= 0 else brentq(score, low, high)
        eta = a + k * u
        return float((y * eta - n * np.logaddexp(0, eta)).sum())

    top = minimize_scalar(lambda a: -profile(a), bounds=(-far, far), method="bounded")
    threshold = -float(top.fun) - q**2 / 2
    ends = [
        float(brentq(lambda a: profile(a) - threshold, end, top.x))
        if profile(end) < threshold
        else float(np.copysign(np.inf, end))
        for end in (-far, far)
    ]
    return ends[0], ends[1]
