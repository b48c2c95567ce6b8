"""Small generators with a mirror, and without: the models of the chapter on T2 and T3."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bbb_book.oracles.symmetry import Isometry, rotation
from bbb_core import checks
from bbb_core.diffusion.noise import Generators, draw_normal
from bbb_core.diffusion.oracle import GaussianMixtureOracle
from bbb_core.diffusion.process import sample
from bbb_core.diffusion.schedule import Schedule
from bbb_core.diffusion.weights import AffineWeights

__all__ = [
    "ANCHORS",
    "MIRROR",
    "CurvedWeights",
    "StretchedMirror",
    "cyclic_oracle",
    "mirror_oracle",
    "position",
]

ANCHORS = torch.tensor([[0.6, 0.8], [-0.6, 0.8]], dtype=torch.float64)
"""Unit embeddings of the two group prompts, E(p_a) and E(p_b)."""
MIRROR = Isometry(-torch.eye(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64))
"""sigma on the line of images: x -> -x."""


def mirror_oracle(
    *, separation: float, leak: float, steps: int, lean: float = 0.0
) -> GaussianMixtureOracle:
    r"""Return the oracle on the line with means 1 and -1 and weights affine in the embedding.

    Group prompts draw their own component with weight 1 - `leak`. With `lean` = 0 it is
    equivariant under :math:`x \mapsto -x` and the reflection of the anchors; `lean` adds to the
    weight of group a everywhere and breaks the symmetry.

    Examples
    --------
    >>> oracle = mirror_oracle(separation=2.0, leak=0.1, steps=10)
    >>> oracle.weight(position(0.5)).tolist()
    [0.5, 0.5]
    """
    checks.number("leak", leak, low=0.0, high=0.5)
    high, low = 1 - leak + lean, leak + lean
    weights = torch.tensor([[high, 1 - high], [low, 1 - low]], dtype=torch.float64)
    return GaussianMixtureOracle(
        means=torch.tensor([[1.0], [-1.0]], dtype=torch.float64),
        scale=1 / checks.number("separation", separation, low=1e-3),
        weights=AffineWeights.from_anchors(ANCHORS, weights),
        schedule=Schedule.linear(steps),
        variance="forward",
    )


def position(t: float) -> Tensor:
    """Return the embedding at a share `t` of the way from E(p_b) to E(p_a)."""
    return ANCHORS[1] + t * (ANCHORS[0] - ANCHORS[1])


def cyclic_oracle(order: int, *, separation: float, leak: float, steps: int) -> tuple:
    """Return an oracle with `order` groups on a circle, its anchors, and the rotation of both."""
    turn = rotation(order)
    points = [torch.tensor([1.0, 0.0], dtype=torch.float64)]
    for _ in range(order - 1):
        points.append(turn(points[-1]))
    anchors = torch.stack(points)
    weights = torch.full((order, order), leak / (order - 1), dtype=torch.float64)
    weights.fill_diagonal_(1 - leak)
    oracle = GaussianMixtureOracle(
        means=anchors,
        scale=1 / separation,
        weights=AffineWeights.from_anchors(anchors, weights),
        schedule=Schedule.linear(steps),
        variance="forward",
    )
    return oracle, anchors, turn


@dataclass(frozen=True)
class CurvedWeights:
    r"""Weights with a bend: :math:`w_a = \ell/4 + (1 - 5\ell/4)\, t^q` at position t in [0, 1].

    The prompt of group a leaks :math:`\ell`, that of group b a quarter of it, whatever q is. The
    average embedding has a weight near one half for q = 1 only.
    """

    leak: float
    power: float

    def __call__(self, condition: Tensor) -> Tensor:
        """Return the weights [..., 2]."""
        axis = ANCHORS[0] - ANCHORS[1]
        t = ((condition - ANCHORS[1]) @ axis / (axis @ axis)).clamp(0, 1)
        weight = self.leak / 4 + (1 - 5 * self.leak / 4) * t**self.power
        return torch.stack([weight, 1 - weight], -1)


@dataclass(frozen=True)
class StretchedMirror:
    r"""A process that is equivariant under a mirror that stretches, hence no isometry.

    :math:`\sigma(x) = -f x` for x > 0 and :math:`-x / f` for x < 0 swaps the half-lines and is its
    own inverse. Every step pulls x > 0 towards 1 and x < 0 towards :math:`\sigma(1) = -f`, so
    :math:`\mu(\sigma x) = \sigma \mu(x)`, but the noise is not invariant. With `factor` = 1 it is
    an isometry.
    """

    factor: float
    steps: int
    pull: float = 0.3
    noise: float = 0.6

    @property
    def sigmas(self) -> Tensor:
        """The same noise in every step."""
        return torch.full((self.steps,), self.noise, dtype=torch.float64)

    def initial(self, n: int, *, generators: Generators) -> Tensor:
        """Return x_K ~ N(0, 1)."""
        return draw_normal(generators, n, (1,))

    def sigma(self, x: Tensor) -> Tensor:
        """Return the mirror image."""
        return torch.where(x > 0, -self.factor * x, -x / self.factor)

    def mean(self, x: Tensor, step: int, condition: Tensor) -> Tensor:
        """Return the pulled state; it does not depend on the condition."""
        target = torch.where(x > 0, torch.ones_like(x), torch.full_like(x, -self.factor))
        return x + self.pull * (target - x)

    def counts(self, n: int, *, seed: int) -> dict[str, int]:
        """Return how many of n generations fall on either side of zero."""
        positive = int((sample(self, torch.zeros(1).double(), n, seed=seed) > 0).sum())
        return {"positive": positive, "negative": n - positive}
