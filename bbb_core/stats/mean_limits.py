"""Confidence limits of a mean: by betting, at every n, and by the studentised bootstrap."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["betting_limit", "bootstrap_t_limits"]

CAP = 0.9
"""Largest share of the capital that a bet can lose."""
AT_ONCE = 100
"""Resamples held in memory together."""


def _lower(x: np.ndarray, alpha: float) -> float:
    """Return the lower betting limit of the mean of x in [0, 1]."""
    n = len(x)
    counts = np.arange(1, n + 1)
    centres = (0.5 + np.cumsum(x)) / (counts + 1)
    spread = (0.25 + np.cumsum((x - centres) ** 2)) / (counts + 1)
    before = np.concatenate([[0.25], spread[:-1]])  # a bet sees only earlier values
    stakes = np.sqrt(2 * np.log(1 / alpha) / (n * before))

    def log_capital(m: float) -> float:
        bets = np.minimum(stakes, CAP / m)
        return float(np.log1p(bets * (x - m)).sum())

    low, high = 0.0, 1.0  # the capital falls as m grows
    for _ in range(60):
        middle = (low + high) / 2
        if log_capital(middle) >= np.log(1 / alpha):
            low = middle  # the capital refutes every mean up to here
        else:
            high = middle
    return low


def betting_limit(
    values: Float64[np.ndarray, "n"], *, bound: float, confidence: float = 0.95, upper: bool = True
) -> float:
    r"""Return a one-sided confidence limit for the mean of independent values in [0, bound].

    A gambler bets against each candidate mean m; under a true mean beyond m the capital
    :math:`\prod_i (1 + \lambda_i (x_i - m))` is a nonnegative supermartingale, so by Markov's
    inequality it reaches :math:`1/\alpha` with probability at most :math:`\alpha`. The limit is the
    last m that is not refuted. It holds at every sample size and for every law on the range. It is
    never on the wrong side of the sample's own mean.

    Parameters
    ----------
    values : ndarray, shape [n]
        Values in [0, bound], each with the same mean given those before it; independent draws of
        one law, for instance.
    bound : float
        A known upper bound of the values; no estimate.
    confidence : float
        Level 1 - alpha of this one limit.
    upper : bool
        Side of the limit.

    Returns
    -------
    float
        In [0, bound].

    Raises
    ------
    InputError
        If a value lies outside the range.

    References
    ----------
    :cite:`waudbysmith2024`, section 4 (predictable plug-in bets, one-sided).

    Examples
    --------
    >>> values = np.linspace(0.0, 1.0, 101)
    >>> 0.5 < betting_limit(values, bound=1.0) < betting_limit(values, bound=5.0)
    True
    """
    checks.vector("values", values)
    alpha = 1 - checks.confidence_level(confidence)
    if not checks.number("bound", bound) >= 0:
        raise InputError(f"bound is {bound}; pass a nonnegative upper bound.")
    if values.min() < 0 or values.max() > bound * (1 + 1e-9):
        worst = values.min() if values.min() < 0 else values.max()
        raise InputError(f"values holds {worst:.6g}, outside [0, {bound:.6g}]; correct the bound.")
    if bound == 0:
        return 0.0
    x = np.clip(values / bound, 0, 1)
    mean = float(x.mean())
    if upper:
        return bound * max(1 - _lower(1 - x, alpha), mean)
    return bound * min(_lower(x, alpha), mean)


def bootstrap_t_limits(
    values: Float64[np.ndarray, "n"],
    *,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Return lower and upper one-sided limits of a mean by the studentised bootstrap.

    Approximate: the level is approached as n grows, faster than by Student's t when the values are
    skewed, as path sums are. Nothing is guaranteed at a given n, so nothing is certified by it.

    Parameters
    ----------
    values : ndarray, shape [n]
        Independent values, n >= 20.
    confidence : float
        Level of each of the two limits by itself.
    n_resamples : int
        Number of resamples.
    rng : numpy.random.Generator
        Source of the resamples.

    Notes
    -----
    Simulated, 1500 samples a case, two limits at a nominal .975 each. The upper one covered, at
    n = 20, 64 and 300: exponential values .956, .969, .967; log-normal ones with log standard
    deviation 1: .919, .951, .966, and 2: .814, .857, .886; spikes of one height in 2.17 % of the
    values .361, .413, .889. The lower one covered at least .969 throughout.

    References
    ----------
    :cite:`efron1993`, section 12.5.

    Examples
    --------
    >>> low, high = bootstrap_t_limits(np.arange(40.0), rng=np.random.default_rng(0))
    >>> low < 19.5 < high
    True
    """
    checks.vector("values", values, minimum=20)
    alpha = 1 - checks.confidence_level(confidence)
    n, mean, deviation = len(values), values.mean(), values.std(ddof=1)
    if deviation == 0:
        return float(mean), float(mean)
    parts = []
    for begin in range(0, n_resamples, AT_ONCE):
        resamples = values[rng.integers(0, n, (min(AT_ONCE, n_resamples - begin), n))]
        shift, spread = resamples.mean(1) - mean, resamples.std(1, ddof=1)
        parts.append(np.divide(shift, spread, out=np.zeros_like(shift), where=spread > 0))
    low, high = np.quantile(np.concatenate(parts), [alpha, 1 - alpha])
    return float(mean - high * deviation), float(mean - low * deviation)  # ends change places
