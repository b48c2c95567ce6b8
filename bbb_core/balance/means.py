r"""Mean imbalance over prompts, and its change, with intervals for few prompts (D2).

No estimate of an absolute value is unbiased, and the bootstrap over prompts takes what sampling
adds for imbalance. So the interval is built from the two estimates of `bbb_core.balance.estimates`
that err to opposite sides: its lower end goes down from the split-half mean, its upper end up from
the plug-in mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import special

from bbb_core import checks
from bbb_core.balance.estimates import count_table, plug_in_imbalance, split_halves
from bbb_core.balance.shares import sampling_floor
from bbb_core.errors import InputError
from bbb_core.stats import Estimate, mean_interval
from bbb_core.stats.bounded import bounded_mean_interval

__all__ = ["MeanImbalance", "Prompts", "distances", "mean_change", "mean_imbalance"]

Prompts = Literal["fixed", "sampled"]
"""What a mean over prompts speaks of: these prompts, or those that they were drawn from."""
SMALL = 8
"""Prompts with fewer images count only those of the half that judges."""


@dataclass(frozen=True, kw_only=True)
class MeanImbalance:
    """Mean imbalance over prompts: two estimates that err to opposite sides, and the floor.

    Parameters
    ----------
    plug_in : float
        Mean of the measured imbalances; errs upwards. Lies inside the interval of `corrected`.
    corrected : Estimate
        Mean of the split-half imbalances, at least 0; errs downwards, right at balance. Its
        interval is that of the *generator's* mean imbalance.
    floor : float
        What `plug_in` would be if every prompt were exactly balanced.
    n : int
        Number of prompts.
    """

    plug_in: float
    corrected: Estimate
    floor: float
    n: int


@dataclass(frozen=True)
class _Brackets:
    """Both means with the distances to the ends of the interval, and the values per prompt."""

    split: np.ndarray
    plug_in: np.ndarray
    below: float
    above: float


def mean_imbalance(
    counts: Any,
    *,
    target: Any | None = None,
    prompts: Prompts = "fixed",
    clusters: Any = None,
    confidence: float = 0.95,
) -> MeanImbalance:
    r"""Return the mean imbalance over prompts with an interval that holds for few prompts.

    Take N images, m prompts of equal size and two groups with target one half. With the mean
    plug-in imbalance :math:`\bar x` and the mean split-half imbalance :math:`\bar t` the ends are

    .. math::
        L = C_-\bigl(N (\tfrac12 + \bar t)\bigr) - \tfrac12, \qquad
        U = C_+\bigl(N (\tfrac12 + \bar x)\bigr) - \tfrac12

    with :math:`C_\pm(k)` the limits of Clopper and Pearson for k of N. U is exact: the images that
    show the over-represented group of their prompt are Bernoulli variables with mean
    :math:`\tfrac12 + i`, their sum is at most :math:`N(\tfrac12 + \bar x)`, and among sums of
    Bernoulli variables with one mean the binomial has the heaviest tails (Hoeffding 1956). L is
    exact for one way to halve the images; that the mean over all ways is no more variable than N
    images was simulated. In general :math:`\tfrac12` is the target mass of the chosen sets: known
    for L, and for U the least favourable one. Prompts of other sizes (by factors of two) are
    strata, whose distances to the ends are added in squares.

    Parameters
    ----------
    counts
        Whole numbers, shape ``[m, k]``: images of prompt i read as group a, with a column for
        *none of these* (target 0) where there is one.
    target
        Target shares ``[k]``; uniform if not given.
    prompts
        ``fixed``: the mean over these prompts; only the images are a sample. ``sampled``: the
        mean over the prompts that these were drawn from; the interval is then the hull of the
        former with `bbb_core.stats.bounded.bounded_mean_interval` of t (lower end) and x (upper).
    clusters
        A label per prompt, where ``sampled`` prompts come in clusters of one size (an occupation
        drawn by several generators, say): the clusters are then the sample.
    confidence
        Level, half of the error rate at each end.

    Returns
    -------
    MeanImbalance
        Zero is balanced; all values lie in [0, 1].

    Raises
    ------
    InputError
        If counts or target are malformed, or prompts are ``sampled`` and there is one.

    Notes
    -----
    Simulated at a nominal .95 with 2, 3, 5, 10, 20, 60 and 200 prompts of 10, 50 and 250 images
    (chapter "Real models' published generations", 1,000 audits per design, so that three standard
    errors are .02): intervals that miss are at most .057 where all prompts lean alike or images are
    nearly all of one group, or prompts have unequal sizes (exact limits without slack), and at
    most .035 for balanced or nearly balanced generators, half of the prompts of one group, one
    outlier, five groups, rare groups, *none of these*. At exact balance the interval lies above 0
    in at most .027 of 20,000 audits (2, 3 and 5 prompts of 8 to 250 images). ``sampled``: at most
    .033 (60 audits per design) for prompts that are all balanced, half of one group, or have
    uniform or skewed shares. The width is that of a normal interval, and up to the floor more
    near balance, where no method can tell a small imbalance from none.

    References
    ----------
    :cite:`hoeffding1956`, :cite:`clopper1934`; :cite:`zou2008` for adding distances in squares.

    Examples
    --------
    >>> found = mean_imbalance([[27, 23], [22, 28], [26, 24]])
    >>> round(found.plug_in, 3), found.corrected.low, round(found.corrected.high, 3)
    (0.04, 0.0, 0.122)
    """
    level = checks.confidence_level(confidence)
    x, pi = count_table("counts", counts, target)
    made = _brackets(x, pi, level)
    low, high = made.split.mean() - made.below, made.plug_in.mean() + made.above
    most = 1 - float(pi.min())  # all images of the least wanted outcome
    floor = sampling_floor(x.sum(axis=1), target=pi)
    if _sampled(prompts, len(x)):
        split, plug_in = (_by_cluster(v, clusters) for v in (made.split, made.plug_in))
        bounds = {"least": min(-2 * float(np.max(floor)), split.min()), "most": most}
        low = min(low, bounded_mean_interval(split, **bounds, confidence=level).low)
        high = max(high, bounded_mean_interval(plug_in, **bounds, confidence=level).high)
    value = max(float(made.split.mean()), 0.0)
    return MeanImbalance(
        plug_in=float(made.plug_in.mean()),
        corrected=Estimate(value, max(float(low), 0.0), min(float(high), most), level),
        floor=float(np.mean(floor)),
        n=len(x),
    )


def mean_change(
    before: Any,
    after: Any,
    *,
    target: Any | None = None,
    prompts: Prompts = "fixed",
    confidence: float = 0.95,
) -> Estimate:
    r"""Return the change of the mean imbalance between two samples of images, paired by prompt.

    The value is the difference of the split-half means. The lower end goes down from
    :math:`\bar t_{after} - \bar x_{before}`, which errs downwards, the upper end up from
    :math:`\bar x_{after} - \bar t_{before}`; the distances of both intervals of `mean_imbalance`
    are added in squares (Zou and Donner 2008).

    Parameters
    ----------
    before, after
        Counts ``[m, k]``; row i of both is the same prompt. The images of both are independent,
        or share their noise (which shortens what the interval allows for).
    target, prompts, confidence
        As in `mean_imbalance`.

    Returns
    -------
    Estimate
        In [-1, 1]; negative is closer to balance. For ``sampled`` prompts the interval is the hull
        with `bbb_core.stats.mean_interval` of both differences.

    Notes
    -----
    Simulated as for `mean_imbalance`, from and to balanced, leaning and nearly pure generators
    (100 to 300 pairs per design): misses .003 to .03 on average over designs of one size, for
    ``fixed`` and ``sampled`` prompts.

    Examples
    --------
    >>> e = mean_change([[90, 10], [20, 80]], [[55, 45], [50, 50]])
    >>> round(e.value, 2), round(e.low, 2), round(e.high, 2)
    (-0.37, -0.45, -0.23)
    """
    level = checks.confidence_level(confidence)
    x, pi = count_table("before", before, target)
    y, _ = count_table("after", after, target)
    checks.same_shape(before=x, after=y)
    old, new = _brackets(x, pi, level), _brackets(y, pi, level)
    least, most = new.split - old.plug_in, new.plug_in - old.split
    low = least.mean() - np.hypot(new.below, old.above)
    high = most.mean() + np.hypot(new.above, old.below)
    if _sampled(prompts, len(x)):
        low = min(low, mean_interval(least, confidence=level).low)
        high = max(high, mean_interval(most, confidence=level).high)
    value = float((new.split - old.split).mean())
    return Estimate(value, max(float(low), -1.0), min(float(high), 1.0), level)


def _sampled(prompts: Prompts, m: int) -> bool:
    sampled = checks.choice("prompts", prompts, ("fixed", "sampled")) == "sampled"
    if sampled and m < 2:
        raise InputError("counts has one row; a mean over sampled prompts needs at least two.")
    return sampled


def _by_cluster(values: np.ndarray, clusters: Any) -> np.ndarray:
    if clusters is None:
        return values
    _, place, sizes = np.unique(np.asarray(clusters), return_inverse=True, return_counts=True)
    if len(place) != len(values) or len(set(sizes.tolist())) != 1:
        raise InputError("clusters must label every row of counts, each label equally often.")
    return np.bincount(place, values) / sizes


def _brackets(x: np.ndarray, pi: np.ndarray, level: float) -> _Brackets:
    n = x.sum(axis=1)
    plug_in = plug_in_imbalance(x, target=pi)
    shares, masses = split_halves(x, pi)
    below, above = distances(plug_in, shares, n, pi, confidence=level)
    return _Brackets(shares - masses, plug_in, float(below), float(above))


def distances(
    plug_in: np.ndarray, shares: np.ndarray, n: np.ndarray, pi: np.ndarray, *, confidence: float
) -> tuple[Any, Any]:
    """Return how far the ends lie below the split-half mean and above the plug-in mean, ``[...]``.

    Parameters
    ----------
    plug_in, shares
        Per prompt ``[..., m]``: imbalance, and the judging half's share of the chosen set.
    n
        Images per prompt ``[m]``.
    """
    tail, m = (1 - confidence) / 2, len(n)
    judging = np.where(n < SMALL, n - n // 2, n)
    strata = np.floor(np.log2(n))
    below = above = np.zeros(plug_in.shape[:-1])
    for one in np.unique(strata):
        rows = np.flatnonzero(strata == one)
        weight = len(rows) / m
        share, x = shares[..., rows].mean(axis=-1), plug_in[..., rows].mean(axis=-1)
        size = len(rows) ** 2 / (1 / judging[rows]).sum()
        below = np.hypot(below, weight * (share - _lower(share * size, size, tail)))
        size = len(rows) ** 2 / (1 / n[rows]).sum()
        above = np.hypot(above, weight * _upper_distance(x, size, tail, pi))
    return below, above


def _upper_distance(x: Any, size: float, tail: float, pi: np.ndarray) -> Any:
    """Return the largest distance over the target masses that the true sets may have."""
    even = len(pi) == 2 and pi[0] == pi[1]
    masses = np.array([0.5]) if even else np.linspace(pi.min(), 1 - pi.min(), 65)
    x = np.asarray(x)[..., None]
    hits = np.minimum(x + masses, 1.0)
    return (_upper(hits * size, size, tail) - masses - x).max(axis=-1).clip(min=0)


def _lower(k: Any, size: float, tail: float) -> Any:
    """Return Clopper and Pearson's lower limit of a share, for any real k and size."""
    inside = k > 1e-9
    k = np.where(inside, np.minimum(k, size), size)
    return np.where(inside, special.betaincinv(k, size - k + 1, tail), 0.0)


def _upper(k: Any, size: float, tail: float) -> Any:
    """Return Clopper and Pearson's upper limit of a share, for any real k and size."""
    inside = k < size * (1 - 1e-12)
    k = np.where(inside, k, 0.0)
    return np.where(inside, special.betainccinv(k + 1, size - k, tail), 1.0)
