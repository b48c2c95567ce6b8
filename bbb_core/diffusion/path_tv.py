r"""The certificate: how far two prompts' generations can differ, at every sample size (theorem T0).

.. math:: TV(D_c, D_{c'}) \le TV(path_c, path_{c'}) = E_{path_c}\left[(1 - e^{-l})_+\right]
    = E_{(path_c + path_{c'}) / 2}\left[\tanh(|l| / 2)\right],
    \qquad l = \log \frac{d\,path_c}{d\,path_{c'}}

*Proof.* Pictures are a function of their path, which gives the inequality. With densities p and q,
:math:`TV = \int (p - q)_+ = \int p\,(1 - q/p)_+`, and
:math:`TV = \int \frac{p + q}{2} \cdot \frac{|p - q|}{p + q}` where
:math:`(p - q)/(p + q) = (e^l - 1)/(e^l + 1) = \tanh(l/2)`. Both integrands lie in [0, 1].

The second form averages the first over the two prompts that may have drawn a path: it is what an
observer of the path wins over a coin, and it varies less (Rao and Blackwell).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from torch import Tensor

from bbb_core import checks, rng
from bbb_core.diffusion.paths import PathKL, compared_paths
from bbb_core.diffusion.process import ReverseProcess
from bbb_core.report.shown import Shown
from bbb_core.stats.mean_limits import betting_limit
from bbb_core.theory import is_vacuous

__all__ = ["Certificate", "certificate", "path_advantages"]


@dataclass(frozen=True, eq=False)
class Certificate(Shown):
    r"""An upper limit of TV(D_c, D_c') that holds at every sample size and for every model.

    Attributes
    ----------
    tv : float
        Unbiased estimate of the total variation of the *paths*, in [0, 1]; zero means equal laws.
    interval : tuple of float
        Two-sided confidence interval of it.
    tv_bound : float
        One-sided upper limit: the total variation of the pictures exceeds it with probability at
        most 1 - confidence. One says nothing.
    n : int
        Paths in each direction.
    confidence : float
        Level of `tv_bound`, and of `interval`.
    forward, backward : PathKL
        Path KL from c to c' and back along the same paths: a geometry, no certificate.
    """

    tv: float
    interval: tuple[float, float]
    tv_bound: float
    n: int
    confidence: float
    forward: PathKL
    backward: PathKL

    @property
    def vacuous(self) -> bool:
        """Whether the bound says next to nothing (`bbb_core.theory.is_vacuous`)."""
        return bool(is_vacuous(self.tv_bound))


def path_advantages(
    forward: Float64[np.ndarray, "n"],
    backward: Float64[np.ndarray, "n"],
    *,
    coins: np.random.Generator,
) -> Float64[np.ndarray, "2*n"]:
    r"""Return 2 n numbers in [0, 1], each with mean TV(path_c, path_c') given those before it.

    A fair coin says from which prompt the next path is taken, so it is drawn from the even mixture,
    where :math:`\tanh(|l|/2)` has the mean wanted. Once one prompt has no path left, the others
    follow with :math:`(1 - e^{-l})_+`, which has that mean under their own prompt.

    Parameters
    ----------
    forward, backward : ndarray, shape [n]
        Log-likelihood ratios of independent paths of c against c', and of c' against c.
    coins : numpy.random.Generator
        Tosses the coins, independently of the paths.

    Examples
    --------
    >>> sure = np.full(50, 40.0)
    >>> bool((path_advantages(sure, sure, coins=np.random.default_rng(0)) == 1).all())
    True
    """
    ratios = np.stack([forward, backward])  # [2, n]
    n = ratios.shape[1]
    side = coins.integers(0, 2, 2 * n)  # whose path is next
    turn = np.where(side == 1, (side == 1).cumsum(), (side == 0).cumsum()) - 1
    fair = np.logical_and.accumulate(turn < n)  # until one prompt runs out
    mixed = np.tanh(np.abs(ratios[side[fair], turn[fair]]) / 2)
    left = [ratios[s, (side[fair] == s).sum() :] for s in (0, 1)]  # one is empty
    return np.concatenate([mixed, -np.expm1(-np.concatenate(left).clip(min=0))])


def certificate(
    process: ReverseProcess,
    condition: Tensor,
    other: Tensor,
    *,
    n: int,
    seed: int,
    confidence: float = 0.95,
    stop: int = 0,
    batch: int = 4096,
) -> Certificate:
    r"""Certify an upper bound on TV(D_c, D_c') of the sampler's laws at level 1 - alpha.

    Parameters
    ----------
    process : ReverseProcess
        The sampler, with the means that it really uses.
    condition, other : Tensor, shape [e]
        c and c'.
    n : int
        Paths in each direction.
    seed : int
        Seed; path i of a seed does not depend on n or `batch`.
    confidence : float
        1 - alpha, of the one bound and of the interval.
    stop : int
        Compare the steps K, ..., stop + 1 only; the bound is then one for the laws of x_stop.
    batch : int
        Paths computed at once.

    Raises
    ------
    InputError
        If a step adds no noise, so that no bound follows; if the means are not finite; if an option
        is out of range.

    Notes
    -----
    No simulation stands behind the level: it is a theorem, for every model and every n. How far the
    bound lies above the truth is simulated in the chapter "Biased embeddings give imbalanced
    generations".

    References
    ----------
    Theorem T0 of the book; :cite:`waudbysmith2024` for the limit.

    Examples
    --------
    >>> import torch
    >>> from bbb_core.diffusion import two_group_oracle
    >>> w = torch.tensor([[0.5], [0.55]], dtype=torch.float64)
    >>> result = certificate(two_group_oracle(steps=30), w[0], w[1], n=500, seed=0)
    >>> 0.05 < result.tv < result.tv_bound < 0.07
    True
    """
    level = checks.confidence_level(confidence)
    there, back = (
        compared_paths(process, a, b, n=n, seed=seed, key=f"path TV, {way}", stop=stop, batch=batch)
        for way, a, b in (("there", condition, other), ("back", other, condition))
    )
    values = path_advantages(
        there.log_ratio.numpy(), back.log_ratio.numpy(), coins=rng.generator(seed, "path TV, coins")
    )
    low, high = (
        betting_limit(values, bound=1.0, confidence=(1 + level) / 2, upper=upper)
        for upper in (False, True)
    )
    return Certificate(
        tv=float(values.mean()),
        interval=(low, high),
        tv_bound=betting_limit(values, bound=1.0, confidence=level),
        n=n,
        confidence=level,
        forward=PathKL.of(there, confidence=level, seed=seed),
        backward=PathKL.of(back, confidence=level, seed=seed),
    )
