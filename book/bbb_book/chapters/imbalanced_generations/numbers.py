"""Numbers and tables of the chapter on biased embeddings and imbalanced generations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.data.emoji import OCCUPATIONS
from bbb_book.generators.geometry import (
    group_counts,
    mean_rank_correlation,
    predictors,
    rank_correlations,
    spearman,
    women_share,
)
from bbb_book.generators.people import measure_model
from bbb_book.generators.prompt_sweep import logistic_crossing, measure_commitment, measure_sweep
from bbb_book.generators.studies import Study, Tuning, planted_shares, study_artefact
from bbb_book.results.artefacts import Artefact
from bbb_book.results.claims import show_number
from bbb_core import rng
from bbb_core.balance.floor import sampling_floor
from bbb_core.balance.means import mean_change, mean_imbalance
from bbb_core.stats import Estimate, crossed_bootstrap

__all__ = [
    "certificate_table",
    "certificates",
    "correlation",
    "difference",
    "draw",
    "generator_table",
    "geometry_table",
    "imbalance",
    "margin",
    "pairs_for_change",
    "plain_bounds",
    "planted_correlation",
    "sharpness",
    "show_changes",
    "show_leads",
    "show_settings",
    "sweep",
]


def draw(
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
) -> Artefact:
    """Return what a generator draws for its prompts; see `experiments.people.measure_model`."""
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
        seed=0,
    )


def sweep(
    study: Study, occupations: Sequence[str], positions: Sequence[float], *, n: int, **options: Any
) -> Artefact:
    """Return counts along the way from man's to woman's prompt."""
    return study_artefact(
        "people-sweep",
        measure_sweep,
        study=study,
        occupations=list(occupations),
        positions=list(positions),
        n=n,
        shown=1,
        seed=1,
        **options,
    )


def pairs_for_change(
    swept: Mapping[str, Any],
    occupations: Sequence[str],
    positions: Sequence[float],
    change: float,
) -> list[list[Any]]:
    """Return one pair of positions per occupation, around one half, that differ by `change`.

    They are placed by a logistic curve through the sweep; the certificates use other samples.
    Where the sweep never crosses one half, the pair surrounds the middle of the way.
    """
    pairs = []
    for occupation, counts in zip(occupations, np.asarray(swept["counts"]), strict=True):
        ends = [
            logistic_crossing(positions, counts[:, 1], counts.sum(1), 0.5 + s * change / 2)
            for s in (-1, 1)
        ]
        if ends[1] <= ends[0]:
            ends = [0.475, 0.525]
        pairs.append([occupation, *(round(end, 3) for end in ends)])
    return pairs


def certificates(
    study: Study, pairs: Sequence[Sequence[Any]], *, n: int, pilot: int, **options: Any
) -> Artefact:
    """Return commitment certificates of pairs (occupation, position, other position)."""
    return study_artefact(
        "people-certificates",
        measure_commitment,
        study=study,
        pairs=[list(pair) for pair in pairs],
        n=n,
        pilot=pilot,
        confidence=0.95,
        seed=2,
        **options,
    )


def certificate_table(made: Mapping[str, Any]) -> pd.DataFrame:
    """Return the certificates as text: where, k*, bound on the law, bound on changes, truth."""
    rows = []
    for row in made["rows"]:
        low, high = row["difference_low"], row["difference_high"]
        rows.append(
            {
                "occupation": row["occupation"],
                "from": f"{row['first']:.3f}",
                "to": f"{row['second']:.3f}",
                "k*": row["step"],
                "law of x_k*": f"{row['law_bound']:.2f}",
                "changes after": f"{row['change_bound']:.2f}",
                "certified bound": f"{row['bound']:.2f}",
                "measured change": f"{row['difference']:.2f} [{low:.2f}, {high:.2f}]",
            }
        )
    return pd.DataFrame(rows).set_index("occupation")


def margin(*made: Mapping[str, Any]) -> float:
    """Return the smallest certified bound minus lower limit of the measured difference."""
    rows = [row for one in made for row in one["rows"]]
    return min(row["bound"] - row["difference_low"] for row in rows)


def sharpness(made: Mapping[str, Any]) -> dict[str, float]:
    """Return the mean certified bound over the pairs, from the smallest to the largest."""
    bounds = [row["bound"] for row in made["rows"]]
    return {
        "value": float(np.mean(bounds)),
        "low": min(bounds),
        "high": max(bounds),
        "n": len(bounds),
    }


def plain_bounds(made: Mapping[str, Any]) -> dict[str, float]:
    """Return the certified bounds on total variation from all steps of the same paths."""
    bounds = [row["whole_bound"] for row in made["rows"]]
    return {"value": min(bounds), "low": min(bounds), "high": max(bounds), "n": len(bounds)}


def imbalance(drawn: Mapping[str, Any]) -> dict[str, float]:
    """Return the mean imbalance of neutral prompts, for occupations like these."""
    return _estimate(mean_imbalance(group_counts(drawn["neutral"]), prompts="sampled").corrected)


def difference(drawn: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, float]:
    """Return mean imbalance of `drawn` minus that of `other`, paired by occupation."""
    before, after = (group_counts(one["neutral"]) for one in (other, drawn))
    return _estimate(mean_change(before, after, prompts="sampled"))


def planted_correlation(drawn: Mapping[str, Any], study: Study) -> dict[str, float]:
    """Return how well the planted share of women ranks the generated one."""
    planted = np.array([planted_shares(study.seed)[o] for o in OCCUPATIONS])
    return _estimate(mean_rank_correlation([(planted, women_share(drawn))], seed=0))


def _estimate(made: Estimate) -> dict[str, float]:
    low, high = min(made.low, made.value), max(made.high, made.value)
    return {"value": made.value, "low": low, "high": high, "n": len(OCCUPATIONS)}


def _pairs(
    generators: Mapping[str, tuple[Study, Mapping[str, Any]]], predictor: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    return [
        (predictors(study, drawn)[predictor].to_numpy(), women_share(drawn))
        for study, drawn in generators.values()
    ]


def correlation(
    generators: Mapping[str, tuple[Study, Mapping[str, Any]]],
    predictor: str,
    *,
    minus: str | None = None,
) -> dict[str, float]:
    """Return the mean rank correlation of a predictor, or its lead over another one."""
    other = _pairs(generators, minus) if minus else ()
    return _estimate(mean_rank_correlation(_pairs(generators, predictor), minus=other, seed=0))


def geometry_table(generators: Mapping[str, tuple[Study, Mapping[str, Any]]]) -> pd.DataFrame:
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


def generator_table(generators: Mapping[str, tuple[Study, Mapping[str, Any]]]) -> pd.DataFrame:
    """Return, per generator, how it leans and which geometry ranks its shares, as text."""
    rows = {}
    for name, (study, drawn) in generators.items():
        columns, counts = _columns(study, drawn), np.asarray(drawn["neutral"])
        mean = imbalance(drawn)
        rows[name] = {
            "read as woman": f"{counts[:, 1].sum() / counts.sum():.2f}",
            "imbalance": f"{mean['value']:.2f} [{mean['low']:.2f}, {mean['high']:.2f}]",
            "cosine gap": f"{spearman(columns[:, 0], columns[:, 2]):+.2f}",
            "early path KL": f"{spearman(columns[:, 1], columns[:, 2]):+.2f}",
            "lead": f"{_lead(columns):+.2f}",
        }
    return pd.DataFrame(rows).T.rename_axis("generator")


def show_leads(generators: Mapping[str, tuple[Study, Mapping[str, Any]]]) -> None:
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


def show_changes(made: Mapping[str, Any]) -> None:
    """Glue the mean measured change of the certified pairs."""
    changes = [row["difference"] for row in made["rows"]]
    show_number("change-measured", float(np.mean(changes)), digits=2)


def show_settings(*, change: float, n_neutral: int, n_pilot: int, n: int) -> None:
    """Glue the settings that the prose mentions."""
    show_number("change", change, digits=2)
    show_number("n-neutral-text", n_neutral, digits=0)
    show_number("n-pilot-text", n_pilot, digits=0)
    show_number("n-certificate-text", n, digits=0)
    show_number("neutral-floor", float(sampling_floor(n_neutral)), digits=2)
