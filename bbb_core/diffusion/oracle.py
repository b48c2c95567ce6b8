"""An exactly solvable prompt-conditional diffusion: Gaussian mixtures (oracle of T0 to T3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float64
from scipy.special import ndtr
from torch import Tensor

from bbb_core import checks
from bbb_core.diffusion.noise import Generators, draw_normal
from bbb_core.diffusion.schedule import Schedule, Variance
from bbb_core.diffusion.weights import AffineWeights, simplex
from bbb_core.errors import InputError

__all__ = ["GaussianMixtureOracle", "two_group_oracle"]

REACH = 9.0
"""Quadrature reaches this many standard deviations beyond the means (a tail of 1e-19)."""


@dataclass(frozen=True, eq=False)
class GaussianMixtureOracle:
    r"""A generator whose data law is :math:`D_c = \sum_j w_j(c)\, N(m_j, s^2 I)`, solved exactly.

    It is a `ReverseProcess`: its reverse means use the exact posterior mean of x_0. Groups are the
    cells :math:`S_a` of points nearest to mean a.

    Two laws must be told apart. The *mixture* is the data law; the *sampler's law* is what K steps
    of ancestral sampling really draw. They differ by the
    discretisation error; theorems T0 and T1 speak of the sampler's law.

    Parameters
    ----------
    means : Tensor, shape [k, d]
        Distinct component means.
    scale : float
        Standard deviation s of every component, positive.
    weights : callable
        Map from a condition [e] or [n, e] to probability vectors [k] or [n, k], checked on each
        call; `AffineWeights` for instance.
    schedule : Schedule
        Noise schedule.
    variance : {"certified", "posterior", "forward"}
        Noise of the reverse steps (`Schedule.sigmas`); "posterior" has none in the last step.

    Raises
    ------
    InputError
        If two means coincide, or the scale is not positive.

    Examples
    --------
    >>> oracle = two_group_oracle(separation=4.0)
    >>> half = torch.tensor([0.5], dtype=torch.float64)
    >>> oracle.shares(half).tolist(), round(oracle.total_variation(half, half + 0.05), 4)
    ([0.5, 0.5], 0.05)
    """

    means: Float64[Tensor, "k d"]
    scale: float
    weights: Callable[[Tensor], Tensor]
    schedule: Schedule
    variance: Variance = "certified"

    def __post_init__(self) -> None:
        checks.matrix("means", self.means)
        if not checks.number("scale", self.scale) > 0:
            raise InputError(f"scale is {self.scale}; pass a positive standard deviation.")
        if len(self.means) < 2:
            raise InputError("means has one row; pass at least two components.")
        if float(torch.pdist(self.means).min()) == 0:
            raise InputError("means has two equal rows; pass distinct component means.")
        checks.choice("variance", self.variance, ["certified", "posterior", "forward"])

    @cached_property
    def sigmas(self) -> Float64[Tensor, "K"]:
        """Standard deviations of the reverse steps; sigmas[k - 1] belongs to step k."""
        return self.schedule.sigmas(self.variance)

    def initial(self, n: int, *, generators: Generators) -> Float64[Tensor, "n d"]:
        """Return x_K ~ N(0, I)."""
        return draw_normal(generators, n, (self.means.shape[1],))

    def weight(self, condition: Tensor) -> Tensor:
        """Return the checked weights [k] or [n, k] of a condition [e] or [n, e]."""
        weights = simplex("weights", self.weights(condition))
        if weights.shape[-1] != len(self.means):
            raise InputError(
                f"weights gives {weights.shape[-1]} values for {len(self.means)} means; "
                "pass one per component."
            )
        return weights

    def level(self, step: int) -> tuple[float, float]:
        r"""Return (:math:`\sqrt{\bar\alpha_k}`, variance of a component) at a noise level 0..K."""
        if not 0 <= step <= self.schedule.steps:
            raise InputError(f"step is {step}; pass one of 0, ..., {self.schedule.steps}.")
        alpha_bar = float(self.schedule.alpha_bar[step - 1]) if step else 1.0
        return alpha_bar**0.5, alpha_bar * self.scale**2 + 1 - alpha_bar

    def _logits(self, x: Tensor, condition: Tensor, step: int) -> Tensor:
        """Return log(w_j N(x; ...)) up to a term common to all j, shape [n, k]."""
        shrink, variance = self.level(step)
        means = shrink * self.means
        evidence = (x @ means.T - (means**2).sum(-1) / 2) / variance
        return evidence + torch.log(self.weight(condition))

    def responsibilities(
        self, x: Float64[Tensor, "n d"], condition: Tensor, step: int = 0
    ) -> Float64[Tensor, "n k"]:
        """Return the posterior probabilities of the components given x_k."""
        return torch.softmax(self._logits(x, condition, step), -1)

    def log_density(
        self, x: Float64[Tensor, "n d"], condition: Tensor, step: int = 0
    ) -> Float64[Tensor, "n"]:
        """Return the log density of the noised data law at level `step` (0: the data)."""
        _, variance = self.level(step)
        dimension = self.means.shape[1]
        constant = dimension / 2 * math.log(2 * math.pi * variance)
        common = -(x**2).sum(-1) / (2 * variance) - constant
        return torch.logsumexp(self._logits(x, condition, step), -1) + common

    def density(
        self, x: Float64[Tensor, "n d"], condition: Tensor, step: int = 0
    ) -> Float64[Tensor, "n"]:
        """Return the density of the noised data law at level `step`."""
        return torch.exp(self.log_density(x, condition, step))

    def score(
        self, x: Float64[Tensor, "n d"], condition: Tensor, step: int = 0
    ) -> Float64[Tensor, "n d"]:
        """Return the gradient of the log density in x."""
        shrink, variance = self.level(step)
        centre = self.responsibilities(x, condition, step) @ (shrink * self.means)
        return (centre - x) / variance

    def posterior_mean(
        self, x: Float64[Tensor, "n d"], condition: Tensor, step: int
    ) -> Float64[Tensor, "n d"]:
        r"""Return :math:`E[x_0 | x_k, c]`, for k >= 1."""
        shrink, variance = self.level(step)
        centre = self.responsibilities(x, condition, step) @ self.means
        return ((1 - shrink**2) * centre + self.scale**2 * shrink * x) / variance

    def mean(self, x: Float64[Tensor, "n d"], step: int, condition: Tensor) -> Tensor:
        r"""Return the reverse mean :math:`\mu_k(x, c)` of the ancestral sampler."""
        data, state = self.schedule.mean_coefficients
        clean = self.posterior_mean(x, condition, step)
        return float(data[step - 1]) * clean + float(state[step - 1]) * x

    @cached_property
    def _places(self) -> Float64[np.ndarray, "k"]:
        """Coordinates of the means along their line; across it all components are the same."""
        centred = (self.means - self.means.mean(0)).numpy()
        left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
        rank = int(np.sum(sizes > 1e-10 * sizes[0]))
        if rank > 1:
            raise InputError(
                f"means span {rank} dimensions; shares and total variation are exact on a line "
                "alone, so estimate them by sampling."
            )
        return left[:, 0] * sizes[0]

    @cached_property
    def cells(self) -> Float64[Tensor, "k k"]:
        """P(component j lies nearest to mean a) [j, a], for means on a line; rows sum to one."""
        order = np.argsort(self._places)
        inner = (self._places[order][1:] + self._places[order][:-1]) / 2
        edges = np.concatenate([[-np.inf], inner, [np.inf]])
        below = ndtr((edges[None, :] - self._places[:, None]) / self.scale)
        cells = np.empty((len(order), len(order)))
        cells[:, order] = np.diff(below, axis=1)
        return torch.from_numpy(cells)

    def shares(self, condition: Tensor) -> Tensor:
        """Return the shares [k] (or [n, k]) of the groups under the mixture law."""
        return self.weight(condition) @ self.cells

    def total_variation(self, condition: Tensor, other: Tensor) -> float:
        r"""Return the total variation between the mixture laws of two conditions.

        For two components it is
        :math:`|w - w'| (2 \Phi(\lVert m_1 - m_2 \rVert / (2 s)) - 1)`. For more on a line, half the
        integral of :math:`|\sum_j (w_j - w'_j) \phi_j|` by the trapezoidal rule (error below 1e-8).
        """
        difference = self.weight(condition) - self.weight(other)
        if len(self.means) == 2:
            half = float(torch.pdist(self.means)[0]) / (2 * self.scale)
            return float(difference[0].abs()) * float(2 * ndtr(half) - 1)
        places, reach = self._places, REACH * self.scale
        x = np.linspace(places.min() - reach, places.max() + reach, 200_001)
        z = (x[None, :] - places[:, None]) / self.scale
        bells = np.exp(-(z**2) / 2) / (self.scale * np.sqrt(2 * np.pi))
        return float(np.abs(difference.numpy() @ bells).sum() * (x[1] - x[0]) / 2)


def two_group_oracle(
    *,
    separation: float = 4.0,
    mean: float = 1.0,
    dimension: int = 1,
    steps: int = 100,
    variance: Variance = "certified",
) -> GaussianMixtureOracle:
    r"""Return the oracle of the tightness statement: :math:`w N(m, s^2) + (1 - w) N(-m, s^2)`.

    The condition is the weight itself, c = [w]. In more dimensions the means are (m, 0, ..., 0)
    and its negative.

    Parameters
    ----------
    separation : float
        m / s, positive.
    mean : float
        m, positive.
    dimension : int
        Dimension of the images.
    steps : int
        K.
    variance : {"certified", "posterior", "forward"}
        Noise of the reverse steps.

    Examples
    --------
    >>> two_group_oracle(separation=2.0, mean=1.0).scale
    0.5
    """
    for name, value in (("separation", separation), ("mean", mean)):
        if not checks.number(name, value) > 0:
            raise InputError(f"{name} is {value}; pass a positive number.")
    means = torch.zeros(2, checks.integer("dimension", dimension, low=1), dtype=torch.float64)
    means[0, 0], means[1, 0] = mean, -mean
    return GaussianMixtureOracle(
        means=means,
        scale=float(mean / separation),
        weights=AffineWeights.scalar(),
        schedule=Schedule.linear(steps),
        variance=variance,
    )
