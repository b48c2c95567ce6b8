r"""Path KL: the geometry that a generator puts on embeddings (theorem T0).

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
from jaxtyping import Float64
from torch import Tensor

from bbb_core import checks, rng
from bbb_core.diffusion.paths import ComparedPaths, compared_paths
from bbb_core.diffusion.process import ReverseProcess
from bbb_core.stats.mean_limits import bootstrap_t_limits

__all__ = ["PathKL", "path_kl", "path_kl_both"]


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

    Returns
    -------
    PathKL

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
    >>> import torch
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


def path_kl_both(
    process: ReverseProcess, condition: Tensor, other: Tensor, *, n: int, seed: int, **options
) -> tuple[PathKL, PathKL]:
    """Return the path KL from c to c' and from c' to c; see `path_kl` for the options."""
    there = path_kl(process, condition, other, n=n, seed=seed, **options)
    return there, path_kl(process, other, condition, n=n, seed=seed, **options)
