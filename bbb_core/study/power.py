"""How many images, readings and people a study of two groups needs; exact sums (human study).

An image shows group a with probability s. Each of r readers cannot tell with probability c, else
errs with probability e, independently; of the images a share h is ambiguous, and there everybody
guesses. The label is the majority of those who could tell; a tie, or nobody, gives none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from bbb_core import checks as check
from bbb_core.errors import InputError
from bbb_core.stats import binomial_interval

__all__ = [
    "Readers",
    "design_effect",
    "detection_power",
    "expected_half_width",
    "images_for_half_width",
    "images_for_power",
]

MOST_IMAGES = 20_000
TAIL = 1e-9
"""Probability of numbers of labelled images that the sums may leave out."""


@dataclass(frozen=True, kw_only=True)
class Readers:
    """Readers of an image, as the power calculation sees them.

    Parameters
    ----------
    readings : int
        Readers per image, r, at least 1.
    error : float
        Probability e that a reader who can tell reads the other group, in [0, 0.5].
    cant_tell : float
        Probability c of "can't tell", in [0, 1).
    ambiguous : float
        Share h of images in which everybody guesses, in [0, 1].
    """

    readings: int = 5
    error: float | int = 0.1
    cant_tell: float | int = 0.05
    ambiguous: float | int = 0.0

    def __post_init__(self) -> None:
        check.integer("readings", self.readings, low=1, high=1000)
        check.number("error", self.error, low=0, high=0.5)
        check.number("cant_tell", self.cant_tell, low=0, high=1)
        check.number("ambiguous", self.ambiguous, low=0, high=1)
        if self.cant_tell == 1:
            raise InputError("cant_tell is 1: nobody ever tells anything; lower it.")

    def label_rates(self) -> tuple[float, float, float]:
        r"""Return the probabilities that a label is right, wrong, or missing; they sum to one.

        With :math:`T \sim \mathrm{Bin}(r, 1 - c)` readers who can tell, the label is right if
        more than :math:`T/2` of them are; exact sum over T.

        Examples
        --------
        >>> Readers(readings=1, error=0.1, cant_tell=0.0).label_rates()
        (0.9, 0.1, 0.0)
        """
        clear, guess = self._rates(self.error), self._rates(0.5)
        h = self.ambiguous
        right, wrong = ((1 - h) * a + h * b for a, b in zip(clear, guess, strict=True))
        return float(right), float(wrong), float(max(0.0, 1 - right - wrong))

    def _rates(self, error: float) -> tuple[float, float]:
        able = np.arange(self.readings + 1)
        weight = stats.binom.pmf(able, self.readings, 1 - self.cant_tell)
        right = stats.binom.sf(able // 2, able, 1 - error)
        wrong = stats.binom.sf(able // 2, able, error)
        return float(weight @ right), float(weight @ wrong)

    def labelled_share(self, imbalance: float | int) -> float:
        r"""Return the share of labels of the larger group, given the true imbalance.

        Its distance from one half is the true imbalance times
        :math:`(\text{right} - \text{wrong}) / (\text{right} + \text{wrong})`: errors of readers
        hide imbalance, they do not make it.
        """
        right, wrong, _ = self.label_rates()
        return 0.5 + _imbalance(imbalance) * (right - wrong) / (right + wrong)


def _imbalance(value: float | int) -> float:
    return check.number("imbalance", value, low=0, high=0.5)


def design_effect(readers: Readers, imbalance: float | int = 0.0) -> float:
    r"""Return by how much the variance grows when readings are counted as if independent.

    :math:`1 + (r - 1) \rho` with the correlation :math:`\rho` of two readings of one image, which
    is :math:`\mathrm{Var}(\theta) / (q (1 - q))` for the probability :math:`\theta` that an image
    is read as the larger group, with mean q. With r readings of each of n images, the share
    among *readings* is known as well as from :math:`n r / \text{effect}` independent ones. With
    perfect readers that is n: more readers are no more images.

    References
    ----------
    Kish (1965), ``kish1965`` in the references.

    Examples
    --------
    >>> design_effect(Readers(readings=5, error=0.0, cant_tell=0.0))
    5.0
    >>> design_effect(Readers(readings=5, error=0.5, cant_tell=0.0))
    1.0
    """
    share, h, e = 0.5 + _imbalance(imbalance), readers.ambiguous, readers.error
    weight = np.array([(1 - h) * share, (1 - h) * (1 - share), h])
    theta = np.array([1 - e, e, 0.5])
    q = float(weight @ theta)
    if q in (0.0, 1.0):
        return 1.0  # every reading is the same: nothing varies
    rho = float(weight @ (theta - q) ** 2) / (q * (1 - q))
    return 1 + (readers.readings - 1) * rho


def _labelled(images: int, readers: Readers) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of labelled images that may occur, at least one, and their weights."""
    unlabelled = readers.label_rates()[2]
    low, high = stats.binom.ppf([TAIL, 1 - TAIL], images, 1 - unlabelled)
    m = np.arange(int(low), int(high) + 1)
    weight = stats.binom.pmf(m, images, 1 - unlabelled)
    return m[m > 0], weight[m > 0]


