"""Which geometry of embeddings predicts what a generator draws (section T0b)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bbb_book.data.emoji import OCCUPATIONS
from bbb_book.generators.prompt_balance import women_share
from bbb_book.generators.studies import Study, prompt_embeddings
from bbb_core import checks, rng
from bbb_core.stats import Estimate, bootstrap

__all__ = [
    "PREDICTORS",
    "mean_rank_correlation",
    "predictors",
    "rank_correlations",
    "spearman",
]

PREDICTORS = {
    "cosine gap": "cos(p, woman) - cos(p, man)",
    "cosine ratio": "cos(p, woman) / cos(p, man)",
    "distance ratio": "log ||p - man|| / ||p - woman||",
    "reflection": "signed eta: 2 gap / |woman - man|",
    "path KL": "log KL(p || man) / KL(p || woman), all steps",
    "early path KL": "the same over the early, noisier half of the steps",
}
"""Predictors of the share of women, each larger where the prompt is nearer to the woman's."""


def predictors(study: Study, drawn: Mapping[str, Any]) -> pd.DataFrame:
    """Return the value of each of `PREDICTORS` for every occupation.

    For unit vectors the projection on the direction from man to woman is half the signed eta, so
    it has no row of its own: the two rank alike by algebra.
    """
    rows = prompt_embeddings(study.encoder, study.template).double().numpy()
    neutral, man, woman = rows[:, 0], rows[:, 1], rows[:, 2]
    to_man, to_woman = (neutral * man).sum(1), (neutral * woman).sum(1)
    apart = np.linalg.norm(woman - man, axis=1)
    terms = np.asarray(drawn["terms"], float).mean(2)  # [occupations, (man, woman), K]
    half = terms.shape[-1] // 2
    whole, early = terms.sum(-1), terms[..., half:].sum(-1)
    table = {
        "cosine gap": to_woman - to_man,
        "cosine ratio": to_woman / to_man,
        "distance ratio": np.log(
            np.linalg.norm(neutral - man, axis=1) / np.linalg.norm(neutral - woman, axis=1)
        ),
        "reflection": 2 * (to_woman - to_man) / apart,
        "path KL": np.log(whole[:, 0] / whole[:, 1]),
        "early path KL": np.log(early[:, 0] / early[:, 1]),
    }
    return pd.DataFrame(table, index=list(OCCUPATIONS))


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Return the rank correlation, 0 where one side is constant."""
    return float(_spearman_rows(np.asarray(x)[None], np.asarray(y)[None])[0])


def _spearman_rows(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the rank correlation of each row of x with that row of y, 0 where one is constant."""
    middle = (x.shape[1] + 1) / 2
    a, b = (stats.rankdata(side, axis=1) - middle for side in (x, y))
    scale = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return (a * b).sum(1) / np.where(scale > 0, scale, 1)


def _mean_correlation(*columns: np.ndarray) -> np.ndarray:
    """Mean Spearman correlation of x_1, y_1, x_2, y_2, ..., each [resamples, n]."""
    pairs = zip(columns[::2], columns[1::2], strict=True)
    return np.mean([_spearman_rows(x, y) for x, y in pairs], axis=0)


def mean_rank_correlation(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    minus: Sequence[tuple[np.ndarray, np.ndarray]] = (),
    seed: int,
    n_resamples: int = 2000,
) -> Estimate:
    """Return the mean Spearman correlation over generators, with its interval over occupations.

    Occupations are resampled together in all generators, because generators share them. With
    `minus`, the mean correlation of those pairs is taken off (a paired difference).
    """
    checks.integer("n_resamples", n_resamples, low=1)
    first = [column for pair in pairs for column in pair]
    second = [column for pair in minus for column in pair]

    def statistic(*columns: np.ndarray, axis: int = 0) -> np.ndarray:
        rows = [column if axis == 1 else column[None] for column in columns]
        value = _mean_correlation(*rows[: len(first)])
        if second:
            value = value - _mean_correlation(*rows[len(first) :])
        return value if axis == 1 else value[0]

    return bootstrap(
        statistic, *first, *second, n_resamples=n_resamples, rng=rng.generator(seed, "geometry")
    )


def rank_correlations(
    generators: Mapping[str, tuple[Study, Mapping[str, Any]]], *, seed: int, n_resamples: int = 2000
) -> pd.DataFrame:
    """Return Spearman correlations with the share of women: a row per predictor.

    One column per generator, and the mean over generators with its bootstrap interval.
    """
    made = {name: (predictors(*both), women_share(both[1])) for name, both in generators.items()}
    rows = []
    for predictor in PREDICTORS:
        pairs = [(table[predictor].to_numpy(), share) for table, share in made.values()]
        mean = mean_rank_correlation(pairs, seed=seed, n_resamples=n_resamples)
        own = {name: spearman(*pair) for name, pair in zip(made, pairs, strict=True)}
        rows.append({**own, "mean": mean.value, "low": mean.low, "high": mean.high})
    return pd.DataFrame(rows, index=list(PREDICTORS))
