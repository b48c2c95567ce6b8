"""Images that the attribute reader learns from: recombined people, and images of nobody."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from bbb_core.errors import InputError

__all__ = ["not_people", "recombined"]

Label = tuple[str, str, str]


def recombined(
    images: Float[Tensor, "n 3 h w"],
    labels: Sequence[Label],
    *,
    share: float = 0.5,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "n 3 h w"], Bool[Tensor, " n"]]:
    """Give some people the clothes of somebody else of the same group and tone.

    The lower part of a drawing (from 55 to 80 % of its height on) comes from another drawing of
    that group and tone, so that neither clothes nor tools tell the groups apart.

    Parameters
    ----------
    images, labels
        Drawings in [0, 1], and occupation, group and tone of each.
    share
        Share of drawings to recombine, in [0, 1].
    generator
        Source of the random numbers, on the CPU.

    Returns
    -------
    images, changed
        The images, and which of them no longer show one occupation.
    """
    alike: dict[tuple[str, str], list[int]] = {}
    for i, (_, group, tone) in enumerate(labels):
        alike.setdefault((group, tone), []).append(i)
    made, changed = images.clone(), torch.zeros(len(images), dtype=torch.bool)
    draws = torch.rand(len(images), 3, generator=generator).tolist()
    for i, ((_, group, tone), (chosen, who, where)) in enumerate(zip(labels, draws, strict=True)):
        others = alike[group, tone]
        partner = others[int(who * len(others))]
        if chosen < share and labels[partner][0] != labels[i][0]:
            cut = round((0.55 + 0.25 * where) * images.shape[-2])
            made[i, :, cut:] = images[partner, :, cut:]
            changed[i] = True
    return made, changed


def not_people(
    images: Float[Tensor, "n 3 h w"],
    labels: Sequence[Label],
    *,
    generator: torch.Generator,
) -> Float[Tensor, "n 3 h w"]:
    """Return one image per drawing that shows none of the groups, made from the drawings.

    In turn: a blend of two people of different groups (of the same occupation where there is
    one), a drawing whose parts are exchanged, a drawing drowned in noise, and a drawing of which
    at least half is erased.

    Parameters
    ----------
    images, labels
        Drawings in [0, 1], and occupation, group and tone of each; at least two groups.
    generator
        Source of the random numbers, on the CPU.
    """
    n, half = len(images), images.shape[-1] // 2
    if len({group for _, group, _ in labels}) < 2:
        raise InputError("labels name one group only; a blend needs two.")
    order = torch.randperm(n, generator=generator).tolist()
    weight = 0.35 + 0.3 * torch.rand(n, generator=generator)
    noise = torch.randn(images.shape, generator=generator)
    draw = torch.rand(n, generator=generator).tolist()
    made = images.clone()
    for place, row in enumerate(order):
        image, u = images[row], draw[row]
        kind = place % 4
        if kind == 0:
            partner = images[_opposite(labels, row, u)]
            made[row] = weight[row] * image + (1 - weight[row]) * partner
        elif kind == 1:
            made[row] = image.roll((half, half if u < 0.5 else 0), (-2, -1))
        elif kind == 2:
            made[row] = (image + (0.35 + 0.3 * u) * noise[row]).clamp(0, 1)
        else:
            keep = half - int(4 * u)
            made[row] = 1.0
            made[row, :, :keep] = image[:, :keep]
    return made


def _opposite(labels: Sequence[Label], row: int, u: float) -> int:
    """Return the row of somebody of another group, of the same occupation and tone if possible."""
    occupation, group, tone = labels[row]
    others = [i for i, label in enumerate(labels) if label[1] != group]
    near = [i for i in others if labels[i][0] == occupation]
    twins = [i for i in near if labels[i][2] == tone]
    pool = twins or near or others
    return pool[int(u * len(pool))]
