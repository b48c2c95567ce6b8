"""A generator whose captions name gender and shade of skin, asked for mixtures of them.

`measure_cells` is an artefact function: plain data in, small tables out.
"""

from __future__ import annotations

import importlib
import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bbb_book.chapters.intersections.group_law import barycentric_coordinates
from bbb_book.data import emoji
from bbb_book.generators.studies import GROUPS, drawings, study_artefact
from bbb_book.readers.nearest import NearestDrawing
from bbb_book.results.artefacts import Artefact
from bbb_book.scorers.caption_bias import SHADES, shaded_caption
from bbb_core import device
from bbb_core.diffusion import (
    DenoiserProcess,
    NetworkConfig,
    TrainingConfig,
    TrainingSet,
    generate,
    train,
)
from bbb_core.embedding import position

__all__ = ["CELLS", "KINDS", "CellStudy", "measure_cells", "measured", "simplex_mixtures"]

CELLS = tuple(itertools.product(GROUPS, SHADES))
"""Gender and shade, in the order of every table: men light and dark, women light and dark."""
KINDS: tuple[tuple[str | None, str | None], ...] = (
    (None, None),
    *((group, None) for group in GROUPS),
    *((None, shade) for shade in SHADES),
)
"""What the other prompts name: nothing, a gender, a shade. Training never sees them."""


@dataclass(frozen=True, kw_only=True)
class CellStudy:
    """One generator and what it is asked for: plain data, so that it can key an artefact.

    Attributes
    ----------
    encoder
        Text encoder of the captions.
    size, channels, steps, batch, learning_rate, noise, seed
        Of the network and its training; the noise is that of the captions.
    reverse_steps
        Of the sampler.
    n_sweep, n_unnamed, n_half
        Images per occupation of each mixture of the four cells' prompts, of the prompt that names
        neither, and of each prompt that names one attribute.
    limit
        Distance to the nearest drawing beyond which an image is none (`NearestDrawing`).
    """

    encoder: str = "minilm"
    size: int = 16
    channels: tuple[int, ...] = (32, 64)
    steps: int = 900
    batch: int = 32
    learning_rate: float = 5e-3
    noise: float = 0.15
    seed: int = 0
    reverse_steps: int = 18
    n_sweep: int = 3
    n_unnamed: int = 24
    n_half: int = 8
    limit: float = 0.15


def simplex_mixtures(m: int) -> np.ndarray:
    """Return where a simplex is asked: corners, edges at halves and thirds, triangles, centre.

    Returns
    -------
    numpy.ndarray, shape [points, m]
        Barycentric coordinates, each row with sum 1.

    Examples
    --------
    >>> simplex_mixtures(2).round(2).tolist()
    [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.67, 0.33], [0.33, 0.67]]
    """
    corners = np.eye(m)
    points = list(corners)
    points += [(a + b) / 2 for a, b in itertools.combinations(corners, 2)]
    points += [(2 * a + b) / 3 for a, b in itertools.permutations(corners, 2)]
    points += [sum(three) / 3 for three in itertools.combinations(corners, 3)]
    if m > 3:
        points.append(np.full(m, 1 / m))
    return np.stack(points)


@lru_cache(maxsize=2)
def _prompts(encoder: str) -> Tensor:
    """Return rows [20, 4 + 5, d] of the four cells and of `KINDS`."""
    texts = []
    for occupation in emoji.OCCUPATIONS:
        texts += [shaded_caption(occupation, group, shade) for group, shade in CELLS]
        for group, shade in KINDS:
            template = "a photo of {}" + (f" with {shade} skin" if shade else "")
            texts.append(emoji.caption(occupation, group, template=template))
    load = importlib.import_module(
        "bbb_core.embedding"
    ).load_encoder  # its code is no part of a key
    rows = load(encoder).encode_text(texts).float()
    return rows.unflatten(0, (-1, len(CELLS) + len(KINDS)))


def _places(rows: Tensor) -> dict[str, np.ndarray]:
    """Return coordinates among the cells and positions between the means of each attribute."""
    n = rows.shape[1]
    cells = rows[:, : len(CELLS)]
    spread = cells.repeat_interleave(n, 0)
    coordinates = barycentric_coordinates(rows.flatten(0, 1), spread).unflatten(0, (-1, n))
    grid = cells.unflatten(1, (len(GROUPS), len(SHADES)))
    positions = []
    for axis in (2, 1):  # the mean over shades lies between genders, the one over genders the other
        ends = grid.mean(axis).repeat_interleave(n, 0)
        positions.append(position(rows.flatten(0, 1), ends[:, 0], ends[:, 1]).unflatten(0, (-1, n)))
    return {"coordinates": coordinates.numpy(), "positions": torch.stack(positions, -1).numpy()}


