r"""Figures whose groups a cyclic symmetry permutes, by a trained generator: theorem T2 tried out.

A group is the colour channel that carries the shape. :math:`\sigma` turns the channels of the k
groups, :math:`\tau` turns the group part of the (synthetic) prompt embeddings: for two groups one
axis that changes sign, for more a coordinate per group. `measure_symmetry` (two groups) and
`measure_cycle` (three) are artefact functions: plain data in, small tables out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bbb_book.data.procedural import SHAPES, procedural_figures, read_groups, turn_groups
from bbb_book.generators.path_divergences import path_divergences
from bbb_book.generators.symmetrised import SymmetrisedProcess
from bbb_core import rng
from bbb_core.diffusion.network import NetworkConfig
from bbb_core.diffusion.noise import ImageStreams, draw_normal
from bbb_core.diffusion.sampling import DenoiserProcess, SchedulerProcess, generate
from bbb_core.diffusion.training import TrainingConfig, TrainingSet, train

__all__ = [
    "CycleStudy",
    "FigureStudy",
    "embed_figure",
    "measure_cycle",
    "measure_symmetry",
    "turn_distance",
    "turn_prompt",
]


@dataclass(frozen=True)
class FigureStudy:
    """A generator of figures in two colours: plain data, so that it can key an artefact.

    Attributes
    ----------
    shapes
        How many of `data.procedural.SHAPES` are drawn.
    size, noise
        Side in pixels, and noise of the figures.
    lean
        Group coordinate of the prompts that name a group: -lean and +lean.
    majority
        Share of the first group in training: away from one half the model is not equivariant.
    images, steps, batch, channels, seed
        Training set and training.
    """

    shapes: int = 4
    size: int = 16
    noise: float = 0.1
    lean: float = 0.5
    majority: float = 0.7
    images: int = 2048
    steps: int = 600
    batch: int = 64
    channels: tuple[int, ...] = (32, 64)
    seed: int = 0
    order: ClassVar[int] = 2
    stream: ClassVar[str] = "figures"

    def draw_groups(self, source: np.random.Generator) -> np.ndarray:
        """Draw the groups of the training images."""
        return (source.random(self.images) >= self.majority).astype(np.int64)


@dataclass(frozen=True)
class CycleStudy:
    """A generator of figures in three colours: plain data, so that it can key an artefact.

    Attributes
    ----------
    lean
        Own coordinate of the prompts that name a group.
    shares
        Shares of the groups in training: uneven, so the trained model is not equivariant.
    shapes, size, noise, images, steps, batch, channels, seed
        As those of `FigureStudy`.
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
    order: ClassVar[int] = 3
    stream: ClassVar[str] = "cycle"

    def draw_groups(self, source: np.random.Generator) -> np.ndarray:
        """Draw the groups of the training images."""
        return source.choice(self.order, self.images, p=list(self.shares))


def _group_axes(order: int) -> Float[Tensor, "order axes"]:
    """Return the group part of a prompt that leans to each group by one."""
    return torch.tensor([[-1.0], [1.0]]) if order == 2 else torch.eye(order)


def embed_figure(
    shape: int, lean: float, *, shapes: int, order: int = 2, group: int | None = None
) -> Float[Tensor, "d"]:
    """Return the unit embedding of a shape that leans to a group; lean 0 is the fixed point.

    By default it is the second of two (a negative lean is one to the first), or the first of more.
    """
    axes, group = _group_axes(order), int(order == 2) if group is None else group
    row = torch.zeros(shapes + axes.shape[1])
    row[shape] = 1.0
    row[shapes:] = lean * axes[group]
    return torch.nn.functional.normalize(row, dim=0)


def turn_prompt(c: Tensor, *, order: int = 2) -> Tensor:
    r"""Return :math:`\tau c`: of two groups the last coordinate changes sign, of more it moves on.

    Moving on: each of the last `order` coordinates takes the place of the next.
    """
    if order == 2:
        return torch.cat([c[..., :-1], -c[..., -1:]], -1)
    return torch.cat([c[..., :-order], c[..., -order:].roll(1, dims=-1)], -1)


def turn_distance(lean: float, *, order: int = 2) -> float:
    r"""Return :math:`\eta = \lVert E - \tau E \rVert` of a prompt that leans to one group.

    Examples
    --------
    >>> turn_distance(0.0), round(turn_distance(1.0), 3), turn_distance(1.0, order=3)
    (0.0, 1.414, 1.0)
    """
    return (2.0 if order == 2 else 2**0.5) * abs(lean) / (1 + lean**2) ** 0.5


def _named(study: FigureStudy | CycleStudy) -> Float[Tensor, "rows d"]:
    """Return the prompts that name a group, all groups of the first shape first."""
    options = {"shapes": study.shapes, "order": study.order}
    cells = [(s, g) for s in range(study.shapes) for g in range(study.order)]
    return torch.stack([embed_figure(s, study.lean, group=g, **options) for s, g in cells])


def _leaning(study: FigureStudy | CycleStudy, leans: Sequence[float]) -> Float[Tensor, "rows d"]:
    options = {"shapes": study.shapes, "order": study.order}
    cells = [(s, lean) for s in range(study.shapes) for lean in leans]
    return torch.stack([embed_figure(s, lean, **options) for s, lean in cells])


