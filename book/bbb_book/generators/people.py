"""Emoji people: draw from the generators of the chapters, and read what they drew.

Each `measure_*` function is an artefact function: plain data in, small tables out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bbb_book.data import emoji
from bbb_book.generators.path_divergences import path_divergences
from bbb_book.generators.studies import (
    GROUPS,
    Study,
    Tuning,
    drawings,
    model_of,
    prompt_embeddings,
    study_artefact,
    training_of,
)
from bbb_book.readers.nearest import NearestDrawing
from bbb_book.readers.second_reader import second_codes
from bbb_book.results.artefacts import Artefact
from bbb_core.diffusion.sampling import DenoiserProcess, generate

__all__ = [
    "CODES",
    "READINGS",
    "counts_of",
    "describe_training",
    "drawn_people",
    "measure_model",
    "read_people",
    "reader",
    "sheet_of",
]

READINGS = (*GROUPS, "none")
"""What an image can be read as; "none" counts as neither."""
CODES = ("group", "occupation", "tone", "second")
"""What is kept of each image; "second" is the group that the second reader reads."""


@lru_cache(maxsize=4)
def reader(size: int) -> NearestDrawing:
    """Return the nearest-drawing reader of men and women at this size."""
    return NearestDrawing(drawings(size).images)


def read_people(images: Float[Tensor, "n c h w"], size: int) -> dict[str, np.ndarray]:
    """Return codes of group (index in `READINGS`), occupation, tone, and the distances."""
    labels = drawings(size).labels
    reading = reader(size).read(images)
    near = reading.near.numpy()
    rows = reading.rows.tolist()
    group = np.array([GROUPS.index(labels[r][1]) for r in rows])
    return {
        "group": np.where(near, group, len(GROUPS)),
        "occupation": np.array([emoji.OCCUPATIONS.index(labels[r][0]) for r in rows]),
        "tone": np.array([emoji.TONES.index(labels[r][2]) for r in rows]),
        "distance": reading.distances.numpy(),
    }


def counts_of(codes: np.ndarray) -> np.ndarray:
    """Return how often each of `READINGS` occurs, over the last axis."""
    return np.stack([(codes == i).sum(-1) for i in range(len(READINGS))], -1)


def _codes(
    images: Float[Tensor, "m n c h w"], size: int, reader_steps: int
) -> dict[str, np.ndarray]:
    """Return the codes of both readers [m, n]; occupation and tone are -1 where none is near."""
    flat = images.flatten(0, 1)
    read = read_people(flat, size)
    near = read["group"] < len(GROUPS)
    made = {
        "group": read["group"],
        "occupation": np.where(near, read["occupation"], -1),
        "tone": np.where(near, read["tone"], -1),
        "second": second_codes(flat, size, reader_steps),
    }
    made = {k: v.astype(np.int8).reshape(images.shape[:2]) for k, v in made.items()}
    return made | {"distance": read["distance"].reshape(images.shape[:2])}


def sheet_of(images: Float[Tensor, "m n c h w"]) -> np.ndarray:
    """Return pictures as bytes, 0 to 255."""
    return (images * 255).round().to(torch.uint8).numpy()


def describe_training(study: Study, tuning: Tuning | None) -> dict[str, Any]:
    """Return what a page says of a training run, without its weights (artefact function)."""
    made = training_of(study, tuning)
    return {name: made[name] for name in ("losses", "seconds")}


def measure_model(
    study: Study,
    tuning: Tuning | None,
    at: int | None,
    snapshots: Sequence[int],
    n_neutral: int,
    n_group: int,
    n_paths: int,
    reverse_steps: int,
    guidance: float,
    reader_steps: int,
    shown: int,
    seed: int,
) -> dict[str, Any]:
    """Draw from every occupation's neutral and group prompts and read the result.

    Parameters
    ----------
    study, tuning, at, snapshots
        Which generator; `at` picks one of its snapshots.
    n_neutral, n_group, n_paths
        Images per neutral prompt, per group prompt, and paths per neutral prompt for the path KL.
    reverse_steps, guidance
        Of the certified sampler.
    reader_steps
        Training steps of the second reader (`readers.second_reader`).
    shown
        Images per prompt kept for the pages.
    seed
        Of all the noise.

    Returns
    -------
    dict
        ``neutral`` counts [20, 3] of `READINGS`; ``group`` counts [20, 2, 3]; ``occupation`` right
        readings of the occupation under group prompts [20, 2]; ``distance`` of every image to the
        nearest drawing [20, images], neutral ones first.

        What each image was read as, int8: ``neutral_group_codes``, ``neutral_occupation_codes``,
        ``neutral_tone_codes``, each [20, n_neutral], and ``named_group_codes`` and so on, each
        [20, 2, n_group]. Codes are positions in `READINGS`, `emoji.OCCUPATIONS` and `emoji.TONES`;
        where no drawing is near, the group is "none", occupation and tone are -1.
        ``neutral_second_codes`` and ``named_second_codes`` are the groups read by the second
        reader.

        ``terms`` path divergences neutral -> (man, woman) [20, 2, paths, K]; ``sheet`` pictures as
        bytes [20, kinds, shown, 3, size, size]; ``evaluations``.
    """
    model = model_of(study, tuning, snapshots=snapshots, at=at)
    process = DenoiserProcess(model, steps=reverse_steps, guidance=guidance)
    table = prompt_embeddings(study.encoder, study.template)
    out: dict[str, Any] = {}
    names = [f"neutral {o}" for o in emoji.OCCUPATIONS]
    drawn = [generate(process, table[:, 0], n_neutral, seed=seed, streams=names)]
    if n_group:
        names = [f"{g} {o}" for o in emoji.OCCUPATIONS for g in GROUPS]
        rows = table[:, 1:].flatten(0, 1)
        both = generate(process, rows, n_group, seed=seed, streams=names).unflatten(0, (-1, 2))
        drawn += [both[:, 0], both[:, 1]]
    codes = [_codes(images, study.size, reader_steps) for images in drawn]
    truth = np.arange(len(emoji.OCCUPATIONS))[:, None]
    out["neutral"] = counts_of(codes[0]["group"])
    out |= {f"neutral_{k}_codes": codes[0][k] for k in CODES}
    if n_group:
        out["group"] = np.stack([counts_of(c["group"]) for c in codes[1:]], 1)
        right = [(c["occupation"] == truth).sum(1) for c in codes[1:]]
        out["occupation"] = np.stack(right, 1)
        out |= {f"named_{k}_codes": np.stack([c[k] for c in codes[1:]], 1) for k in CODES}
    out["distance"] = np.concatenate([c["distance"] for c in codes], 1).astype(np.float32)
    out["sheet"] = np.stack([sheet_of(images[:, :shown]) for images in drawn], 1)
    if n_paths:
        paths = path_divergences(process, table[:, 0], table[:, 1:], n=n_paths, seed=seed)
        out["terms"] = paths.terms.numpy().astype(np.float32)
    out["evaluations"] = process.evaluations
    return out


def drawn_people(
    study: Study,
    *,
    tuning: Tuning | None = None,
    at: int | None = None,
    snapshots: Sequence[int] = (),
    n_neutral: int,
    n_group: int = 0,
    n_paths: int = 0,
    reverse_steps: int,
    guidance: float = 1.0,
    reader_steps: int,
    shown: int,
    seed: int = 0,
) -> Artefact:
    """Return what a generator draws for its prompts: the artefact of `measure_model`."""
    return study_artefact(
        "people-draw",
        measure_model,
        study=study,
        tuning=tuning,
        at=at,
        snapshots=list(snapshots),
        n_neutral=n_neutral,
        n_group=n_group,
        n_paths=n_paths,
        reverse_steps=reverse_steps,
        guidance=guidance,
        reader_steps=reader_steps,
        shown=shown,
        seed=seed,
    )