def _cell_numbers(people: emoji.EmojiPeople) -> np.ndarray:
    """Return the cell that each drawing shows; drawings of the other two tones show none (4)."""
    shade_of = {tone: shade for shade, tones in SHADES.items() for tone in tones}
    return np.array(
        [
            CELLS.index((group, shade_of[tone])) if tone in shade_of else len(CELLS)
            for _, group, tone in people.labels
        ]
    )


def _trained(study: CellStudy, rows: Tensor) -> DenoiserProcess:
    """Train on the captions of the four cells, each with the drawings that it describes."""
    people = drawings(study.size)
    cells = _cell_numbers(people)
    image = torch.from_numpy(np.flatnonzero(cells < len(CELLS)))
    occupation = image // (len(GROUPS) * len(emoji.TONES))
    pairs = torch.stack([image, occupation * len(CELLS) + torch.from_numpy(cells)[image]], 1)
    captions = rows[:, : len(CELLS)].flatten(0, 1)
    network = NetworkConfig(
        embedding_dim=captions.shape[1], resolution=study.size, channels=study.channels
    )
    config = TrainingConfig(
        steps=study.steps, batch=study.batch, learning_rate=study.learning_rate,
        condition_noise=study.noise, precision="float32", seed=study.seed,
    )  # fmt: skip
    data = TrainingSet(people.images, captions, pairs, torch.ones(len(pairs)))
    model = train(data, network, config, augmentation=emoji.augment, device="cpu").model
    return DenoiserProcess(model, steps=study.reverse_steps)


def measure_cells(study: CellStudy) -> dict[str, Any]:
    """Train a generator, sweep it among the prompts of four cells, then draw the other prompts.

    Returns
    -------
    dict
        Counts of the four cells and of none, by occupation: ``sweep`` [20, points, 5],
        ``unnamed`` [20, 5], ``half`` [20, 4, 5] in the order of `KINDS`. ``mixtures`` [points, 4]
        of the sweep. Places of the prompts of cells and of `KINDS`: ``coordinates`` [20, 9, 4]
        among the cells, ``positions`` [20, 9, 2] from man to woman and from light to dark.
        ``right``: share of the images of unnamed prompts that are read as the occupation asked for.
    """
    with device.threads(1):  # small batches: a second thread helps little
        rows = _prompts(study.encoder)
        process = _trained(study, rows)
        people = drawings(study.size)
        reader = NearestDrawing(people.images, limit=study.limit)
        cells = torch.from_numpy(_cell_numbers(people))

        def draw(conditions: Tensor, n: int, name: str) -> tuple[np.ndarray, np.ndarray]:
            """Return counts [20, k, 5] and occupations read [20, k, n] at conditions [20, k, d]."""
            k = conditions.shape[1]
            names = [f"{name} {o} {i}" for o in emoji.OCCUPATIONS for i in range(k)]
            images = generate(process, conditions.flatten(0, 1), n, seed=study.seed, streams=names)
            read = reader.read(images.flatten(0, 1))
            cell = torch.where(read.near, cells[read.rows], len(CELLS)).view(-1, k, n)
            counts = torch.stack([(cell == i).sum(2) for i in range(len(CELLS) + 1)], 2)
            place = read.rows // (len(GROUPS) * len(emoji.TONES))
            place = torch.where(read.near, place, -1).view(-1, k, n)
            return counts.numpy(), place.numpy()

        mixtures = simplex_mixtures(len(CELLS))
        mixed = torch.einsum(
            "wj,ojd->owd", torch.from_numpy(mixtures).float(), rows[:, : len(CELLS)]
        )
        sweep, _ = draw(mixed, study.n_sweep, "mixture")
        first = len(CELLS)
        unnamed, read = draw(rows[:, first : first + 1], study.n_unnamed, "unnamed")
        half, _ = draw(rows[:, first + 1 :], study.n_half, "half")
    asked = np.arange(len(emoji.OCCUPATIONS))[:, None, None]
    return {
        "sweep": sweep,
        "unnamed": unnamed[:, 0],
        "half": half,
        "mixtures": mixtures,
        **_places(rows),
        "right": float((read == asked).mean()),
    }


def measured(study: CellStudy) -> Artefact:
    """Return the artefact of one generator."""
    return study_artefact(f"shaded-people-{study.encoder}-{study.seed}", measure_cells, study=study)
