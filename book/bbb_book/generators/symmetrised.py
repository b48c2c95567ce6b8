r"""Symmetrised denoisers: a model made exactly equivariant by averaging (theorem T2)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from bbb_book.oracles.symmetry import Map, cyclic_average
from bbb_core import checks
from bbb_core.diffusion.network import Denoiser
from bbb_core.diffusion.sampling import DenoiserProcess

__all__ = ["SymmetrisedProcess"]


class SymmetrisedProcess(DenoiserProcess):
    r"""The reverse process of :math:`\frac1m \sum_j \sigma^{-j} g(\sigma^j x, k, \tau^j c)`.

    With a linear isometry :math:`\sigma` of order m and a map :math:`\tau` of embeddings with
    :math:`\tau^m = id`, the average satisfies :math:`g(\sigma x, k, \tau c) = \sigma g(x, k, c)`
    for every denoiser g; clipping and the scheduler's means keep that, so
    :math:`\mu_k(\sigma x, \tau c) = \sigma \mu_k(x, c)`.

    Parameters
    ----------
    network
        Any denoiser.
    sigma
        Acts on images [n, c, h, w].
    tau
        Acts on embeddings [n, d]; it must leave the zero vector (the null condition) in place.
    order
        m, at least 2.
    options
        Those of `DenoiserProcess`.

    Notes
    -----
    Costs m network evaluations per step.

    Examples
    --------
    >>> import torch
    >>> from bbb_core.diffusion.network import NetworkConfig, build_denoiser
    >>> config = NetworkConfig(embedding_dim=4, resolution=8, channels=(8, 8), groups=4)
    >>> mirror, flip = lambda x: x.flip(-1), lambda c: -c
    >>> process = SymmetrisedProcess(build_denoiser(config), sigma=mirror, tau=flip, steps=2)
    >>> x, c = torch.linspace(0, 1, 192).double().view(1, 3, 8, 8), torch.linspace(-1, 1, 4)
    >>> turned, mean = process.mean(mirror(x), 1, flip(c)), process.mean(x, 1, c)
    >>> torch.allclose(turned, mirror(mean), atol=1e-5)
    True
    """

    def __init__(
        self, network: Denoiser, *, sigma: Map, tau: Map, order: int = 2, **options: Any
    ) -> None:
        super().__init__(network, **options)
        self.sigma, self.tau = sigma, tau
        self.order = checks.integer("order", order, low=2)

    def network_output(self, x: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        """Return the average of the denoiser over the group that sigma generates."""
        return cyclic_average(
            lambda x, c: self.network(x, timestep, c),
            x,
            condition,
            sigma=self.sigma,
            tau=self.tau,
            order=self.order,
        )
