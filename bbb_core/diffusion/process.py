r"""Reverse processes and the ancestral sampler (section T0).

.. math:: x_K \sim N(0, I), \qquad
    x_{k-1} = \mu_k(x_k, c) + \sigma_k z_k, \quad z_k \sim N(0, I), \quad k = K, \dots, 1

The sampler is *certified* where every :math:`\sigma_k > 0`, the last step included: then the laws
of two prompts' paths have densities against each other, and bounds on them bound the images.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from bbb_core import checks
from bbb_core.diffusion.noise import Generators, SampleStreams, draw_normal
from bbb_core.errors import InputError

__all__ = ["ReverseProcess", "require_noise", "reverse_states", "sample"]


@runtime_checkable
class ReverseProcess(Protocol):
    r"""What the certificate needs to know of a generator.

    :math:`x_K` is drawn by `initial` and does not depend on the condition; then
    :math:`x_{k-1} = \mu_k(x_k, c) + \sigma_k z_k` for k = K, ..., 1. The means must be those that
    the sampler really uses, clipping and guidance included.
    """

    sigmas: Tensor

    def initial(self, n: int, *, generators: Generators) -> Tensor:
        """Return x_K, shape [n, *shape]."""
        ...

    def mean(self, x: Tensor, step: int, condition: Tensor) -> Tensor:
        """Return mu_k(x, c), shape [n, *shape]; `condition` is [e] or [n, e]."""
        ...


def require_noise(process: ReverseProcess, *, above: int = 0) -> None:
    """Raise unless every reverse step K, ..., above + 1 adds noise."""
    zero = torch.nonzero(process.sigmas[above:] <= 0).flatten()
    if len(zero):
        step = above + int(zero[0]) + 1
        raise InputError(
            f"process adds no noise in step {step} (sigma_{step} = 0), so path KL does not control "
            'total variation; use the certified sampler (variance="certified") instead.'
        )


def reverse_states(
    process: ReverseProcess, condition: Tensor, n: int, *, generators: Generators
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield (k, x_k, mu_k(x_k, c)) for k = K, ..., 1, and last (0, x_0, x_0).

    Examples
    --------
    >>> from bbb_core.diffusion import two_group_oracle
    >>> states = reverse_states(two_group_oracle(steps=3), torch.tensor([0.5]).double(), 2,
    ...                         generators=SampleStreams(0, 2))
    >>> [step for step, _, _ in states]
    [3, 2, 1, 0]
    """
    x = process.initial(n, generators=generators)  # x_K
    for step in range(len(process.sigmas), 0, -1):
        mean = process.mean(x, step, condition)  # mu_k(x_k, c)
        yield step, x, mean
        x, sigma = mean, float(process.sigmas[step - 1])
        if sigma > 0:
            z = draw_normal(generators, n, tuple(x.shape[1:])).to(mean)
            x = mean + sigma * z  # x_{k-1}
    yield 0, x, x


@torch.no_grad()
def sample(
    process: ReverseProcess,
    condition: Tensor,
    n: int,
    *,
    seed: int = 0,
    start: int = 0,
    batch: int = 4096,
) -> Tensor:
    """Draw n generations by ancestral sampling.

    Parameters
    ----------
    process : ReverseProcess
        The generator. Noise is added in every step with positive sigma, the last one included.
    condition : Tensor, shape [e] or [n, e]
        One condition for all samples, or one each.
    n : int
        Number of samples.
    seed, start : int
        Sample i of a seed is the same whatever n, `start` and `batch` are; with `start` = s the
        samples s, ..., s + n - 1 are drawn.
    batch : int
        Samples computed at once.

    Returns
    -------
    Tensor, shape [n, *shape]
        x_0, in the precision of the process.

    Raises
    ------
    InputError
        If `condition` does not fit n, or n is not positive.

    References
    ----------
    :cite:`ho2020`, algorithm 2.

    Examples
    --------
    >>> from bbb_core.diffusion import two_group_oracle
    >>> sample(two_group_oracle(steps=5), torch.tensor([0.5]).double(), 3).shape
    torch.Size([3, 1])
    """
    n = checks.integer("n", n, low=1)
    checks.integer("batch", batch, low=1)
    if condition.ndim == 2 and len(condition) != n:
        raise InputError(
            f"condition has {len(condition)} rows for {n} samples; pass n rows or one."
        )
    parts = []
    for begin in range(0, n, batch):
        count = min(batch, n - begin)
        streams = SampleStreams(seed, count, start=start + begin)
        rows = condition[begin : begin + count] if condition.ndim == 2 else condition
        for _, x, _ in reverse_states(process, rows, count, generators=streams):
            last = x
        parts.append(last)  # x_0
    return torch.cat(parts)
