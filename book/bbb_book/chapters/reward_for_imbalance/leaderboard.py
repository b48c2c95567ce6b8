"""Leaderboards of generators by mean alignment score (theorem T4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["Leaderboard", "leaderboard", "simulate_leaderboards"]


@dataclass(frozen=True)
class Leaderboard:
    """Two generators compared on equally many images per prompt.

    Attributes
    ----------
    rewards : numpy.ndarray, shape [prompts]
        Expected score of the unfair generator minus that of the fair one.
    variance : float
        Of the difference of one image each, mean over prompts.
    """

    rewards: np.ndarray
    variance: float

    @property
    def reward(self) -> float:
        """Mean reward over the prompts; zero or less is fair."""
        return float(self.rewards.mean())

    def probability(self, n: float | int) -> float:
        """Return the chance that `n` images per generator put the unfair one first."""
        return float(special.ndtr(np.sqrt(n / self.variance) * self.reward))

    def images(self, probability: float = 0.95) -> float:
        """Return the images per generator until it leads with that probability, else infinity."""
        if not 0.5 <= checks.number("probability", probability) < 1:
            raise InputError(f"probability is {probability}; pass at least 0.5 and less than 1.")
        if self.reward <= 0:
            return float("inf")
        return float(special.ndtri(probability) ** 2 * self.variance / self.reward**2)


def _pool(pool: np.ndarray) -> np.ndarray:
    pool = np.asarray(checks.finite("pool", pool), dtype=np.float64)
    if pool.ndim != 3 or pool.shape[1] < 2 or pool.shape[2] < 2:
        raise InputError(f"pool has shape {pool.shape}; pass [prompts, groups, images].")
    return pool


def _shares(name: str, shares: Any, prompts: int, groups: int) -> np.ndarray:
    rows = np.broadcast_to(np.asarray(shares, dtype=np.float64), (prompts, groups))
    for row in np.unique(rows, axis=0):
        checks.distribution(name, row)
    return rows


def leaderboard(pool: np.ndarray, *, fair: Any, unfair: Any) -> Leaderboard:
    r"""Compare two generators that draw every group equally well and differ in shares only.

    .. math::
        \text{reward}_p = \sum_a (w_{p,a} - \pi_{p,a})\, m_{p,a}, \qquad
        n = z^2 \, \frac{\overline{V_w + V_\pi}}{\overline{\text{reward}}^2}

    Parameters
    ----------
    pool : numpy.ndarray, shape [prompts, groups, images]
        Scores of fitting images of each group.
    fair, unfair : array_like, shape [groups] or [prompts, groups]
        Shares :math:`\pi` and w.

    Examples
    --------
    >>> pool = np.array([[[0.9, 1.1], [0.7, 0.9]]])
    >>> round(leaderboard(pool, fair=[0.5, 0.5], unfair=[1.0, 0.0]).reward, 3)
    0.1
    """
    pool = _pool(pool)
    means, squares = pool.mean(axis=2), (pool**2).mean(axis=2)
    variance, expected = 0.0, []
    for name, given in (("unfair", unfair), ("fair", fair)):
        w = _shares(name, given, *means.shape)
        expected.append((w * means).sum(axis=1))
        variance += float(((w * squares).sum(axis=1) - expected[-1] ** 2).mean())
    return Leaderboard(expected[0] - expected[1], variance)


def simulate_leaderboards(
    pool: np.ndarray,
    n: int,
    *,
    fair: Any,
    unfair: Any,
    boards: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw `boards` leaderboards and return which of them put the unfair generator first.

    Parameters
    ----------
    pool, fair, unfair
        As in `leaderboard`.
    n : int
        Images per generator, rounded up to equally many per prompt.
    boards, rng
        How many, from which stream.
    """
    pool = _pool(pool)
    prompts, groups, images = pool.shape
    each = -(-checks.integer("n", n, low=1) // prompts)
    means = []
    for name, given in (("unfair", unfair), ("fair", fair)):
        ends = np.cumsum(_shares(name, given, prompts, groups), axis=1)[:, None, :-1]
        total = np.zeros(boards)
        for board in range(boards):
            group = (rng.random((prompts, each, 1)) >= ends).sum(axis=2)
            row = rng.integers(0, images, (prompts, each))
            total[board] = pool[np.arange(prompts)[:, None], group, row].mean()
        means.append(total)
    return means[0] > means[1]
