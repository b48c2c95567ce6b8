"""Noise of generations: sample i depends on the seed and on i, never on the batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bbb_core import checks, rng
from bbb_core.errors import InputError

__all__ = ["Generators", "ImageStreams", "SampleStreams", "draw_normal"]


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


class ImageStreams(SampleStreams):
    """`SampleStreams` for images: small blocks, and noise drawn in single precision.

    An image has thousands of values, so a generator for every eight images costs nothing.
    Single-precision normals are drawn several times faster; the state that they are added to
    stays in double precision.

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


Generators = SampleStreams | Sequence[torch.Generator]
"""Where the noise of n samples comes from: streams, or one generator per sample."""


def draw_normal(generators: Generators, n: int, shape: Sequence[int]) -> Tensor:
    """Return standard normal noise [n, *shape] in float64, each sample from its own stream."""
    if len(generators) != n:
        raise InputError(f"generators holds {len(generators)} streams; pass one per sample ({n}).")
    if isinstance(generators, SampleStreams):
        return generators.normal(shape)
    return rng.normal(generators, n, shape)
