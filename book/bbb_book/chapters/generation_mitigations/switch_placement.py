"""Switch placement: a sweep finds where this generator turns, and the prompts are put there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from bbb_book.data.emoji import OCCUPATIONS
from bbb_book.generators.people import counts_of, read_people, sheet_of
from bbb_book.generators.placements import on_line, positions, swept_law
from bbb_book.generators.studies import Study, model_of, prompt_embeddings, study_artefact
from bbb_book.results.artefacts import Artefact
from bbb_core.diffusion import DenoiserProcess, generate

__all__ = ["SWITCH", "drawn_at_switch", "measure_switch", "with_switch"]

SWITCH = "switch"
"""Name of the mitigation beside `prompt_mitigations.METHODS`."""


def measure_switch(
    study: Study, points: int, n_sweep: int, n: int, reverse_steps: int, shown: int, seed: int
) -> dict[str, Any]:
    """Sweep a generator between its group prompts, and draw at the switches (artefact function).

    Images share their noise with those of `measure_mitigations`.

    Parameters
    ----------
    study
        Which generator.
    points, n_sweep
        Of the way between the group prompts, ends included; images per occupation at each.
    n, reverse_steps, shown, seed
        As in `measure_mitigations`.

    Returns
    -------
    dict
        ``positions`` [points] and ``sweep`` counts [20, points, 3] of man, woman, none; ``slope``,
        ``switch``, ``own_switches`` [20]; ``t`` positions of the neutral prompts [20]; and
        ``counts`` [20, 3], ``occupation`` [20], ``sheet``, ``distance``, ``evaluations`` at the
        occupations' own switches, as in `measure_mitigations`.
    """
    process = DenoiserProcess(model_of(study), steps=reverse_steps)
    neutral, man, woman = prompt_embeddings(study.encoder, study.template).unbind(1)
    at, m = np.linspace(0, 1, points), len(OCCUPATIONS)
    sweep = []
    for i, t in enumerate(at):
        rows = on_line(man, woman, torch.full((m,), float(t)))
        names = [f"calibration {o} {i}" for o in OCCUPATIONS]
        images = generate(process, rows, n_sweep, seed=seed, streams=names)
        group = read_people(images.flatten(0, 1), study.size)["group"]
        sweep.append(counts_of(group.reshape(m, n_sweep)))
    counts = np.stack(sweep, 1)
    slope, switch, own = swept_law(at, counts)
    before = process.evaluations
    names = [f"mitigation {o} 0" for o in OCCUPATIONS]
    placed = on_line(man, woman, torch.as_tensor(own))
    images = generate(process, placed, n, seed=seed, streams=names)
    codes = read_people(images.flatten(0, 1), study.size)
    group, occupation = (codes[k].reshape(m, n) for k in ("group", "occupation"))
    return {
        "positions": at, "sweep": counts, "slope": slope, "switch": switch,
        "own_switches": own, "t": positions(neutral, man, woman).numpy(),
        "counts": counts_of(group),
        "occupation": ((occupation == np.arange(m)[:, None]) & (group < 2)).sum(1),
        "distance": codes["distance"].reshape(m, n).astype(np.float32),
        "sheet": sheet_of(images[:, :shown]),
        "evaluations": (process.evaluations - before) / (m * n),
    }  # fmt: skip


def drawn_at_switch(study: Study, **sizes: Any) -> Artefact:
    """Return what a generator draws at its switches: the artefact of `measure_switch`."""
    return study_artefact("people-switch", measure_switch, study=study, **sizes)


def with_switch(made: Mapping[str, Any], placed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results of all mitigations with switch placement as the last one."""
    names: Sequence[str] = ("counts", "occupation", "distance", "sheet")
    joined = {k: np.concatenate([np.asarray(made[k]), np.asarray(placed[k])[None]]) for k in names}
    return joined | {"evaluations": [*made["evaluations"], placed["evaluations"]]}
