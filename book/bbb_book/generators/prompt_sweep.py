"""Moves of the prompt from one group to the other: shares and certificates (artefacts)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy import optimize
from torch import Tensor

from bbb_book.data.emoji import OCCUPATIONS
from bbb_book.generators.commitment import Commitment, Reading, certify_reading, coupled_pair
from bbb_book.generators.path_divergences import path_divergences
from bbb_book.generators.people import READINGS, counts_of, read_people, reader, sheet_of
from bbb_book.generators.studies import GROUPS, Study, model_of, prompt_embeddings
from bbb_core import rng
from bbb_core.diffusion.sampling import DenoiserProcess, generate

__all__ = ["between", "logistic_crossing", "measure_commitment", "measure_sweep"]


def between(study: Study, occupation: str, position: float) -> Tensor:
    """Return the embedding at `position` of the way from man's prompt (0) to woman's (1)."""
    rows = prompt_embeddings(study.encoder, study.template)[OCCUPATIONS.index(occupation)]
    return rows[1] + position * (rows[2] - rows[1])


def logistic_crossing(positions: Any, successes: Any, trials: Any, level: float) -> float:
    """Return the position at which a logistic curve through the shares crosses `level`.

    Maximum likelihood with a small ridge on the slope, so that it exists for every data; kept
    inside the range of the positions.

    Examples
    --------
    >>> round(logistic_crossing([0.0, 0.5, 1.0], [1, 5, 9], [10, 10, 10], 0.5), 3)
    0.5
    """
    x = np.asarray(positions, float)
    centre, scale = x.mean(), max(float(np.ptp(x)), 1e-9)
    design = np.stack([np.ones_like(x), (x - centre) / scale], 1)
    k, n = np.asarray(successes, float), np.asarray(trials, float)

    def loss(beta: np.ndarray) -> float:
        eta = design @ beta
        return float((n * np.logaddexp(0, eta) - k * eta).sum() + 5e-4 * beta @ beta)

    beta = optimize.minimize(loss, np.array([0.0, 1.0]), method="Nelder-Mead").x
    slope = beta[1] if abs(beta[1]) > 1e-6 else 1e-6
    at = centre + scale * (np.log(level / (1 - level)) - beta[0]) / slope
    return float(np.clip(at, x.min(), x.max()))


def measure_sweep(
    study: Study,
    occupations: Sequence[str],
    positions: Sequence[float],
    n: int,
    reverse_steps: int,
    shown: int,
    seed: int,
) -> dict[str, Any]:
    """Generate along the way from one group's prompt to the other's.

    All positions of an occupation share their noise, so neighbours differ by the prompt alone.

    Returns
    -------
    dict
        ``counts`` [occupations, positions, 3] of `READINGS`; ``sheet`` pictures as bytes
        [occupations, positions, shown, 3, size, size].
    """
    process = DenoiserProcess(model_of(study), steps=reverse_steps)
    conditions = torch.stack([between(study, o, t) for o in occupations for t in positions])
    names = [f"sweep {o}" for o in occupations for _ in positions]
    images = generate(process, conditions, n, seed=seed, streams=names)
    codes = read_people(images.flatten(0, 1), study.size)["group"].reshape(len(names), n)
    shape = (len(occupations), len(positions))
    return {
        "counts": counts_of(codes).reshape(*shape, len(READINGS)),
        "sheet": sheet_of(images[:, :shown]).reshape(*shape, shown, *images.shape[2:]),
    }


def _certify(
    process: DenoiserProcess,
    prompts: tuple[Tensor, Tensor],
    reading: Reading,
    *,
    n: int,
    pilot: int,
    seed: int,
    cuts: Sequence[int],
    confidence: float,
) -> Commitment:
    """Choose the cut on a pilot, then certify it on other paths."""

    def at(count: int, chosen: Sequence[int], key: str) -> dict[int, Commitment]:
        middle = (prompts[0] + prompts[1]) / 2
        runs = coupled_pair(process, *prompts, middle, n=count, seed=seed, cuts=chosen, key=key)
        coins = {k: rng.generator(seed, "commitment coins", key, k) for k in chosen}
        return {
            k: certify_reading(runs, k, reading, confidence=confidence, coins=coins[k])
            for k in chosen
        }

    trial = at(pilot, cuts, "pilot")
    best = min(cuts, key=lambda k: trial[k].bound)
    return at(n, [best], "n")[best]


def measure_commitment(
    study: Study,
    pairs: Sequence[Sequence[Any]],
    n: int,
    pilot: int,
    reverse_steps: int,
    cuts: Sequence[int],
    readers: Sequence[str],
    confidence: float,
    seed: int,
) -> dict[str, Any]:
    """Certify how much the share of women can differ between two positions of an occupation.

    Parameters
    ----------
    pairs
        Triples (occupation, position, other position).
    n, pilot, cuts, readers, confidence
        See `bbb_book.generators.commitment`; one certificate per pair and reader.

    Returns
    -------
    dict
        ``rows``: one mapping per pair and reader; ``terms`` mean divergence per step [pairs, 2, K]
        of the whole path, both directions, on the pilot's number of paths.
    """
    process = DenoiserProcess(model_of(study), steps=reverse_steps)
    woman = GROUPS.index("woman")

    def read(images: Tensor) -> Tensor:
        return torch.from_numpy(read_people(images, study.size)["group"] == woman)

    reader(study.size)
    rows, terms = [], []
    for i, (occupation, first, second) in enumerate(pairs):
        a, b = between(study, occupation, first), between(study, occupation, second)
        both = path_divergences(
            process, torch.stack([a, b]), torch.stack([b, a])[:, None], n=pilot, seed=seed + i
        )
        terms.append(both.terms[:, 0].mean(1).numpy())
        for how in readers:
            reading = Reading(read, 2, early=how)
            made = _certify(
                process,
                (a, b),
                reading,
                n=n,
                pilot=pilot,
                seed=seed + i,
                cuts=list(cuts),
                confidence=confidence,
            )
            shares, common = made.counts[:, 1] / n, made.common_counts[:, 1] / n
            rows.append(
                {
                    "occupation": occupation,
                    "first": float(first),
                    "second": float(second),
                    "reader": how,
                    "step": made.step,
                    "law_bound": made.law_bound,
                    "change_bound": made.change_bound,
                    "bound": made.bound,
                    "whole_bound": made.whole_bound,
                    "share_first": float(shares[0]),
                    "share_second": float(shares[1]),
                    "difference": made.distance,
                    "difference_low": made.distance_interval[0],
                    "difference_high": made.distance_interval[1],
                    "common_first": float(common[0]),
                    "common_second": float(common[1]),
                    "n": n,
                }
            )
    return {"rows": rows, "terms": np.stack(terms)}
