r"""Failure signatures: a quantity of an audit, its interval, its threshold and a verdict.

Serves the chapter "Does it generalise?". A signature is *triggered*, *not triggered* or
*undecided*. It sees numbers only, so that any audit can use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import stats

from bbb_book.chapters.generalisation.heterogeneity import heterogeneity
from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.stats import mean_interval

__all__ = [
    "Signature",
    "differing_encoders",
    "high_total_variation",
    "idle_mitigation",
    "opposite_signs",
]


@dataclass(frozen=True, kw_only=True)
class Signature:
    """One failure signature: a quantity, its interval, its threshold, and what follows.

    Attributes
    ----------
    name
        What the signature is called.
    value, low, high
        Estimate and interval; an end may be infinite where the data cannot bound it.
    threshold
        The signature is triggered where the whole interval lies above it, not triggered where
        none of it does, else undecided.
    """

    name: str
    value: float
    low: float
    high: float
    threshold: float

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            raise InputError(
                f"value {self.value} of {self.name!r} lies outside [{self.low}, {self.high}]; "
                "pass an interval that holds it."
            )

    @property
    def verdict(self) -> Literal["triggered", "not triggered", "undecided"]:
        """What the interval says."""
        if self.low > self.threshold:
            return "triggered"
        return "not triggered" if self.high <= self.threshold else "undecided"


def high_total_variation(
    imbalance: Any,
    *,
    floor: Any = 0.0,
    threshold: float | int = 0.2,
    confidence: float = 0.95,
) -> Signature:
    r"""Judge whether the total variation between prompts' shares and their target is high.

    The quantity is the mean over prompts of TV(shares, target) (definition D2). A plug-in TV is
    too large on average, by at most the sampling floor, so the lower end is that of
    `mean_interval` for TV - floor and the upper end that for TV: neither is owed to small samples.

    Parameters
    ----------
    imbalance : array_like, shape [m]
        Plug-in TV per prompt, in [0, 1]; 0 is balanced.
    floor : float or array_like, shape [m]
        `bbb_core.balance.sampling_floor` of the images behind each.
    threshold : float
        TV that counts as high: .2 means that a fifth of the images would have to change group.

    Returns
    -------
    Signature
        Its value is the mean of TV - floor, cut at 0.

    Notes
    -----
    Simulated with TVs of law beta(.5, 3) and no floor: at a nominal .025 the upper end is too low
    in .09, .06, .05 and .02 of samples of 3, 6, 10 and 20 prompts, the lower end too high in under
    .01.

    Raises
    ------
    InputError
        If there are fewer than two prompts or a value lies outside [0, 1].

    Examples
    --------
    >>> high_total_variation([0.4, 0.5, 0.45, 0.5], floor=0.05).verdict
    'triggered'
    >>> high_total_variation([0.05, 0.04, 0.06, 0.05], floor=0.05).verdict
    'not triggered'
    """
    level = checks.confidence_level(confidence)
    tv = np.asarray(
        checks.probability("imbalance", checks.vector("imbalance", imbalance, minimum=2)),
        dtype=np.float64,
    )
    bias = np.broadcast_to(np.asarray(checks.probability("floor", floor), np.float64), tv.shape)
    below = mean_interval(tv - bias, confidence=level)
    above = mean_interval(tv, confidence=level)
    return Signature(
        name="high total variation",
        value=min(max(below.value, 0.0), 1.0), low=min(max(below.low, 0.0), 1.0),
        high=min(above.high, 1.0), threshold=checks.number("threshold", threshold, low=0),
    )  # fmt: skip


def idle_mitigation(
    before: Any,
    after: Any,
    *,
    least: float | int = 0.2,
    name: str = "idle mitigation",
    confidence: float = 0.95,
) -> Signature:
    r"""Judge whether a mitigation leaves the audit's errors as they were.

    The quantity is the error that remains, :math:`\rho = \bar a / \bar b`, for paired errors
    before (b) and after (a), one pair per unit. Its interval is Fieller's:
    :math:`\{\rho : \lvert \bar a - \rho \bar b \rvert \le t\, \mathrm{se}(a - \rho b)\}`.
    The signature is triggered when surely more than ``1 - least`` of the error remains.

    Parameters
    ----------
    before, after : array_like, shape [n]
        Audit errors per unit (an occupation, a cluster), the same units in both. They may be
        negative where a noise correction was taken off.
    least : float
        Share of the error that a mitigation should remove at least, in [0, 1).
    name : str
        What to call the signature, when several mitigations are judged.

    Returns
    -------
    Signature
        Where the error before is not surely above zero there is nothing to mitigate: the interval
        is the whole line and the verdict *undecided*.

    Raises
    ------
    InputError
        If there are fewer than three pairs or shapes differ.

    Notes
    -----
    Exact for normal pairs. Simulated at a nominal .95 with 3, 5, 10 and 30 exponential errors: the
    interval misses in .02, .05, .09 and .08 of samples, and the signature is triggered at its
    threshold in at most .01.

    References
    ----------
    :cite:`fieller1954`.

    Examples
    --------
    >>> errors = np.array([1.0, 1.2, 0.9, 1.1, 1.0])
    >>> idle_mitigation(errors, errors * [0.1, 0.2, 0.1, 0.1, 0.2]).verdict
    'not triggered'
    >>> idle_mitigation(errors, errors + 0.1).verdict
    'triggered'
    """
    level = checks.confidence_level(confidence)
    b = np.asarray(checks.vector("before", before, minimum=3), dtype=np.float64)
    a = np.asarray(checks.vector("after", after, minimum=3), dtype=np.float64)
    checks.same_shape(before=b, after=a)
    if not 0 <= checks.number("least", least) < 1:
        raise InputError(f"least is {least}; pass a share of at least 0 and below 1.")
    ratio, low, high = _fieller(a, b, level)
    return Signature(name=name, value=ratio, low=low, high=high, threshold=1.0 - least)


def _fieller(a: np.ndarray, b: np.ndarray, level: float) -> tuple[float, float, float]:
    """Return mean(a) / mean(b) with Fieller's interval; the whole line where b may be zero."""
    n = len(a)
    t2 = float(stats.t.ppf((1 + level) / 2, n - 1)) ** 2 / n
    x, y = float(a.mean()), float(b.mean())
    vx, vy = float(a.var(ddof=1)), float(b.var(ddof=1))
    cross = float(np.cov(a, b)[0, 1])
    square = y**2 - t2 * vy
    if y <= 0 or square <= 0:
        return (x / y if y > 0 else 1.0), -np.inf, np.inf
    middle = x * y - t2 * cross
    root = np.sqrt(max(0.0, middle**2 - square * (x**2 - t2 * vx)))
    ratio = x / y
    return (
        ratio,
        min(float(middle - root) / square, ratio),
        max(float(middle + root) / square, ratio),
    )


