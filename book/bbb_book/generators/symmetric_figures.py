r"""Procedural figures with a true symmetry: the sufficient condition tried out (theorem T2).

Prompts are synthetic embeddings: a shape has an axis of its own, and the last axis carries the
group. :math:`\tau` flips the last axis, :math:`\sigma` swaps two colour channels.
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
from bbb_core import rng
from bbb_core.diffusion.divergence import path_divergences
from bbb_core.diffusion.network import NetworkConfig
from bbb_core.diffusion.process import ImageStreams, draw_normal
from bbb_core.diffusion.sampling import DenoiserProcess, SchedulerProcess, generate
from bbb_core.diffusion.symmetric import SymmetrisedProcess
from bbb_core.diffusion.training import TrainingConfig, TrainingSet, train

__all__ = [
    "FigureStudy",
    "embed_figure",
    "fit_figures",
    "flip_group",
    "measure_symmetry",
    "reflection_distance",
]


@dataclass(frozen=True)
class FigureStudy:
    """A generator of procedural figures: plain data, so that it can key an artefact.

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


def embed_figure(shape: int, group: float, *, shapes: int) -> Float[Tensor, "d"]:
    """Return the unit embedding of a shape with a group coordinate; 0 is neutral."""
    row = torch.zeros(shapes + 1)
    row[shape], row[-1] = 1.0, group
    return torch.nn.functional.normalize(row, dim=0)


def flip_group(c: Tensor) -> Tensor:
    r"""Return :math:`\tau c`: the last coordinate changes sign."""
    return torch.cat([c[..., :-1], -c[..., -1:]], -1)


def reflection_distance(group: float) -> float:
    r"""Return :math:`\eta = \lVert E - \tau E \rVert` of a prompt with this group coordinate."""
    return 2 * abs(group) / (1 + group**2) ** 0.5


def fit_figures(
    study: Any, images: Float[Tensor, "n c h w"], table: Float[Tensor, "m d"], pairs: Tensor
) -> tuple[Any, tuple[float, ...]]:
    """Train a generator of figures on (image, row of the table) pairs; return it and its losses.

    `study` gives size, channels, steps, batch and seed.
    """
    run = train(
        TrainingSet(images, table, pairs, torch.ones(len(images))),
        NetworkConfig(embedding_dim=table.shape[1], resolution=study.size, channels=study.channels),
        TrainingConfig(steps=study.steps, batch=study.batch, seed=study.seed),
    )
    return run.model, run.losses


def _train(study: FigureStudy) -> tuple[Any, tuple[float, ...]]:
    stream = rng.generator(study.seed, "figures")
    shapes = torch.from_numpy(stream.integers(0, study.shapes, study.images))
    groups = torch.from_numpy((stream.random(study.images) >= study.majority).astype(np.int64))
    made = procedural_figures(
        shapes,
        groups,
        size=study.size,
        noise=study.noise,
        generator=rng.torch_generator(study.seed, "figures"),
    )
    table = torch.stack(
        [
            embed_figure(s, lean, shapes=study.shapes)
            for s in range(study.shapes)
            for lean in (-study.lean, study.lean)
        ]
    )
    pairs = torch.stack([torch.arange(study.images), 2 * shapes + groups], 1)
    return fit_figures(study, made.images, table, pairs)


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
        ``losses``.
    """
    model, losses = _train(study)
    plain = DenoiserProcess(model, steps=reverse_steps)
    even = SymmetrisedProcess(model, sigma=turn_groups, tau=flip_group, steps=reverse_steps)
    shapes = range(study.shapes)
    rows = torch.stack([embed_figure(s, b, shapes=study.shapes) for s in shapes for b in leans])
    named = torch.stack(
        [embed_figure(s, b, shapes=study.shapes) for s in shapes for b in (-study.lean, study.lean)]
    )
    counts, names, sheets = [], [], []
    for process in (plain, even):
        images = generate(process, rows, n, seed=seed)
        read = read_groups(images.flatten(0, 1)).reshape(len(shapes), len(leans), n).numpy()
        counts.append(np.stack([(read == g).sum(-1) for g in (0, 1, -1)], -1))
        sheets.append((images[:, :shown] * 255).round().to(torch.uint8).numpy())
        drawn = read_groups(generate(process, named, n, seed=seed + 1).flatten(0, 1))
        drawn = drawn.reshape(len(shapes), 2, n).numpy()
        names.append(np.stack([(drawn == g).sum((0, 2)) for g in (0, 1, -1)], -1))
    paths = path_divergences(even, rows, flip_group(rows)[:, None], n=n_paths, seed=seed)
    kl = paths.terms[:, 0].sum(-1).reshape(len(shapes), len(leans), n_paths).numpy()
    defect = [
        _defect(plain, even, embed_figure(s, 0.0, shapes=study.shapes), n=n_paths, seed=seed + s)
        for s in shapes
    ]
    shape = (2, len(shapes), len(leans), shown, *images.shape[2:])
    return {
        "counts": np.stack(counts),
        "named": np.stack(names),
        "kl": kl,
        "defect": np.stack(defect),
        "sheet": np.stack(sheets).reshape(shape),
        "losses": np.array(losses),
        "names": list(SHAPES[: study.shapes]),
    }
