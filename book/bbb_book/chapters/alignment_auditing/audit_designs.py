"""Fair scores on unkind data, to see whether tests and intervals keep their level (D5, T6).

`run_design` is an artefact function: plain data in, small tables out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from bbb_core import rng
from bbb_core.alignment import audit, group_gaps

__all__ = ["AUDITS", "GAPS", "run_design"]

Sample = tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]
"""Scores, truths, groups and options of `audit`."""


def _rare(share: float, n: int, scale: str = "given") -> Callable[[np.random.Generator], Sample]:
    """Truth 0 or 1, the score its probability, uneven with a mean of `share`; four groups."""

    def draw(stream: np.random.Generator) -> Sample:
        f = 2 * share * stream.random(n)
        truth = (stream.random(n) < f).astype(float)
        return f, truth, stream.integers(0, 4, n), {"scale": scale}

    return draw


def _beta(a: float, b: float, n: int) -> Callable[[np.random.Generator], Sample]:
    """Truth from a skewed beta law around an uneven score; four groups."""

    def draw(stream: np.random.Generator) -> Sample:
        f = a / (a + b) * (0.5 + stream.random(n))
        truth = stream.beta(f * (a + b), (1 - f) * (a + b))
        return f, truth, stream.integers(0, 4, n), {}

    return draw


def _small(size: int, share: float) -> Callable[[np.random.Generator], Sample]:
    """Six groups of one size, one constant score, truth 0 or 1."""

    def draw(stream: np.random.Generator) -> Sample:
        n = 6 * size
        truth = (stream.random(n) < share).astype(float)
        return np.full(n, share), truth, stream.permutation(np.repeat(np.arange(6), size)), {}

    return draw


def _noisy(n: int, tails: str) -> Callable[[np.random.Generator], Sample]:
    """Truth as the score with noise of normal tails, heavy tails, or rare jumps; four groups."""

    def draw(stream: np.random.Generator) -> Sample:
        f = 0.3 + 0.4 * stream.random(n)
        if tails == "normal":
            noise = 0.1 * stream.standard_normal(n)
        elif tails == "heavy":
            noise = 0.02 * stream.standard_t(2, n)
        else:
            noise = 0.25 * ((stream.random(n) < 0.02) - 0.02)
        return f, f + noise.clip(-0.3, 0.3), stream.integers(0, 4, n), {}

    return draw


def _ties(n: int) -> Callable[[np.random.Generator], Sample]:
    """Scores on five values, truth 0 or 1; four groups."""

    def draw(stream: np.random.Generator) -> Sample:
        f = stream.choice([0.02, 0.05, 0.1, 0.2, 0.4], n)
        return f, (stream.random(n) < f).astype(float), stream.integers(0, 4, n), {}

    return draw


def _clusters(
    k: int, *, skewed: bool = True, rare: bool = False, scale: str = "given"
) -> Callable[[np.random.Generator], Sample]:
    """Clusters of 20 rows with effects of their own; an attribute of clusters makes two groups."""

    def draw(stream: np.random.Generator) -> Sample:
        effect = stream.exponential(size=k) - 1 if skewed else stream.standard_normal(k)
        cluster = np.repeat(np.arange(k), 20)
        n, effect = len(cluster), effect[cluster]
        groups = stream.integers(0, 2, k)[cluster]
        options = {"clusters": cluster, "scale": scale}
        if rare:
            share = (0.05 * (1 + 0.8 * effect)).clip(0, 1)
            return np.full(n, 0.05), (stream.random(n) < share).astype(float), groups, options
        f = 0.3 + 0.4 * stream.random(n)
        truth = f + 0.06 * effect + 0.05 * stream.standard_normal(n)
        return f, truth.clip(0, 1), groups, options

    return draw


AUDITS: dict[str, Callable[[np.random.Generator], Sample]] = {
    "1 % of 300 images fit": _rare(0.01, 300),
    "3 % of 600 images fit": _rare(0.03, 600),
    "10 % of 600 images fit": _rare(0.1, 600),
    "3 % of 4,000 images fit": _rare(0.03, 4000),
    "3 % of 600 images fit, affine-free": _rare(0.03, 600, "affine-free"),
    "3 % of 600 images fit, shift-free": _rare(0.03, 600, "shift-free"),
    "truth beta(2, 18), 1,000 images": _beta(2.0, 18.0, 1000),
    "truth beta(.5, 5), 1,000 images": _beta(0.5, 5.0, 1000),
    "normal noise, 600 images": _noisy(600, "normal"),
    "heavy-tailed noise, 600 images": _noisy(600, "heavy"),
    "noise of rare jumps, 600 images": _noisy(600, "jumps"),
    "scores on five values, 600 images": _ties(600),
    "six groups of 30, 50 % fit": _small(30, 0.5),
    "six groups of 30, 10 % fit": _small(30, 0.1),
    "six groups of 50, 10 % fit": _small(50, 0.1),
    "20 clusters, normal effects": _clusters(20, skewed=False),
    "20 clusters, skewed effects": _clusters(20),
    "60 clusters, skewed effects": _clusters(60),
    "20 clusters, 5 % fit": _clusters(20, rare=True),
    "20 clusters, skewed effects, affine-free": _clusters(20, scale="affine-free"),
}
"""Fair scores for `audit`; groups or clusters mean nothing in any of them."""

Scores = Callable[[np.random.Generator, int], np.ndarray]


def _events(share: float) -> Scores:
    return lambda stream, n: (stream.random(n) < share).astype(float)


def _skewed(stream: np.random.Generator, n: int) -> np.ndarray:
    return stream.exponential(size=n)


def _heavy(stream: np.random.Generator, n: int) -> np.ndarray:
    return stream.standard_t(2, n)


def _tied(stream: np.random.Generator, n: int) -> np.ndarray:
    return stream.choice([0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 5.0], n)


def _normal(stream: np.random.Generator, n: int) -> np.ndarray:
    return stream.standard_normal(n)


GAPS: dict[str, tuple[Scores, int, int, int | None, float]] = {
    "60 and 60 images, 5 % score 1": (_events(0.05), 60, 60, None, 0.0),
    "400 and 30 images, 5 % score 1": (_events(0.05), 400, 30, None, 0.0),
    "200 and 20 images, exponential": (_skewed, 200, 20, None, 0.0),
    "100 and 20 images, heavy tails": (_heavy, 100, 20, None, 0.0),
    "100 and 20 images, four values": (_tied, 100, 20, None, 0.0),
    "6 prompts of 10 and 10, normal": (_normal, 10, 10, 6, 0.0),
    "12 prompts of 20 and 3, exponential": (_skewed, 20, 3, 12, 0.0),
    "12 prompts of 20 and 3, 5 % score 1": (_events(0.05), 20, 3, 12, 0.0),
    "20 prompts of 10 and 10, skewed effects": (_normal, 10, 10, 20, 0.5),
}
"""Fair scores for `group_gaps`: their law, rows of both groups (per prompt), prompts, effects."""


def _gaps(name: str, stream: np.random.Generator, seed: int) -> dict[str, Any]:
    law, a, b, k, size = GAPS[name]
    group = np.tile(np.repeat(["a", "b"], [a, b]), k or 1)
    prompt = None if k is None else np.repeat(np.arange(k), a + b)
    scores = law(stream, len(group))
    if prompt is not None and size:
        effect = size * (stream.exponential(size=k) - 1)
        scores = scores + np.where(group == "a", effect[prompt], 0.0)
    if np.ptp(scores) == 0:  # no gap can be measured, so none is claimed
        return {"gap_p": 1.0, "covered": True}
    row = group_gaps(scores, group, within=prompt, n_resamples=400, seed=seed).pairs.iloc[0]
    return {"gap_p": row["p_value"], "covered": row["low"] <= 0 <= row["high"]}


def run_design(design: str, trials: int, seed: int) -> dict[str, Any]:
    """Audit many fair samples of one design.

    Parameters
    ----------
    design : str
        A name in `AUDITS` or `GAPS`.
    trials, seed : int

    Returns
    -------
    dict
        ``table``: per trial the p-values (``ma_p`` and ``mc_p``, or ``gap_p``), and whether all
        intervals contain the truth, which is zero.
    """
    rows = []
    for trial in range(trials):
        stream = rng.generator(seed, "unkind", design, trial)
        if design in GAPS:
            rows.append(_gaps(design, stream, trial))
            continue
        f, truth, groups, options = AUDITS[design](stream)
        found = audit(f, truth, groups, n_draws=400, seed=trial, **options)
        table = found.by_group[found.by_group["supported"]]
        covered = bool(((table["low"] <= 0) & (table["high"] >= 0)).all())
        p = {
            "ma_p": found.multiaccuracy_error.p_value,
            "mc_p": found.multicalibration_error.p_value,
        }
        rows.append({**p, "covered": covered})
    return {"table": pd.DataFrame(rows)}
