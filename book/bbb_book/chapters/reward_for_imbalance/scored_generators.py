"""Trained generators of emoji people, ranked by alignment scores of known caption bias (T4).

`measure_scored_generators` is an artefact function: plain data in, small tables out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from bbb_book.data.emoji import OCCUPATIONS
from bbb_book.generators.people import counts_of, read_people
from bbb_book.generators.studies import Study, Tuning, model_of, prompt_embeddings
from bbb_book.scorers.caption_bias import train_scorer
from bbb_book.scorers.design import score_images
from bbb_core.diffusion import DenoiserProcess, generate

__all__ = ["SOURCES", "measure_scored_generators"]

SOURCES = ("neutral prompts", "skewed captions", "prompts for men", "prompts for women")
"""What the images are drawn from: the main generator's neutral prompts; those of the generator
that was trained on with skewed neutral captions; the main generator's group prompts."""


def measure_scored_generators(
    study: Study,
    tuning: Tuning,
    snapshots: Sequence[int],
    scorers: Sequence[Sequence[Any]],
    scorer_steps: int,
    n: int,
    reverse_steps: int,
    seed: int,
) -> dict[str, Any]:
    """Draw from the generators, read who is shown, and score every image against its prompt.

    Parameters
    ----------
    study, tuning, snapshots
        The main generator, and its further training with skewed captions.
    scorers
        Triples (kind of encoder, caption bias, seed); see `caption_bias.train_scorer`.
    scorer_steps
        Training steps of each scorer.
    n
        Images per occupation and source.
    reverse_steps, seed
        Of the certified sampler; all sources share the noise of an occupation.

    Returns
    -------
    dict
        ``counts`` [sources, 20, 3] of images read as man, woman, none; ``scores`` cosines
        [scorers, sources, 20, n, 3] under plain, average-then-score and subclass-score.
    """
    table = prompt_embeddings(study.encoder, study.template)
    main = model_of(study)
    tuned = model_of(study, tuning, snapshots=snapshots)
    pairs = [(main, table[:, 0]), (tuned, table[:, 0]), (main, table[:, 1]), (main, table[:, 2])]
    names = [f"scored {occupation}" for occupation in OCCUPATIONS]
    images = torch.stack(
        [
            generate(DenoiserProcess(model, steps=reverse_steps), rows, n, seed=seed, streams=names)
            for model, rows in pairs
        ]
    )
    flat = images.flatten(0, 2)
    asked = [o for _ in pairs for o in OCCUPATIONS for _ in range(n)]
    shape = (len(pairs), len(OCCUPATIONS), n)
    scores = []
    for kind, bias, number in scorers:
        encoder, _ = train_scorer(kind, bias, steps=scorer_steps, seed=number)
        scores.append(score_images(encoder, flat, asked).reshape(*shape, 3).numpy())
    return {
        "counts": counts_of(read_people(flat, study.size)["group"].reshape(shape)),
        "scores": np.stack(scores).astype(np.float32),
    }
