"""Ways to place a prompt between the prompts of two groups."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from bbb_core import rng
from bbb_core.embedding import position

__all__ = ["across", "on_line", "positions", "projected", "shifted", "towards"]

Rows = Float[Tensor, "occupations *tokens d"]


def positions(neutral: Rows, man: Rows, woman: Rows) -> Float[Tensor, " occupations"]:
    """Return `position`, of sequences as of one long vector: 0 at the man's prompt, 1 at hers."""
    return position(neutral.flatten(1), man.flatten(1), woman.flatten(1))


def on_line(man: Rows, woman: Rows, at: Tensor) -> Rows:
    """Return the points of the straight way between the groups' prompts at positions [20]."""
    return man + _each(at, man) * (woman - man)


def shifted(neutral: Rows, man: Rows, woman: Rows, by: Tensor) -> Rows:
    """Return neutral prompts moved in parallel to that way by parts [20] of it.

    Empty tokens stay empty: a generator does not hear a zero row, and hears the smallest other one.
    """
    heard = (neutral != 0).any(-1, keepdim=True)
    return neutral + _each(by, neutral) * (woman - man) * heard


def towards(neutral: Rows, man: Rows, woman: Rows, at: Tensor) -> Rows:
    """Return neutral prompts moved in parallel to the way until they lie at positions [20]."""
    start = positions(neutral, man, woman)
    unit = positions(shifted(neutral, man, woman, torch.ones(len(at))), man, woman) - start
    return shifted(neutral, man, woman, (at.double() - start) / unit)


def projected(neutral: Rows, man: Rows, woman: Rows) -> Rows:
    """Return neutral prompts without their part along the groups' common direction, as long."""
    direction = torch.nn.functional.normalize((woman - man).mean(0).flatten(), dim=0)
    heard = (neutral != 0).any(-1, keepdim=True)
    flat = neutral.flatten(1)
    rest = flat - (flat @ direction)[:, None] * direction
    rest = rest * (flat.norm(dim=1) / rest.norm(dim=1))[:, None]
    return rest.view_as(neutral) * heard


def across(neutral: Rows, man: Rows, woman: Rows, *, seed: int) -> Rows:
    """Return moves across the ways, each as long as its own way, in random directions.

    They lie in the span of the occupations' middles, which a generator hears, and are orthogonal
    to the ways of all occupations.
    """
    flat_man, flat_woman = man.flatten(1).double(), woman.flatten(1).double()
    middles = (flat_man + flat_woman) / 2
    coins = torch.randn(
        len(man), len(man), generator=rng.torch_generator(seed, "across"), dtype=torch.float64
    )
    moves = coins @ (middles - middles.mean(0))
    ways = flat_woman - flat_man
    _, values, used = torch.linalg.svd(ways, full_matrices=False)
    used = used[values > 1e-6 * values[0]]
    moves = moves - (moves @ used.T) @ used
    moves = moves * (ways.norm(dim=1) / moves.norm(dim=1))[:, None]
    heard = (neutral != 0).any(-1, keepdim=True)
    return moves.view_as(neutral).to(neutral) * heard


def _each(values: Tensor, rows: Tensor) -> Tensor:
    return values.to(rows).view(-1, *[1] * (rows.ndim - 1))
