"""Mitigations of the prompt, tried on a trained generator of emoji people (theorem T3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bbb_book.data.emoji import OCCUPATIONS
from bbb_book.generators.people import counts_of, read_people, sheet_of
from bbb_book.generators.studies import Study, model_of, prompt_embeddings, study_artefact
from bbb_book.results.artefacts import Artefact
from bbb_core import checks
from bbb_core.diffusion.sampling import DenoiserProcess, generate

__all__ = ["METHODS", "drawn_mitigations", "measure_mitigations", "mitigated"]

METHODS = {
    "none": "the neutral prompt's embedding as it is",
    "projected": "without its part along the common direction from men to women, length restored",
    "equalised": "moved to the nearest point that is equally far from both group prompts",
    "averaged": "the mean of the two group prompts",
    "subclass": "half the images from each group prompt (theorem T3)",
}
"""Mitigations by name; each needs the embeddings of the prompts and nothing else."""


def mitigated(
    table: Float[Tensor, "occupations 3 d"], method: str
) -> Float[Tensor, "occupations kinds d"]:
    """Return the embeddings to draw from: one per occupation, or one per group for "subclass".

    Parameters
    ----------
    table
        Unit rows: neutral, man, woman per occupation.
    method
        One of `METHODS`.

    Raises
    ------
    InputError
        When the method is unknown.
    """
    checks.choice("method", method, METHODS)
    neutral, man, woman = table.unbind(1)
    if method == "subclass":
        return table[:, 1:]
    if method == "averaged":
        return ((man + woman) / 2)[:, None]
    if method == "equalised":
        across = torch.nn.functional.normalize(woman - man, dim=1)
        off = ((neutral - (man + woman) / 2) * across).sum(1, keepdim=True)
        return (neutral - off * across)[:, None]
    if method == "projected":
        direction = torch.nn.functional.normalize((woman - man).mean(0), dim=0)
        rest = neutral - (neutral @ direction)[:, None] * direction
        return torch.nn.functional.normalize(rest, dim=1)[:, None]
    return neutral[:, None]


def measure_mitigations(
    study: Study,
    methods: Sequence[str],
    n: int,
    reverse_steps: int,
    shown: int,
    seed: int,
) -> dict[str, Any]:
    """Draw n images per occupation under each mitigation and read them (artefact function).

    All methods share the noise of an occupation, so they differ by the embedding alone.

    Returns
    -------
    dict
        ``counts`` [methods, 20, 3] of the readings; ``occupation`` right readings of the
        occupation [methods, 20]; ``sheet`` [methods, 20, shown, 3, size, size] as bytes;
        ``distance`` [methods, 20, n]; ``evaluations`` of the network per image and method.
    """
    process = DenoiserProcess(model_of(study), steps=reverse_steps)
    table = prompt_embeddings(study.encoder, study.template)
    truth = np.arange(len(OCCUPATIONS))[:, None]
    out: dict[str, list[Any]] = {k: [] for k in ("counts", "occupation", "distance", "sheet")}
    costs = []
    for method in methods:
        before = process.evaluations
        rows = mitigated(table, method)
        kinds = rows.shape[1]
        names = [f"mitigation {o} {k}" for o in OCCUPATIONS for k in range(kinds)]
        images = generate(process, rows.flatten(0, 1), n // kinds, seed=seed, streams=names)
        images = images.unflatten(0, (-1, kinds)).flatten(1, 2)
        codes = read_people(images.flatten(0, 1), study.size)
        shape = images.shape[:2]
        out["counts"].append(counts_of(codes["group"].reshape(shape)))
        right = codes["occupation"].reshape(shape) == truth
        near = codes["group"].reshape(shape) < len(counts_of(np.zeros(1, int))) - 1
        out["occupation"].append((right & near).sum(1))
        out["distance"].append(codes["distance"].reshape(shape).astype(np.float32))
        half = max(1, shown // kinds)
        parts = images.unflatten(1, (kinds, -1))[:, :, :half].flatten(1, 2)
        pad = parts[:, :1].expand(-1, shown - parts.shape[1], -1, -1, -1)
        out["sheet"].append(sheet_of(torch.cat([parts, pad], 1)))
        costs.append((process.evaluations - before) / images.shape[0] / images.shape[1])
    return {k: np.stack(v) for k, v in out.items()} | {"evaluations": costs}


def drawn_mitigations(
    study: Study, *, methods: Sequence[str], n: int, reverse_steps: int, shown: int, seed: int
) -> Artefact:
    """Return what every mitigation draws: the artefact of `measure_mitigations`."""
    return study_artefact(
        "people-mitigations",
        measure_mitigations,
        study=study,
        methods=list(methods),
        n=n,
        reverse_steps=reverse_steps,
        shown=shown,
        seed=seed,
    )
