r"""Path KL: the geometry that a generator puts on embeddings (theorem T0).

A path of c moves by :math:`x_{k-1} = \mu_k(x_k, c) + \sigma_k z_k`. What tells it from a path of c'
is :math:`d_k = (\mu_k(x_k, c) - \mu_k(x_k, c')) / \sigma_k`, and the noise :math:`z_k`.

.. math:: KL(path_c \| path_{c'}) = \sum_k E_{x_k \sim path_c}
    \left[ \frac{\lVert \mu_k(x_k, c) - \mu_k(x_k, c') \rVert^2}{2 \sigma_k^2} \right]

It explains and ranks. It never certifies: the sums along paths have no known ceiling and may be as
skewed as they like, so no limit of their mean holds at every n. `bbb_core.diffusion.path_tv` has
one that does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from bbb_core import checks, rng
from bbb_core.diffusion.noise import SampleStreams, draw_normal
from bbb_core.diffusion.process import ReverseProcess, require_noise
from bbb_core.errors import InputError
from bbb_core.stats.mean_limits import bootstrap_t_limits

__all__ = ["ComparedPaths", "PathKL", "compared_paths", "path_kl", "step_terms"]


@dataclass(frozen=True, eq=False)
class ComparedPaths:
    r"""Paths drawn under c, held against c'.

    Attributes
    ----------
    steps : Tensor, shape [K]
        Mean over the paths of :math:`|d_k|^2 / 2`; entry k - 1 belongs to step k.
    divergence : Tensor, shape [n]
        :math:`\sum_k |d_k|^2 / 2` of each path, in [0, inf), in nats.
    log_ratio : Tensor, shape [n]
        :math:`l = \log \frac{d\,path_c}{d\,path_{c'}}` of each path, in nats.
    """

    steps: Float64[Tensor, "K"]
    divergence: Float64[Tensor, "n"]
    log_ratio: Float64[Tensor, "n"]


def step_terms(
    mean: Tensor, other: Tensor, sigma: float, noise: Tensor
) -> tuple[Float64[Tensor, "n"], Float64[Tensor, "n"]]:
    r"""Return what one step adds to divergence and log-likelihood ratio, in float64.

    With :math:`x_{k-1} - \mu = \sigma z` and :math:`x_{k-1} - \mu' = \sigma (z + d)`,

    .. math:: \log \frac{N(x_{k-1}; \mu, \sigma^2 I)}{N(x_{k-1}; \mu', \sigma^2 I)}
        = \frac{|z + d|^2 - |z|^2}{2} = \langle d, z \rangle + \frac{|d|^2}{2}.

    Parameters
    ----------
    mean, other : Tensor, shape [n, ...]
        mu_k(x_k, c) and mu_k(x_k, c').
    sigma : float
        sigma_k, positive.
    noise : Tensor, shape [n, ...]
        z_k as it was really added.

    Examples
    --------
    >>> one = torch.ones(1, 1).double()
    >>> [float(term) for term in step_terms(2 * one, one, 0.5, -one)]
    [2.0, 0.0]
    """
    d = (mean - other).double().flatten(1) / sigma  # [n, d]
    divergence = d.square().sum(1) / 2
    return divergence, (d * noise.double().flatten(1)).sum(1) + divergence


@torch.no_grad()
def compared_paths(
    process: ReverseProcess,
    condition: Tensor,
    other: Tensor,
    *,
    n: int,
    seed: int,
    key: str,
    stop: int = 0,
    batch: int = 4096,
) -> ComparedPaths:
    """Draw n paths under `condition` and compare them with `other` step by step.

    Parameters and errors are those of `path_kl`; `seed` and `key` name the noise.

    Examples
    --------
    >>> from bbb_core.diffusion import two_group_oracle
    >>> w = torch.tensor([[0.5], [0.55]], dtype=torch.float64)
    >>> made = compared_paths(two_group_oracle(steps=9), w[0], w[1], n=5, seed=0, key="example")
    >>> made.log_ratio.shape, bool((made.divergence >= 0).all())
    (torch.Size([5]), True)
    """
    n, batch = checks.integer("n", n, low=1), checks.integer("batch", batch, low=1)
    top = len(process.sigmas)
    if not 0 <= stop < top:
        raise InputError(f"stop is {stop}; pass one of 0, ..., {top - 1}.")
    require_noise(process, above=stop)
    divergence, log_ratio = torch.zeros(2, n, dtype=torch.float64)
    steps = torch.zeros(top, dtype=torch.float64)
    for begin in range(0, n, batch):
        rows = slice(begin, min(begin + batch, n))
        streams = SampleStreams(seed, rows.stop - begin, key, start=begin)
        x = process.initial(len(streams), generators=streams)  # x_K
        for step in range(top, stop, -1):
            sigma = float(process.sigmas[step - 1])
            mean, rival = (process.mean(x, step, c) for c in (condition, other))
            noise = draw_normal(streams, len(streams), tuple(x.shape[1:])).to(mean)
            moved, told = step_terms(mean, rival, sigma, noise)
            steps[step - 1] += moved.sum().cpu()
            divergence[rows] += moved.cpu()  # sum of |d_k|^2 / 2
            log_ratio[rows] += told.cpu()  # sum of <d_k, z_k> + |d_k|^2 / 2
            x = mean + sigma * noise  # x_{k-1}
    broken = torch.nonzero(~torch.isfinite(log_ratio)).flatten()
    if len(broken):
        raise InputError(
            f"process gives means that are not finite on path {int(broken[0])}; check the model."
        )
    return ComparedPaths(steps / n, divergence, log_ratio)


@dataclass(frozen=True, eq=False)
class PathKL:
    r"""A Monte Carlo estimate of the path KL from one condition to another.

    Attributes
    ----------
    steps : Tensor, shape [K]
        Estimated divergence of each step in nats; entry k - 1 belongs to step k.
    sums : ndarray, shape [n]
        Divergence summed along each path.
    confidence : float
        Level of `interval`.
    seed : int
        Of the resamples of `interval`.
    """

    steps: Float64[Tensor, "K"]
    sums: Float64[np.ndarray, "n"]
    confidence: float
    seed: int

    @classmethod
    def of(cls, paths: ComparedPaths, *, confidence: float, seed: int) -> PathKL:
        """Return the estimate that sampled paths give."""
        return cls(paths.steps, paths.divergence.numpy(), confidence, seed)

    @property
    def value(self) -> float:
        """The estimate, in nats; zero means that the means never differed on these paths."""
        return float(self.sums.mean())

    @property
    def n(self) -> int:
        """Number of paths."""
        return len(self.sums)

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Approximate two-sided interval, by the studentised bootstrap; needs 20 paths.

        See `bbb_core.stats.mean_limits.bootstrap_t_limits` for how far its level can be trusted.
        """
        level, stream = (1 + self.confidence) / 2, rng.generator(self.seed, "bootstrap-t limits")
        low, high = bootstrap_t_limits(self.sums, confidence=level, rng=stream)
        return min(max(low, 0.0), self.value), max(high, self.value)


def path_kl(
    process: ReverseProcess,
    condition: Tensor,
    other: Tensor,
    *,
    n: int,
    seed: int,
    confidence: float = 0.95,
    stop: int = 0,
    batch: int = 4096,
) -> PathKL:
    r"""Estimate the path KL from `condition` to `other` along n sampled paths.

    Parameters
    ----------
    process : ReverseProcess
        The sampler, with the means that it really uses.
    condition, other : Tensor, shape [e]
        c, under which the paths are drawn, and c'.
    n : int
        Number of paths; at least 20.
    seed : int
        Seed; path i of a seed does not depend on n or `batch`.
    confidence : float
        Nominal level of the interval.
    stop : int
        Sum the steps K, ..., stop + 1 only.
    batch : int
        Paths computed at once.

    Raises
    ------
    InputError
        If one of the summed steps adds no noise; if the means are not finite; if an option is out
        of range.

    References
    ----------
    Theorem T0 of the book.

    Examples
    --------
    >>> from bbb_core.diffusion import two_group_oracle
    >>> w = torch.tensor([[0.5], [0.55]], dtype=torch.float64)
    >>> result = path_kl(two_group_oracle(steps=30), w[0], w[1], n=500, seed=0)
    >>> result.interval[0] < result.value < result.interval[1]
    True
    """
    n, level = checks.integer("n", n, low=20), checks.confidence_level(confidence)
    made = compared_paths(
        process, condition, other, n=n, seed=seed, key="path KL", stop=stop, batch=batch
    )
    return PathKL.of(made, confidence=level, seed=seed)
