"""Confidence limits of sums with skewed noise, as of rare truths and few clusters (D5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special, stats

__all__ = ["Limits", "Side", "normal_to_t", "t_to_normal"]

LEAST_SKEW = 1e-5
"""Below it the gamma law and the normal law agree to 1e-5 of a standard deviation."""


def normal_to_t(critical: Any, freedom: Any) -> Any:
    """Turn a critical value of normal statistics into that of t statistics of equal tail."""
    return stats.t.isf(special.ndtr(-critical), np.maximum(freedom, 1))


def t_to_normal(z: np.ndarray, freedom: Any) -> np.ndarray:
    """Turn non-negative t statistics into normal ones of equal tail: undoes `normal_to_t`."""
    return np.asarray(-special.ndtri(stats.t.sf(z, np.maximum(freedom, 1)).clip(1e-300)))


@dataclass(frozen=True)
class Side:
    r"""How far a true sum may lie on one side of its estimate.

    Let units :math:`x_i` have the sum S. One more unit is imagined, as far out on this side as
    any may lie (``step``), so that :math:`V = \sum (x_i - \bar x)^2 + step^2` and
    :math:`M = \sum (x_i - \bar x)^3 + step^3`. The distance of the truth follows a gamma law of
    variance V and skewness :math:`2 M / V^{3/2}` about :math:`\max(c, 0)` with :math:`c = M / V`.
    For counts of rare events (c = 1) these are the exact Poisson limits; for units of any size the
    gamma limits of :cite:`fay1997`; for many units Hall's correction for skewness
    :cite:`hall1992`; without skewness the normal limits.
    """

    scale: np.ndarray
    skew: np.ndarray
    shift: np.ndarray

    @classmethod
    def of(cls, variance: np.ndarray, third: np.ndarray, step: np.ndarray) -> Side:
        """Return the side of sums of squares and cubes (signed towards it), and imagined units."""
        v = variance + step**2  # V
        safe = np.where(v > 0, v, 1.0)
        m = np.where(v > 0, third + step**3, 0.0)  # M
        skew = 2 * m / safe**1.5
        skew = np.where(np.abs(skew) < LEAST_SKEW, LEAST_SKEW, skew)
        return cls(np.sqrt(v), skew, np.maximum(m / safe, 0))

    def over(self, n: int) -> Side:
        """Return the side of the sums divided by n."""
        return Side(self.scale / n, self.skew, self.shift / n)

    def reach(self, z: Any) -> np.ndarray:
        """Return the distance of the limit with the tail of a normal score z >= 0.

        The quantile of the gamma law is that of Wilson and Hilferty :cite:`wilson1931`.
        """
        cube = (1 + self.skew * z / 6 - self.skew**2 / 36) ** 3
        return np.maximum(self.shift + self.scale * (2 / self.skew) * (cube - 1), 0.0)

    def score(self, distance: np.ndarray) -> np.ndarray:
        """Return the normal score of a distance: `reach` undone, 0 where the tail is above 1/2."""
        free = distance - self.shift
        w = np.divide(free, self.scale, out=np.zeros_like(free), where=self.scale > 0)
        z = (6 / self.skew) * (np.cbrt(1 + self.skew * w / 2) - 1 + self.skew**2 / 36)
        z = np.where(self.scale > 0, np.maximum(z, 0.0), 0.0)
        return np.where((self.scale == 0) & (distance > 0), np.inf, z)


@dataclass(frozen=True)
class Limits:
    """Estimates with what is known of the truth below and above each."""

    estimate: np.ndarray
    below: Side
    above: Side

    @classmethod
    def of(
        cls, estimate: np.ndarray, variance: np.ndarray, third: np.ndarray,
        below: np.ndarray, above: np.ndarray,
    ) -> Limits:  # fmt: skip
        """Return the limits of sums with their squares, cubes and imagined units on both sides."""
        variance = np.maximum(variance, 0.0)
        return cls(estimate, Side.of(variance, -third, below), Side.of(variance, third, above))

    @classmethod
    def widened(
        cls, estimate: np.ndarray, variance: np.ndarray, third: np.ndarray,
        below: np.ndarray, above: np.ndarray,
    ) -> Limits:  # fmt: skip
        """Return limits that skewness may widen but not narrow: few units tell it badly."""
        down = Side.of(variance, (-third).clip(0), below)
        return cls(estimate, down, Side.of(variance, third.clip(0), above))

    def over(self, n: int) -> Limits:
        """Return the limits of the sums divided by n."""
        return Limits(self.estimate / n, self.below.over(n), self.above.over(n))

    @property
    def inner(self) -> Side:
        """The sides that look towards zero."""
        positive = self.estimate > 0
        pairs = (
            np.where(positive, getattr(self.below, name), getattr(self.above, name))
            for name in ("scale", "skew", "shift")
        )
        return Side(*pairs)

    def interval(self, z: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return lower and upper limits with the tails of a normal score z >= 0."""
        return self.estimate - self.below.reach(z), self.estimate + self.above.reach(z)

    def score(self) -> np.ndarray:
        """Return the normal scores of "the truth is zero", two-sided: non-negative."""
        return self.inner.score(np.abs(self.estimate))