def _models(
    study: FigureStudy | CycleStudy, reverse_steps: int
) -> tuple[DenoiserProcess, SymmetrisedProcess, tuple[float, ...]]:
    """Train a generator; return its sampler, that of the symmetrised model, and the losses."""
    source = rng.generator(study.seed, study.stream)
    shapes = torch.from_numpy(source.integers(0, study.shapes, study.images))
    groups = torch.from_numpy(study.draw_groups(source))
    images = procedural_figures(
        shapes,
        groups,
        group_count=study.order,
        size=study.size,
        noise=study.noise,
        generator=rng.torch_generator(study.seed, study.stream),
    ).images
    table = _named(study)
    pairs = torch.stack([torch.arange(study.images), study.order * shapes + groups], 1)
    run = train(
        TrainingSet(images, table, pairs, torch.ones(len(images))),
        NetworkConfig(embedding_dim=table.shape[1], resolution=study.size, channels=study.channels),
        TrainingConfig(steps=study.steps, batch=study.batch, seed=study.seed),
    )
    plain = DenoiserProcess(run.model, steps=reverse_steps)
    even = SymmetrisedProcess(
        run.model,
        sigma=partial(turn_groups, group_count=study.order),
        tau=partial(turn_prompt, order=study.order),
        order=study.order,
        steps=reverse_steps,
    )
    return plain, even, run.losses


def _counts(images: Float[Tensor, "m n c h w"], *, order: int) -> np.ndarray:
    """Return how often each group, and none, is read among the images of each prompt."""
    read = read_groups(images.flatten(0, 1), group_count=order).unflatten(0, images.shape[:2])
    return torch.stack([(read == g).sum(-1) for g in (*range(order), -1)], -1).numpy()


def _pictures(images: Float[Tensor, "m n c h w"], shown: int) -> np.ndarray:
    return (images[:, :shown] * 255).round().to(torch.uint8).numpy()


def _defect(
    plain: SchedulerProcess, even: SchedulerProcess, condition: Tensor, *, n: int, seed: int
) -> np.ndarray:
    """Return the path divergence of the plain from the symmetrised model, per path."""
    streams = ImageStreams(seed, n, "defect")
    x = plain.initial(n, generators=streams)
    total = torch.zeros(n, dtype=torch.float64)
    for step in range(len(plain.sigmas), 0, -1):
        mean, sigma = plain.mean(x, step, condition), float(plain.sigmas[step - 1])
        gap = (mean - even.mean(x, step, condition)).flatten(1).square().sum(1)
        total += gap / (2 * sigma**2)
        x = mean + sigma * draw_normal(streams, n, plain.image_shape).to(x)
    return total.numpy()


def measure_symmetry(
    study: FigureStudy,
    leans: Sequence[float],
    n: int,
    n_paths: int,
    reverse_steps: int,
    shown: int,
    seed: int,
) -> dict[str, Any]:
    """Draw from prompts that lean more and more, by the trained and the symmetrised model.

    Returns
    -------
    dict
        ``counts`` [models, shapes, leans, 3]: first group, second group, none, for the trained
        (0) and the symmetrised model (1); ``kl`` [shapes, leans, paths]: path divergences of the
        symmetrised model from the prompt to its reflection; ``defect`` [shapes, paths]: path
        divergences of the trained from the symmetrised model at the neutral prompt;
        ``named`` [models, 2, 3] counts for the prompts that name a group; ``sheet`` pictures;
        ``losses``; ``names``.
    """
    plain, even, losses = _models(study, reverse_steps)
    rows, named = _leaning(study, leans), _named(study)
    shape = (study.shapes, len(leans))
    counts, names, sheets = [], [], []
    for process in (plain, even):
        images = generate(process, rows, n, seed=seed)
        counts.append(_counts(images, order=2).reshape(*shape, -1))
        sheets.append(_pictures(images, shown))
        drawn = _counts(generate(process, named, n, seed=seed + 1), order=2)
        names.append(drawn.reshape(study.shapes, 2, -1).sum(0))
    paths = path_divergences(even, rows, turn_prompt(rows)[:, None], n=n_paths, seed=seed)
    neutral = [embed_figure(s, 0.0, shapes=study.shapes) for s in range(study.shapes)]
    defect = [_defect(plain, even, c, n=n_paths, seed=seed + s) for s, c in enumerate(neutral)]
    return {
        "counts": np.stack(counts),
        "named": np.stack(names),
        "kl": paths.terms[:, 0].sum(-1).reshape(*shape, n_paths).numpy(),
        "defect": np.stack(defect),
        "sheet": np.stack(sheets).reshape(2, *shape, shown, *images.shape[2:]),
        "losses": np.array(losses),
        "names": list(SHAPES[: study.shapes]),
    }


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
    order = study.order
    plain, even, losses = _models(study, reverse_steps)
    rows = _leaning(study, leans)
    shape = (study.shapes, len(leans))
    drawn = [generate(process, rows, n, seed=seed) for process in (plain, even)]
    turns = [turn_prompt(rows, order=order)]
    for _ in range(order - 2):
        turns.append(turn_prompt(turns[-1], order=order))
    paths = path_divergences(even, rows, torch.stack(turns, 1), n=n_paths, seed=seed)
    sheets = np.stack([_pictures(images, shown) for images in drawn])
    return {
        "counts": np.stack([_counts(images, order=order).reshape(*shape, -1) for images in drawn]),
        "kl": paths.terms.sum(-1).reshape(*shape, order - 1, n_paths).numpy(),
        "sheet": sheets.reshape(2, *shape, shown, *drawn[0].shape[2:]),
        "losses": np.array(losses),
        "names": list(SHAPES[: study.shapes]),
    }
