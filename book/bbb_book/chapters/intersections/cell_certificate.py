"""Certificates for all cells of gender and tone at once, on the emoji generator (artefact)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bbb_book.data.emoji import TONES
from bbb_book.generators.commitment import Reading, joint_commitment
from bbb_book.generators.people import read_people, reader
from bbb_book.generators.prompt_sweep import between
from bbb_book.generators.studies import GROUPS, Study, model_of, study_artefact
from bbb_book.results.artefacts import Artefact
from bbb_core.diffusion import DenoiserProcess

__all__ = ["READERS", "cell_certificates", "measure_cells"]

READERS = ("gender", "tone", "gender x tone")


def measure_cells(
    study: Study,
    pairs: Sequence[Sequence[Any]],
    n: int,
    pilot: int,
    reverse_steps: int,
    cuts: Sequence[int],
    confidence: float,
    seed: int,
) -> dict[str, Any]:
    """Certify how far the readings of gender, tone and both can differ between two prompts.

    Parameters
    ----------
    pairs
        Triples (occupation, position, other position) on the way from man's to woman's prompt.
    n, pilot, cuts, confidence
        See `bbb_book.generators.commitment.joint_commitment`.

    Returns
    -------
    dict
        ``rows``: one mapping per pair and reader.
    """
    process = DenoiserProcess(model_of(study), steps=reverse_steps)
    reader(study.size)

    def codes(images: Tensor, of: str) -> Tensor:
        read = read_people(images, study.size)
        group, tone = read["group"], read["tone"]
        none = group == len(GROUPS)
        made = {
            "gender": np.where(none, len(GROUPS), group),
            "tone": np.where(none, len(TONES), tone),
            "gender x tone": np.where(none, len(GROUPS) * len(TONES), group * len(TONES) + tone),
        }
        return torch.from_numpy(made[of].astype(np.int64))

    sizes = (len(GROUPS), len(TONES), len(GROUPS) * len(TONES))
    readings = {
        name: Reading(partial(codes, of=name), size + 1)
        for name, size in zip(READERS, sizes, strict=True)
    }
    rows = []
    for i, (occupation, first, second) in enumerate(pairs):
        made = joint_commitment(
            process,
            between(study, occupation, first),
            between(study, occupation, second),
            readings=readings,
            n=n,
            pilot=pilot,
            seed=seed + i,
            cuts=list(cuts),
            confidence=confidence,
        )
        for name, found in made.items():
            rows.append(
                {
                    "occupation": occupation,
                    "first": float(first),
                    "second": float(second),
                    "reader": name,
                    "values": readings[name].outcomes,
                    "step": found.step,
                    "law_bound": found.law_bound,
                    "change_bound": found.change_bound,
                    "bound": found.bound,
                    "distance": found.distance,
                    "low": found.distance_interval[0],
                    "high": found.distance_interval[1],
                    "n": n,
                }
            )
    return {"rows": rows}


def cell_certificates(
    study: Study, pairs: Sequence[Sequence[Any]], *, n: int, pilot: int, **options: Any
) -> Artefact:
    """Return the certificates of pairs (occupation, position, other position)."""
    return study_artefact(
        "people-cell-certificates",
        measure_cells,
        study=study,
        pairs=[list(pair) for pair in pairs],
        n=n,
        pilot=pilot,
        confidence=0.95,
        seed=5,
        **options,
    )