def detection_power(
    images: int, imbalance: float | int, readers: Readers, *, confidence: float | int = 0.95
) -> float:
    """Return the probability that the exact interval of the imbalance lies above zero.

    Parameters
    ----------
    images : int
        Images of one prompt.
    imbalance : float
        True imbalance |s - 1/2| of the images, in [0, 0.5]. At 0 it is the false alarm rate.

    Examples
    --------
    >>> perfect = Readers(readings=1, error=0.0, cant_tell=0.0)
    >>> round(detection_power(100, 0.2, perfect), 3)
    0.979
    """
    n = check.integer("images", images, low=1, high=MOST_IMAGES)
    tail = (1 - check.confidence_level(confidence)) / 2
    q = readers.labelled_share(imbalance)
    m, weight = _labelled(n, readers)
    # the interval of Clopper and Pearson leaves out 1/2 iff a tail of Bin(m, 1/2) is below alpha/2
    cut = stats.binom.ppf(tail, m, 0.5).astype(int)
    cut = np.where(stats.binom.cdf(cut, m, 0.5) < tail, cut, cut - 1)
    reject = stats.binom.cdf(cut, m, q) + stats.binom.sf(m - cut - 1, m, q)
    return float(weight @ reject)


def expected_half_width(
    images: int, readers: Readers, *, imbalance: float | int = 0.0, confidence: float | int = 0.95
) -> float:
    """Return half the expected width of the exact interval of a group's share.

    The interval of the imbalance is that interval folded at one half, so it is never wider. At
    `imbalance` 0 it is widest: plan with that.

    Examples
    --------
    >>> round(expected_half_width(100, Readers(readings=1, error=0.0, cant_tell=0.0)), 3)
    0.101
    """
    n = check.integer("images", images, low=1, high=MOST_IMAGES)
    level = check.confidence_level(confidence)
    q = readers.labelled_share(imbalance)
    m, weight = _labelled(n, readers)
    total = 0.5 * float(1 - weight.sum())  # without a label the share may be anything
    for size, p in zip(m, weight, strict=True):
        if p < TAIL:
            continue
        spread = 1 + 8 * math.sqrt(size * q * (1 - q))
        k = np.arange(max(0, int(size * q - spread)), min(size, int(size * q + spread)) + 1)
        low, high = binomial_interval(k, np.full_like(k, size), confidence=level)
        pmf = stats.binom.pmf(k, size, q)
        total += p * float(pmf @ (high - low)) / float(pmf.sum()) / 2
    return float(total)


def images_for_half_width(
    half_width: float | int,
    readers: Readers,
    *,
    imbalance: float | int = 0.0,
    confidence: float | int = 0.95,
) -> int:
    """Return the least number of images for that expected half-width.

    Raises
    ------
    InputError
        If more than 20,000 images would be needed.
    """
    wanted = check.number("half_width", half_width, low=0.001, high=0.5)

    def short(n: int) -> bool:
        return expected_half_width(n, readers, imbalance=imbalance, confidence=confidence) <= wanted

    low, high = 0, 8
    while not short(high):
        low, high = high, high * 2
        if low >= MOST_IMAGES:
            raise InputError(f"half_width is {wanted}; it takes more than {MOST_IMAGES} images.")
        high = min(high, MOST_IMAGES)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if short(middle) else (middle, high)
    return high


def images_for_power(
    imbalance: float | int,
    readers: Readers,
    *,
    power: float | int = 0.9,
    confidence: float | int = 0.95,
) -> int:
    """Return the number of images from which on the imbalance is detected with that probability.

    Counts are whole, so the power saws up and down with the number of images; from the returned
    number on it stays at `power` or above (up to twice that number).

    Raises
    ------
    InputError
        If more than 20,000 images would be needed.
    """
    wanted = check.number("power", power, low=0.01, high=0.9999)
    if check.number("imbalance", imbalance, low=0, high=0.5) == 0:
        raise InputError("imbalance is 0; there is nothing to detect.")
    n = 8
    while not _all_reach(n, 2 * n, imbalance, readers, wanted, confidence):
        n *= 2
        if n > MOST_IMAGES // 2:
            raise InputError(f"imbalance is {imbalance}; it takes more than {n} images.")
    while n > 1 and detection_power(n - 1, imbalance, readers, confidence=confidence) >= wanted:
        n -= 1
    return n


def _all_reach(
    low: int,
    high: int,
    imbalance: float | int,
    readers: Readers,
    wanted: float,
    confidence: float | int,
) -> bool:
    if detection_power(low, imbalance, readers, confidence=confidence) < wanted:
        return False
    return all(
        detection_power(n, imbalance, readers, confidence=confidence) >= wanted
        for n in range(low, min(high, low + 40))
    )
