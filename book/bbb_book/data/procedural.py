r"""Procedural figures: a synthetic family with a true symmetry between its groups (theorem T2).

An occupation is a shape, a group is the colour channel that the shape is drawn in; place, size
and noise are nuisances. The isometry :math:`\sigma` that turns the channels takes the law of one
group's images exactly to the next group's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["SHAPES", "ProceduralFigures", "procedural_figures", "read_groups", "turn_groups"]


def _ring(x: Tensor, y: Tensor) -> Tensor:
    r = (x**2 + y**2).sqrt()
    return (r - 0.8).abs() - 0.2


_FORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "disc": lambda x, y: (x**2 + y**2).sqrt() - 1,
    "square": lambda x, y: torch.maximum(x.abs(), y.abs()) - 0.85,
    "diamond": lambda x, y: x.abs() + y.abs() - 1.15,
    "cross": lambda x, y: torch.minimum(x.abs(), y.abs()) - 0.3 + _outside(x, y),
    "ring": _ring,
    "bar": lambda x, y: torch.maximum(x.abs() - 1, y.abs() - 0.4),
    "column": lambda x, y: torch.maximum(x.abs() - 0.4, y.abs() - 1),
    "triangle": lambda x, y: torch.maximum(y - 0.8, 1.6 * x.abs() - (y + 1)),
}


def _outside(x: Tensor, y: Tensor) -> Tensor:
    return 4 * (torch.maximum(x.abs(), y.abs()) - 1).clamp(min=0)


SHAPES: tuple[str, ...] = tuple(_FORMS)
"""Names of the shapes, in the order of the occupation numbers."""


@dataclass(frozen=True, eq=False)
class ProceduralFigures:
    """Images with their labels.

    Attributes
    ----------
    images
        Intensities in [0, 1], [n, max(3, groups), size, size].
    occupations, groups
        Row in `SHAPES`, and number of the group, per image.
    group_count
        Number of groups k.
    """

    images: Float[Tensor, "n c h w"]
    occupations: Int[Tensor, "n"]
    groups: Int[Tensor, "n"]
    group_count: int


def procedural_figures(
    occupations: Int[Tensor, "n"],
    groups: Int[Tensor, "n"],
    *,
    group_count: int = 2,
    size: int = 16,
    noise: float = 0.03,
    generator: torch.Generator,
) -> ProceduralFigures:
    """Draw one figure for every pair of an occupation and a group.

    Parameters
    ----------
    occupations
        Rows in `SHAPES`.
    groups
        Numbers 0, ..., group_count - 1: the channel that carries the shape.
    group_count
        Number of groups k, at least 2; images have max(3, k) channels.
    size
        Side in pixels, at least 8.
    noise
        Standard deviation of the noise on every pixel and channel.
    generator
        Source of places (up to an eighth of the side), sizes (a fifth to a third of it) and noise.

    Raises
    ------
    InputError
        When a label is out of range.

    Examples
    --------
    >>> g = torch.Generator().manual_seed(0)
    >>> both = torch.tensor([0, 1])
    >>> procedural_figures(both, both, generator=g).images.shape
    torch.Size([2, 3, 16, 16])
    """
    group_count = checks.integer("group_count", group_count, low=2)
    size = checks.integer("size", size, low=8)
    checks.number("noise", noise, low=0)
    n = len(occupations)
    if len(groups) != n:
        raise InputError(f"groups has {len(groups)} labels for {n} occupations; give one each.")
    for name, labels, top in (
        ("occupations", occupations, len(SHAPES)),
        ("groups", groups, group_count),
    ):
        if n and not (int(labels.min()) >= 0 and int(labels.max()) < top):
            raise InputError(f"{name} holds a label outside 0, ..., {top - 1}; correct it.")
    draw = torch.rand(n, 4, generator=generator)
    axis = (torch.arange(size) + 0.5) / size * 2 - 1
    radius = (0.4 + 0.26 * draw[:, 2])[:, None, None]
    x = (axis[None, None, :] - (draw[:, 0] - 0.5)[:, None, None] / 2) / radius
    y = (axis[None, :, None] - (draw[:, 1] - 0.5)[:, None, None] / 2) / radius
    x, y = x.expand(n, size, size), y.expand(n, size, size)
    mask = torch.zeros(n, size, size)
    for i, form in enumerate(_FORMS.values()):
        rows = occupations == i
        edge = form(x[rows], y[rows]) * radius[rows] * size / 2
        mask[rows] = (0.5 - edge).clamp(0, 1)
    channels = max(3, group_count)
    images = torch.full((n, channels, size, size), 0.15)
    strength = 0.6 + 0.2 * draw[:, 3]
    images[torch.arange(n), groups] += strength[:, None, None] * mask
    images = images + noise * torch.randn(images.shape, generator=generator)
    return ProceduralFigures(images.clamp(0, 1), occupations, groups, group_count)


def turn_groups(
    images: Float[Tensor, "n c h w"], *, group_count: int = 2, by: int = 1
) -> Float[Tensor, "n c h w"]:
    r"""Apply the isometry :math:`\sigma^{by}`: group g's channel becomes group g + by's (mod k).

    For two groups it is the swap of two channels, :math:`\sigma^2 = id`. Any further channel stays.
    """
    group_count = checks.integer("group_count", group_count, low=2)
    if images.shape[1] < group_count:
        raise InputError(
            f"images have {images.shape[1]} channels for {group_count} groups; give one per group."
        )
    turned = images.clone()
    turned[:, :group_count] = images[:, :group_count].roll(by, dims=1)
    return turned


def read_groups(
    images: Float[Tensor, "n c h w"], *, group_count: int = 2, margin: float = 0.02
) -> Int[Tensor, "n"]:
    """Read the group: the channel with the most light, -1 where the lead is below `margin`.

    The reading turns with the images: `turn_groups` adds one to it (mod k), exactly.
    """
    light = images[:, :group_count].mean((2, 3))
    top = light.topk(2, dim=1)
    sure = top.values[:, 0] - top.values[:, 1] > margin
    return torch.where(sure, top.indices[:, 0], -1)