def opposite_signs(
    effects: Any, errors: Any, *, threshold: float | int = 0.0, confidence: float = 0.95
) -> Signature:
    r"""Judge whether encoders contradict each other: one effect above zero, another below.

    The quantity is the size of the flip, :math:`F = \min(\max_i \theta_i, \max_i -\theta_i)`: it
    is positive exactly when two effects have opposite signs, and then the smaller of the two
    extremes. Simultaneous (Bonferroni) intervals of the effects give its ends, so that the chance
    that the interval misses F is at most ``1 - confidence``, whatever the dependence of encoders
    on one another.

    Parameters
    ----------
    effects, errors : array_like, shape [k]
        An effect per encoder on a scale where 0 means none, and its standard error.
    threshold : float
        Flips up to this size do not count.

    Returns
    -------
    Signature

    Raises
    ------
    InputError
        If there are fewer than two effects or an error is not positive.

    References
    ----------
    :cite:`gail1985` for the question (qualitative interaction).

    Examples
    --------
    >>> opposite_signs([0.9, -0.8, 0.5], [0.1, 0.1, 0.1]).verdict
    'triggered'
    >>> opposite_signs([0.9, 0.8, 0.5], [0.1, 0.1, 0.1]).verdict
    'not triggered'
    >>> opposite_signs([0.9, -0.1, 0.5], [0.1, 0.1, 0.1]).verdict
    'undecided'
    """
    level = checks.confidence_level(confidence)
    y, s = _effects(effects, errors)
    half = float(stats.norm.isf((1 - level) / 2 / len(y))) * s
    flip = min(y.max(), (-y).max())
    return Signature(
        name="opposite signs", value=float(flip),
        low=float(min((y - half).max(), (-y - half).max())),
        high=float(min((y + half).max(), (-y + half).max())),
        threshold=checks.number("threshold", threshold, low=0),
    )  # fmt: skip


def differing_encoders(
    effects: Any, errors: Any, *, threshold: float | int = 0.5, confidence: float = 0.95
) -> Signature:
    r"""Judge whether effects differ between encoders by more than their errors explain.

    Triggered when surely more than `threshold` of the variance between encoders is real:
    :math:`I^2` of `heterogeneity`, which treats the effects as independent.

    Examples
    --------
    >>> differing_encoders([0.0, 5.0, -5.0, 9.0], [0.1] * 4).verdict
    'triggered'
    """
    y, s = _effects(effects, errors)
    found = heterogeneity(y, s, confidence=confidence)
    return Signature(
        name="differing encoders", value=found.i_squared,
        low=found.i_squared_low, high=found.i_squared_high,
        threshold=float(checks.probability("threshold", threshold)),
    )  # fmt: skip


def _effects(effects: Any, errors: Any) -> tuple[np.ndarray, np.ndarray]:
    y = np.asarray(checks.vector("effects", effects, minimum=2), dtype=np.float64)
    s = np.asarray(checks.vector("errors", errors, minimum=2), dtype=np.float64)
    checks.same_shape(effects=y, errors=s)
    if (s <= 0).any():
        row = int(np.flatnonzero(s <= 0)[0])
        raise InputError(f"errors[{row}] is {s[row]:g}; pass positive standard errors.")
    return y, s
