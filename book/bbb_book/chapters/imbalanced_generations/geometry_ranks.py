"""How well geometry ranks what generators draw: tables and claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.data.emoji import OCCUPATIONS
from bbb_book.generators.geometry import (
    mean_rank_correlation,
    predictors,
    rank_correlations,
    spearman,
)
from bbb_book.generators.prompt_balance import estimate_row, imbalance, women_share
from bbb_book.generators.studies import Study, planted_shares
from bbb_book.results.claims import show_number
from bbb_core import rng
from bbb_core.stats import crossed_bootstrap

__all__ = [
    "correlation",
    "generator_table",
    "geometry_table",
    "planted_correlation",
    "show_leads",
]

Generators = Mapping[str, tuple[Study, Mapping[str, Any]]]
"""Study and artefact of `measure_model` of each generator, by name."""


def planted_correlation(drawn: Mapping[str, Any], study: Study) -> dict[str, float]:
    """Return how well the planted share of women ranks the generated one."""
    planted = np.array([planted_shares(study.seed)[o] for o in OCCUPATIONS])
    return estimate_row(
        mean_rank_correlation([(planted, women_share(drawn))], seed=0), len(OCCUPATIONS)
    )


def _pairs(generators: Generators, predictor: str) -> list[tuple[np.ndarray, np.ndarray]]:
    return [
        (predictors(study, drawn)[predictor].to_numpy(), women_share(drawn))
        for study, drawn in generators.values()
    ]


def correlation(
    generators: Generators,
    predictor: str,
    *,
    minus: str | None = None,
) -> dict[str, float]:
    """Return the mean rank correlation of a predictor, or its lead over another one."""
    other = _pairs(generators, minus) if minus else ()
    found = mean_rank_correlation(_pairs(generators, predictor), minus=other, seed=0)
    return estimate_row(found, len(OCCUPATIONS))


def geometry_table(generators: Generators) -> pd.DataFrame:
    """Return rank correlations with the share of women as text, a row per predictor."""
    table = rank_correlations(generators, seed=0)
    text = pd.DataFrame(index=pd.Index(table.index, name="predictor"))
    for name in generators:
        text[name] = [f"{value:+.2f}" for value in table[name]]
    ends = zip(table["mean"], table["low"], table["high"], strict=True)
    text["mean [interval]"] = [f"{m:+.2f} [{low:+.2f}, {high:+.2f}]" for m, low, high in ends]
    return text


def _columns(study: Study, drawn: Mapping[str, Any]) -> np.ndarray:
    """Return gap, log-ratio of early path KL and share of women, a row per occupation."""
    table = predictors(study, drawn)
    return np.stack([table["cosine gap"], table["early path KL"], women_share(drawn)], 1)


def _lead(columns: np.ndarray) -> float:
    """Return how much better path KL ranks than the gap does: a difference of correlations."""
    gap, kl, share = columns.T
    return spearman(kl, share) - spearman(gap, share)


def generator_table(generators: Generators) -> pd.DataFrame:
    """Return, per generator, how it leans and which geometry ranks its shares, as text."""
    rows = {}
    for name, (study, drawn) in generators.items():
        columns, counts = _columns(study, drawn), np.asarray(drawn["neutral"])
        mean = imbalance(counts)
        rows[name] = {
            "read as woman": f"{counts[:, 1].sum() / counts.sum():.2f}",
            "imbalance": f"{mean['value']:.2f} [{mean['low']:.2f}, {mean['high']:.2f}]",
            "cosine gap": f"{spearman(columns[:, 0], columns[:, 2]):+.2f}",
            "early path KL": f"{spearman(columns[:, 1], columns[:, 2]):+.2f}",
            "lead": f"{_lead(columns):+.2f}",
        }
    return pd.DataFrame(rows).T.rename_axis("generator")


def show_leads(generators: Generators) -> None:
    """Glue the lead of path KL over the gap: lowest, highest, and two further intervals.

    "crossed" resamples occupations and generators independently; "fresh" leaves out the first
    generator, on which the early half of the steps was chosen.
    """
    table = np.stack([_columns(*both) for both in generators.values()], 1)
    leads = [_lead(one) for one in table.swapaxes(0, 1)]
    show_number("lead-lowest", min(leads), digits=2)
    show_number("lead-highest", max(leads), digits=2)
    both = crossed_bootstrap(
        lambda part: float(np.mean([_lead(one) for one in part.swapaxes(0, 1)])),
        table,
        rng=rng.generator(0, "lead"),
        n_resamples=1000,
    )
    show_number("lead-crossed-low", float(both.low), digits=2)
    show_number("lead-crossed-high", float(both.high), digits=2)
    later = dict(list(generators.items())[1:])
    fresh = correlation(later, "early path KL", minus="cosine gap")
    for end in ("value", "low", "high"):
        show_number(f"lead-fresh-{end}", fresh[end], digits=2)
