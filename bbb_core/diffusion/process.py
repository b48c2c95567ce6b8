"""Reverse processes: the protocol, per-sample randomness and the ancestral sampler (T0)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from bbb_core import checks, rng
from bbb_core.errors import InputError

__all__ = [
    "Generators",
    "ImageStreams",
    "ReverseProcess",
    "SampleStreams",
    "draw_normal",
    "require_noise",
    "reverse_states",
    "sample",
]


class SampleStreams:
    """Normal noise for many samples: sample i depends on the seed and on i, not on the batch.

    Samples share a generator in blocks of fixed size, so that a hundred thousand small samples do
    not need a hundred thousand generators; a block is always drawn whole.

    Parameters
    ----------
    seed : int
        Seed, at least 0.
    n : int
        Number of samples.
    keys : str or int
        Name of the stream; different keys give independent noise.
    start : int
        Index of the first sample, so that samples ``start, ..., start + n - 1`` are drawn.
    block : int
        Samples per generator; part of the meaning of a seed.

    Examples
    --------
    >>> a, b = SampleStreams(0, 5), SampleStreams(0, 3, start=2)
    >>> bool((a.normal((2,))[2:] == b.normal((2,))).all())
    True
    """

    def __init__(self, seed: int, n: int, *keys: str | int, start: int = 0, block: int = 64):
        self.n = checks.integer("n", n, low=1)
        self.block = checks.integer("block", block, low=1)
        first, self._offset = divmod(checks.integer("start", start, low=0), self.block)
        last = (start + n - 1) // self.block
        self._generators = [
            rng.torch_generator(seed, "sample block", *keys, self.block, i)
            for i in range(first, last + 1)
        ]

    def __len__(self) -> int:
        return self.n

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Return the next standard normal draw [n, *shape] of every sample, in float64."""
        rows = [rng.normal(g, self.block, shape) for g in self._generators]
        return torch.cat(rows)[self._offset : self._offset + self.n]


Generators = SampleStreams | Sequence[torch.Generator]
"""Where the noise of n samples comes from: streams, or one generator per sample."""


class ImageStreams(SampleStreams):
    """`SampleStreams` for images: small blocks, and noise drawn in single precision.

    An image has thousands of values, so a generator for every eight images costs nothing, and
    little is drawn in vain where n is no multiple of the block. Single-precision normals are
    drawn several times faster; the state that they are added to stays in double precision.

    Parameters
    ----------
    seed, n, keys, start, block
        As for `SampleStreams`.

    Examples
    --------
    >>> a, b = ImageStreams(0, 9), ImageStreams(0, 1, start=8)
    >>> bool((a.normal((2, 4, 4))[8:] == b.normal((2, 4, 4))).all())
    True
    """

    def __init__(self, seed: int, n: int, *keys: str | int, start: int = 0, block: int = 8):
        super().__init__(seed, n, "image", *keys, start=start, block=block)

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Return the next standard normal draw [n, *shape] of every image, in float32."""
        rows = torch.empty((len(self._generators) * self.block, *shape))
        for part, g in zip(rows.split(self.block), self._generators, strict=True):
            part.normal_(generator=g)
        return rows[self._offset : self._offset + self.n]


def draw_normal(generators: Generators, n: int, shape: Sequence[int]) -> Tensor:
    """Return standard normal noise [n, *shape] in float64, each sample from its own stream."""
    if len(generators) != n:
        raise InputError(f"generators holds {len(generators)} streams; pass one per sample ({n}).")
    if isinstance(generators, SampleStreams):
        return generators.normal(shape)
    return rng.normal(generators, n, shape)


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
    x = process.initial(n, generators=generators)
    for step in range(len(process.sigmas), 0, -1):
        mean = process.mean(x, step, condition)
        yield step, x, mean
        sigma = float(process.sigmas[step - 1])
        if sigma > 0:
            x = mean + sigma * draw_normal(generators, n, tuple(x.shape[1:])).to(mean)
        else:
            x = mean
    yield 0, x, x


@torch.no_grad()
def sample(
    process: ReverseProcess,
    condition: Tensor,
    n: int,
    *,
    seed: int = 0,
    start: int = 0,
    generators: Generators | None = None,
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
    generators : SampleStreams or sequence of torch.Generator, optional
        Used instead of the seed, all samples in one batch.
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
    size = n if generators is not None else batch
    parts = []
    for begin in range(0, n, size):
        count = min(size, n - begin)
        streams = generators or SampleStreams(seed, count, start=start + begin)
        rows = condition[begin : begin + count] if condition.ndim == 2 else condition
        for _, x, _ in reverse_states(process, rows, count, generators=streams):
            last = x
        parts.append(last)
    return torch.cat(parts)
