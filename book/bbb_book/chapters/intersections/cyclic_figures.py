r"""Procedural figures with a cycle of three groups: T2 for more than two groups, trained.

A group is the colour channel that carries the shape; :math:`\sigma` turns the three channels,
:math:`\tau` turns the three group coordinates of the (synthetic) prompt embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bbb_book.data.procedural import SHAPES, procedural_figures, read_groups, turn_groups
from bbb_book.generators.symmetric_figures import fit_figures
from bbb_core import rng
from bbb_core.diffusion.divergence import path_divergences
from bbb_core.diffusion.sampling import DenoiserProcess, generate
from bbb_core.diffusion.symmetric import SymmetrisedProcess

__all__ = ["ORDER", "CycleStudy", "embed_cycle", "measure_cycle", "turn_distance", "turn_prompt"]

ORDER = 3
"""Groups, and order of the cycle."""


@dataclass(frozen=True)
class CycleStudy:
    """A generator of figures in three colours: plain data, so that it can key an artefact.

    Attributes
    ----------
    shapes
        How many of `data.procedural.SHAPES` are drawn.
    size, noise
        Side in pixels, and noise of the figures.
    lean
        Own coordinate of the prompts that name a group.
    shares
        Shares of the groups in training: uneven, so the trained model is not equivariant.
    images, steps, batch, channels, seed
        Training set and training.
    """

    shapes: int = 3
    size: int = 16
    noise: float = 0.1
    lean: float = 0.5
    shares: tuple[float, ...] = (0.6, 0.3, 0.1)
    images: int = 2048
    steps: int = 600
    batch: int = 64
    channels: tuple[int, ...] = (32, 64)
    seed: int = 0


def embed_cycle(shape: int, lean: float, *, shapes: int, group: int = 0) -> Float[Tensor, "d"]:
    """Return the unit embedding of a shape that leans to a group; lean 0 is the fixed point."""
    row = torch.zeros(shapes + ORDER)
    row[shape], row[shapes + group] = 1.0, lean
    return torch.nn.functional.normalize(row, dim=0)


def turn_prompt(c: Tensor) -> Tensor:
    r"""Return :math:`\tau c`: the last three coordinates move on by one."""
    return torch.cat([c[..., :-ORDER], c[..., -ORDER:].roll(1, dims=-1)], -1)


def turn_distance(lean: float) -> float:
    r"""Return :math:`\eta = \lVert E - \tau E \rVert` of a prompt that leans to one group.

    Examples
    --------
    >>> turn_distance(0.0)
    0.0
    """
    return float(2**0.5 * abs(lean) / (1 + lean**2) ** 0.5)


def _turn_image(x: Tensor) -> Tensor:
    return turn_groups(x, group_count=ORDER)


def _train(study: CycleStudy) -> tuple[Any, tuple[float, ...]]:
    stream = rng.generator(study.seed, "cycle")
    shapes = torch.from_numpy(stream.integers(0, study.shapes, study.images))
    groups = torch.from_numpy(stream.choice(ORDER, study.images, p=list(study.shares)))
    made = procedural_figures(
        shapes,
        groups,
        group_count=ORDER,
        size=study.size,
        noise=study.noise,
        generator=rng.torch_generator(study.seed, "cycle"),
    )
    table = torch.stack(
        [
            embed_cycle(s, study.lean, shapes=study.shapes, group=g)
            for s in range(study.shapes)
            for g in range(ORDER)
        ]
    )
    pairs = torch.stack([torch.arange(study.images), ORDER * shapes + groups], 1)
    return fit_figures(study, made.images, table, pairs)


def measure_cycle(
    study: CycleStudy,
    leans: Sequence[float],
    n: int,
    n_paths: int,
    reverse_steps: int,
    shown: int,
    seed: int,
) -> dict[str, Any]:
    """Draw from prompts that lean more and more to the first group, by both models.

    Returns
    -------
    dict
        ``counts`` [models, shapes, leans, 4]: three groups and none, for the trained (0) and the
        symmetrised model (1); ``kl`` [shapes, leans, 2, paths]: path divergences of the
        symmetrised model from the prompt to its turns by one and by two; ``sheet`` pictures as
        bytes [models, shapes, leans, shown, 3, size, size]; ``losses``; ``names``.
    """
    model, losses = _train(study)
    plain = DenoiserProcess(model, steps=reverse_steps)
    even = SymmetrisedProcess(
        model, sigma=_turn_image, tau=turn_prompt, order=ORDER, steps=reverse_steps
    )
    rows = torch.stack(
        [embed_cycle(s, b, shapes=study.shapes) for s in range(study.shapes) for b in leans]
    )
    shape = (study.shapes, len(leans))
    counts, sheets = [], []
    for process in (plain, even):
        images = generate(process, rows, n, seed=seed)
        read = read_groups(images.flatten(0, 1), group_count=ORDER).reshape(*shape, n).numpy()
        counts.append(np.stack([(read == g).sum(-1) for g in (0, 1, 2, -1)], -1))
        sheets.append((images[:, :shown] * 255).round().to(torch.uint8).numpy())
    once = turn_prompt(rows)
    paths = path_divergences(
        even, rows, torch.stack([once, turn_prompt(once)], 1), n=n_paths, seed=seed
    )
    return {
        "counts": np.stack(counts),
        "kl": paths.terms.sum(-1).reshape(*shape, ORDER - 1, n_paths).numpy(),
        "sheet": np.stack(sheets).reshape(2, *shape, shown, *images.shape[2:]),
        "losses": np.array(losses),
        "names": list(SHAPES[: study.shapes]),
    }
