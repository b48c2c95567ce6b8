"""Variance-preserving noise schedules and the noise of the reverse steps (section T0)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["Schedule", "Variance"]

Variance = Literal["certified", "posterior", "forward"]
"""Noise of the reverse steps: see `Schedule.sigmas`."""


@dataclass(frozen=True, eq=False)
class Schedule:
    r"""A discrete variance-preserving schedule of K steps, in float64.

    The forward process is :math:`x_k = \sqrt{1 - \beta_k}\, x_{k-1} + \sqrt{\beta_k}\, \epsilon`,
    so :math:`x_k = \sqrt{\bar\alpha_k}\, x_0 + \sqrt{1 - \bar\alpha_k}\, \epsilon` with
    :math:`\bar\alpha_k = \prod_{j \le k} (1 - \beta_j)`. Index k - 1 of every tensor is step k.

    Parameters
    ----------
    betas : Tensor, shape [K]
        Noise added by each forward step, in (0, 1); the last may be 1, where no signal is left.

    Raises
    ------
    InputError
        If a beta lies outside this range.

    References
    ----------
    :cite:`ho2020` (the process); :cite:`song2021` (the continuous form).

    Examples
    --------
    >>> schedule = Schedule.linear(4)
    >>> schedule.steps, bool(schedule.alpha_bar[-1] < 1e-4)
    (4, True)
    """

    betas: Float64[Tensor, "K"]

    def __post_init__(self) -> None:
        checks.vector("betas", self.betas)
        bad = (self.betas <= 0) | (self.betas > 1)
        bad[:-1] |= self.betas[:-1] == 1
        if bad.any():
            value = float(self.betas[bad][0])
            raise InputError(f"betas is {value:.6g}; pass values strictly between 0 and 1.")

    @classmethod
    def linear(cls, steps: int, *, beta_min: float = 0.1, beta_max: float = 20.0) -> Schedule:
        r"""Discretise the VP process whose noise rate grows linearly on [0, 1].

        The rate is :math:`\beta(t) = \beta_{min} + t (\beta_{max} - \beta_{min})`, and
        :math:`\bar\alpha_k` is exact at every time k / K.

        Parameters
        ----------
        steps : int
            K, at least 1.
        beta_min, beta_max : float
            Rates at the two ends, positive.
        """
        steps = checks.integer("steps", steps, low=1)
        checks.number("beta_min", beta_min, low=1e-6)
        checks.number("beta_max", beta_max, low=beta_min)
        t = torch.arange(steps + 1, dtype=torch.float64) / steps
        log_alpha_bar = -beta_min * t - (beta_max - beta_min) * t**2 / 2
        return cls(betas=-torch.expm1(log_alpha_bar.diff()))

    @property
    def steps(self) -> int:
        """K, the number of steps."""
        return len(self.betas)

    @cached_property
    def alpha_bar(self) -> Float64[Tensor, "K"]:
        r""":math:`\bar\alpha_1, ..., \bar\alpha_K`."""
        return torch.exp(torch.cumsum(torch.log1p(-self.betas), 0))

    @cached_property
    def alpha_bar_before(self) -> Float64[Tensor, "K"]:
        r""":math:`\bar\alpha_0 = 1, ..., \bar\alpha_{K-1}`."""
        return torch.cat([torch.ones(1, dtype=torch.float64), self.alpha_bar[:-1]])

    def sigmas(self, variance: Variance = "certified") -> Float64[Tensor, "K"]:
        r"""Return the standard deviations :math:`\sigma_k` of the reverse steps.

        Parameters
        ----------
        variance : {"certified", "posterior", "forward"}
            "posterior": :math:`\sigma_k^2 = \beta_k (1 - \bar\alpha_{k-1}) / (1 - \bar\alpha_k)`,
            the usual choice, with :math:`\sigma_1 = 0`: its path KL does not control TV.
            "certified": the same, but :math:`\sigma_1^2 = \beta_1`, so every step has noise.
            "forward": :math:`\sigma_k^2 = \beta_k`, more noise in every step.
        """
        checks.choice("variance", variance, ["certified", "posterior", "forward"])
        if variance == "forward":
            return torch.sqrt(self.betas)
        squares = self.betas * (1 - self.alpha_bar_before) / (1 - self.alpha_bar)
        if variance == "certified":
            squares[0] = self.betas[0]
        return torch.sqrt(squares)

    @cached_property
    def mean_coefficients(self) -> tuple[Float64[Tensor, "K"], Float64[Tensor, "K"]]:
        r"""Return (A, B) of the reverse mean :math:`\mu_k = A_k\, E[x_0 | x_k] + B_k\, x_k`."""
        before, after = self.alpha_bar_before, self.alpha_bar
        data = torch.sqrt(before) * self.betas / (1 - after)
        state = torch.sqrt(1 - self.betas) * (1 - before) / (1 - after)
        return data, state
