"""What scorers pay trained generators, and what theorem T4 foretells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.reward_for_imbalance.scored_generators import (
    SOURCES,
    measure_scored_generators,
)
from bbb_book.generators.geometry import mean_rank_correlation
from bbb_book.generators.studies import Study, Tuning, study_artefact
from bbb_book.results.artefacts import Artefact
from bbb_book.scorers.caption_bias import shares_of_men
from bbb_book.scorers.design import IMAGE_STRATEGIES
from bbb_book.scorers.models import ScoredModel, ScoredModels

__all__ = ["JUDGED", "agreement", "board", "differences", "judges", "scored"]

JUDGED = SOURCES[:2]
"""Sources whose prompts name no group."""


def scored(
    study: Study,
    models: ScoredModels,
    *,
    tuning_steps: int,
    tuning_early: int,
    scorer_steps: int,
    n: int,
    reverse_steps: int,
) -> Artefact:
    """Return the scores of trained generators under the first seed of every scorer."""
    first = min(model.seed for model in models)
    return study_artefact(
        "people-scored",
        measure_scored_generators,
        study=study,
        tuning=Tuning("skewed", tuning_steps),
        snapshots=[tuning_early],
        scorers=[[m.encoder, m.bias, m.seed] for m in models if m.seed == first],
        scorer_steps=scorer_steps,
        n=n,
        reverse_steps=reverse_steps,
        seed=0,
    )


def judges(models: ScoredModels) -> list[ScoredModel]:
    """Return the scorers in the order of the artefact."""
    first = min(model.seed for model in models)
    return [model for model in models if model.seed == first]


def _standard(made: Mapping[str, Any], kind: str = "plain") -> np.ndarray:
    """Return scores [scorers, sources, 20, n] in units of the spread within prompts."""
    scores = np.asarray(made["scores"], dtype=np.float64)[..., IMAGE_STRATEGIES.index(kind)]
    fair = np.concatenate([scores[:, 2], scores[:, 3]], axis=-1)
    return scores / np.sqrt(fair.var(axis=-1).mean(axis=-1))[:, None, None, None]


def _men(made: Mapping[str, Any]) -> np.ndarray:
    """Return the share of men among images read as man or woman, [sources, 20]."""
    counts = np.asarray(made["counts"], dtype=np.float64)
    return (counts[..., 0] + 0.5) / (counts[..., :2].sum(-1) + 1)


def differences(made: Mapping[str, Any], models: ScoredModels) -> list[tuple[Any, Any]]:
    """Return (predicted, measured) [20] for each skewed scorer and each neutral source."""
    standard, men = _standard(made), _men(made)
    fair = (standard[:, 2].mean(-1) + standard[:, 3].mean(-1)) / 2
    pairs = []
    for row, judge in enumerate(judges(models)):
        if (shares_of_men(judge.bias) == 0.5).all():
            continue
        pool = np.asarray(judge.values["pool"], dtype=np.float64)[..., 0]
        mean = pool.mean(-1) / np.sqrt(pool.reshape(len(pool), -1).var(axis=1).mean())
        for source in range(len(JUDGED)):
            predicted = (men[source] - 0.5) * (mean[:, 0] - mean[:, 1])
            pairs.append((predicted, standard[row, source].mean(-1) - fair[row]))
    return pairs


def agreement(made: Mapping[str, Any], models: ScoredModels) -> dict[str, Any]:
    """Return the mean rank correlation of predicted and measured differences of score."""
    e = mean_rank_correlation(differences(made, models), seed=0)
    low, high = min(e.low, e.value), max(e.high, e.value)
    return {"value": e.value, "low": low, "high": high, "n": len(made["counts"][0])}


def board(made: Mapping[str, Any], models: ScoredModels, bias: str) -> pd.DataFrame:
    """Tabulate the generators' mean scores against subclass sampling, plain and repaired.

    Means over the scorers of one caption bias; `men` is the mean share over occupations.
    """
    rows = [i for i, judge in enumerate(judges(models)) if judge.bias == bias]
    men, table = _men(made), {}
    mixed = (men[2] + men[3]) / 2
    sources = {name: men[i] for i, name in enumerate(SOURCES)} | {"subclass-sampled": mixed}
    for name, share in sources.items():
        table[name] = {
            "men": f"{share.mean():.2f}",
            "imbalance": f"{np.abs(share - 0.5).mean():.2f}",
        }
        for kind in IMAGE_STRATEGIES:
            means = _standard(made, kind)[rows].mean(axis=(-1, -2))
            fair = (means[:, 2] + means[:, 3]) / 2
            value = 0.0 if name not in SOURCES else (means[:, SOURCES.index(name)] - fair).mean()
            table[name][f"{kind} (SD)"] = f"{value:+.2f}"
    return pd.DataFrame(table).T.rename_axis("images from")
