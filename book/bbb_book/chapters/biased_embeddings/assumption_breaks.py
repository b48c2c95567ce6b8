"""Samplers that break one assumption of T0 or T1 each (chapter "Biased embeddings")."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from bbb_core import checks
from bbb_core.diffusion.noise import Generators
from bbb_core.diffusion.oracle import GaussianMixtureOracle

__all__ = ["ConditionalClipping", "Guided", "LateDecision"]


@dataclass(frozen=True, eq=False)
class LateDecision:
    """A sampler that ignores the condition until its last, noiseless step decides everything.

    The steps K, ..., 2 run under one fixed condition; the last one sends |x| to the side of the
    group with the larger weight. Path KL of the noisy steps is zero, total variation is one.

    Parameters
    ----------
    oracle : GaussianMixtureOracle
        On the line, its first mean to the right of zero.
    middle : Tensor, shape [e]
        The condition of the other steps.
    """

    oracle: GaussianMixtureOracle
    middle: Float64[Tensor, "e"]

    @property
    def sigmas(self) -> Float64[Tensor, "K"]:
        """The usual ones: none in the last step."""
        return self.oracle.schedule.sigmas("posterior")

    def initial(self, n: int, *, generators: Generators) -> Tensor:
        """Return x_K."""
        return self.oracle.initial(n, generators=generators)

    def mean(self, x: Tensor, step: int, condition: Tensor) -> Tensor:
        """Return the mean of a step."""
        mean = self.oracle.mean(x, step, self.middle)
        if step > 1:
            return mean
        weights = self.oracle.weight(condition)
        return mean.abs() * torch.sign(weights[..., :1] - weights[..., 1:])


@dataclass(frozen=True, eq=False)
class ConditionalClipping:
    """A sampler that clips the predicted x_0 to a range that jumps with the condition.

    Above a threshold of the first weight the range is [-low, high], below it [-high, low]: the
    reverse means are not Lipschitz in the condition, not even continuous.

    Parameters
    ----------
    oracle : GaussianMixtureOracle
        On the line.
    low, high : float
        The two ends, positive.
    threshold : float
        Where the range flips.
    """

    oracle: GaussianMixtureOracle
    low: float
    high: float
    threshold: float = 0.5

    def __post_init__(self) -> None:
        checks.number("low", self.low, low=0.0)
        checks.number("high", self.high, low=self.low)
        checks.probability("threshold", self.threshold)

    @property
    def sigmas(self) -> Float64[Tensor, "K"]:
        """The oracle's."""
        return self.oracle.sigmas

    def initial(self, n: int, *, generators: Generators) -> Tensor:
        """Return x_K."""
        return self.oracle.initial(n, generators=generators)

    def mean(self, x: Tensor, step: int, condition: Tensor) -> Tensor:
        """Return the mean with the clipped prediction."""
        data, state = self.oracle.schedule.mean_coefficients
        above = self.oracle.weight(condition)[..., :1] >= self.threshold
        low = torch.where(above, -self.low, -self.high)
        high = torch.where(above, self.high, self.low)
        clean = self.oracle.posterior_mean(x, condition, step)
        clean = torch.minimum(torch.maximum(clean, low), high)
        return float(data[step - 1]) * clean + float(state[step - 1]) * x


@dataclass(frozen=True, eq=False)
class Guided:
    r"""A sampler with guidance, :math:`\mu(x, c_0) + g\, (\mu(x, c) - \mu(x, c_0))`.

    Parameters
    ----------
    oracle : GaussianMixtureOracle
        The model without guidance.
    reference : Tensor, shape [e]
        c_0.
    strength : float
        g; one is no guidance.

    References
    ----------
    :cite:`hosalimans2022`, in the form for means.
    """

    oracle: GaussianMixtureOracle
    reference: Float64[Tensor, "e"]
    strength: float

    @property
    def sigmas(self) -> Float64[Tensor, "K"]:
        """The oracle's."""
        return self.oracle.sigmas

    def initial(self, n: int, *, generators: Generators) -> Tensor:
        """Return x_K."""
        return self.oracle.initial(n, generators=generators)

    def mean(self, x: Tensor, step: int, condition: Tensor) -> Tensor:
        """Return the mean that the sampler really uses."""
        base = self.oracle.mean(x, step, self.reference)
        return base + self.strength * (self.oracle.mean(x, step, condition) - base)
