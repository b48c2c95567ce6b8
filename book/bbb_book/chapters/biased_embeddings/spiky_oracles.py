r"""Generators that are unkind to means: prompts that part rarely, or by skewed amounts (T0).

One reverse step suffices: :math:`x_1 \sim N(0, 1)` and :math:`x_0 = \pm h(x_1) + z`, the sign being
the condition. Given :math:`x_1` the two prompts lie :math:`2 h(x_1)` standard deviations apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64
from scipy.special import ndtr
from torch import Tensor

from bbb_core import checks, device, rng
from bbb_core.diffusion.noise import Generators, draw_normal
from bbb_core.diffusion.path_tv import certificate
from bbb_core.stats.mean_limits import bootstrap_t_limits
from bbb_core.theory import tv_bound_from_kl

__all__ = ["UNKIND", "OneStep", "unkind_coverage"]

PROMPTS = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
"""The two conditions of a `OneStep`."""


@dataclass(frozen=True, eq=False)
class OneStep:
    """A process of one step whose two prompts lie 2 h(x) standard deviations apart.

    Parameters
    ----------
    half : callable
        h, from values of x_1 to nonnegative ones.

    Examples
    --------
    >>> round(OneStep(np.ones_like).total_variation, 4)  # 2 Phi(1) - 1
    0.6827
    """

    half: Callable[[np.ndarray], np.ndarray]

    @property
    def sigmas(self) -> Float64[Tensor, "1"]:
        """One."""
        return torch.ones(1, dtype=torch.float64)

    def initial(self, n: int, *, generators: Generators) -> Tensor:
        """Return x_1."""
        return draw_normal(generators, n, (1,))

    def mean(self, x: Tensor, step: int, condition: Tensor) -> Tensor:
        """Return the condition's sign times h."""
        return condition * torch.from_numpy(self.half(x.numpy()))

    def _expected(self, value: Callable[[np.ndarray], np.ndarray]) -> float:
        """Return E[value(h(x_1))] by the trapezoidal rule; a jump of h costs at most 1e-5."""
        x = np.linspace(-10, 10, 1_000_001)
        return float(np.average(value(self.half(x)), weights=np.exp(-(x**2) / 2)))

    @property
    def total_variation(self) -> float:
        r"""TV of the two laws of paths, :math:`E[2 \Phi(h(x_1)) - 1]`."""
        return self._expected(lambda h: 2 * ndtr(h) - 1)

    @property
    def path_kl(self) -> float:
        r"""Path KL, the same in both directions, :math:`E[2 h(x_1)^2]`."""
        return self._expected(lambda h: 2 * h**2)


def _spikes(x: np.ndarray) -> np.ndarray:
    """Return 3 beyond the upper 2.17 % of x_1, else 0: six standard deviations or none."""
    return 3.0 * (x > 2.02)


def _log_normal(x: np.ndarray) -> np.ndarray:
    """Return h with log-normal path sums, log(2 h^2) ~ N(-4, 2^2)."""
    return np.exp((2 * x - 4) / 2) / np.sqrt(2)


UNKIND = {"rare spikes": OneStep(_spikes), "log-normal": OneStep(_log_normal)}
"""Models by name."""


@device.threads(1)  # a step on a few numbers: more threads only wait for each other
def unkind_coverage(
    *, sizes: Sequence[int], runs: int, seed: int, confidence: float = 0.975
) -> pd.DataFrame:
    """Count how often limits of two kinds fall below the truth on unkind models.

    Parameters
    ----------
    sizes : sequence of int
        Paths in each direction, at least 20.
    runs : int
        Certificates per model and size.
    seed : int
        Run i depends on the seed and on i only.
    confidence : float
        Of every limit.

    Returns
    -------
    DataFrame
        One row per model and size: model, n, runs, exact (total variation), bound (median certified
        bound), and the counts of misses of three limits: misses (the certificate), kl_tv_misses
        (total variation from the smaller of two bootstrap-t limits of path KL, each at half the
        error) and kl_misses (path KL, by the bootstrap-t limit of one direction).

    Examples
    --------
    >>> table = unkind_coverage(sizes=[20], runs=2, seed=0)
    >>> len(table), bool((table.misses <= table.runs).all())
    (2, True)
    """
    rows, half = [], (1 + checks.confidence_level(confidence)) / 2
    for name, model in UNKIND.items():
        exact, kl = model.total_variation, model.path_kl
        for n in sizes:
            bounds, kl_bounds, limits = [], [], []
            for i in range(checks.integer("runs", runs, low=1)):
                stream = rng.generator(seed, "unkind", name, n, i)
                made = certificate(
                    model, *PROMPTS, n=n, seed=int(stream.integers(2**31)), confidence=confidence
                )
                both = (made.forward.sums, made.backward.sums)
                uppers = [bootstrap_t_limits(x, confidence=half, rng=stream)[1] for x in both]
                bounds.append(made.tv_bound)
                kl_bounds.append(float(tv_bound_from_kl(max(0.0, min(uppers)))))
                limits.append(bootstrap_t_limits(both[0], confidence=confidence, rng=stream)[1])
            rows.append(
                {
                    "model": name,
                    "n": n,
                    "runs": runs,
                    "exact": exact,
                    "bound": float(np.median(bounds)),
                    "misses": int(np.less(bounds, exact).sum()),
                    "kl_tv_misses": int(np.less(kl_bounds, exact).sum()),
                    "kl_misses": int(np.less(limits, kl).sum()),
                }
            )
    return pd.DataFrame(rows)
