"""The published scores of MJ-Bench, screened and compared within occupation (real scores, T6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bbb_book.chapters.real_alignment_scores.screening import screen_scores
from bbb_book.data.gap_records import gaps_of, records_of
from bbb_book.data.published import SCORE_COLUMNS, SCORERS
from bbb_core import stats as tests
from bbb_core.alignment import GroupGaps, group_gaps
from bbb_core.stats import Estimate

__all__ = ["PublishedScores", "audit_published", "measure_scores", "restored"]


@dataclass(frozen=True)
class PublishedScores:
    """What the chapter shows.

    Attributes
    ----------
    screen : pandas.DataFrame
        See `screen_scores`.
    gaps : dict of str to GroupGaps
        Per scorer, gaps between requested genders, ages and races.
    crossed : dict of str to GroupGaps
        Per scorer, between intersections of gender and age.
    all_pairs : pandas.DataFrame
        Pairs of all scorers with p-values adjusted over all of them together.
    images, occupations : int
    """

    screen: pd.DataFrame
    gaps: dict[str, GroupGaps]
    crossed: dict[str, GroupGaps]
    all_pairs: pd.DataFrame
    images: int
    occupations: int

    @property
    def defective(self) -> pd.DataFrame:
        """Columns found constant or reversed."""
        return self.screen[self.screen["finding"].isin(["constant", "reversed"])]

    def gap(self, scorer: str, first: str, second: str, attribute: str = "gender") -> Estimate:
        """Return one gap with its pointwise interval."""
        row = self.gaps[scorer].gap(f"{attribute}={first}", f"{attribute}={second}")
        return Estimate(float(row["gap"]), float(row["low"]), float(row["high"]))

    def survivors(self, level: float = 0.05) -> pd.DataFrame:
        """Return the pairs whose adjusted p-value is below `level`."""
        return self.all_pairs[self.all_pairs["adjusted"] < level]

    def floor(self, scorer: str, attribute: str = "gender") -> Estimate:
        """Return T6's label-free bound over one attribute, from its lower confidence limit."""
        pairs = self.gaps[scorer].pairs
        mine = pairs[pairs["attribute"] == attribute]
        harmonic = mine["bound"] / mine["gap"].abs()
        least = (mine["family_low"].clip(lower=0) + (-mine["family_high"]).clip(lower=0)) * harmonic
        most = mine[["family_low", "family_high"]].abs().max(axis=1) * harmonic
        return Estimate(float(mine["bound"].max()), float(least.max()), float(most.max()))


def _attributes(table: pd.DataFrame) -> dict[str, Any]:
    """Return requested gender, age where one was requested, race where one was requested."""
    return {
        "gender": table["requested_gender"],
        "age": table["requested_age"].where(table["age"]),
        "race": table["requested_other"].where(table["race"]),
    }


def audit_published(
    table: pd.DataFrame, *, confidence: float = 0.95, n_resamples: int = 4000, seed: int = 0
) -> PublishedScores:
    """Screen every score column and compare the scorers' gaps within occupation.

    Parameters
    ----------
    table : pandas.DataFrame
        As `data.published.load` returns it for ``mj-bench-bias``.
    confidence, n_resamples, seed
        Of the intervals; draws of noise, and resamples of occupations in the screen; their stream.

    References
    ----------
    Chen et al. (2024), MJ-Bench.
    """
    within = table["occupation"].to_numpy()
    options = {
        "within": within, "confidence": confidence, "n_resamples": n_resamples, "seed": seed
    }  # fmt: skip
    groups = _attributes(table)
    gaps = {name: group_gaps(table[c], groups, **options) for c, name in SCORERS.items()}
    two = {key: groups[key] for key in ("gender", "age")}
    crossed = {name: group_gaps(table[c], two, order=2, **options) for c, name in SCORERS.items()}
    rows = pd.concat([g.pairs.assign(scorer=name) for name, g in gaps.items()], ignore_index=True)
    rows["adjusted"] = tests.holm(rows["p_value"])
    screen = screen_scores(
        table[list(SCORE_COLUMNS)], within=within, confidence=confidence, seed=seed
    )
    return PublishedScores(screen, gaps, crossed, rows, len(table), len(set(within)))


def measure_scores(scores: pd.DataFrame, n_resamples: int, seed: int) -> dict[str, Any]:
    """Return `audit_published` as tables and plain data (artefact function)."""
    found = audit_published(scores, n_resamples=n_resamples, seed=seed)
    return {
        "screen": found.screen,
        **records_of("gaps", found.gaps),
        **records_of("crossed", found.crossed),
        "all_pairs": found.all_pairs,
        "images": found.images,
        "occupations": found.occupations,
    }


def restored(results: Mapping[str, Any]) -> PublishedScores:
    """Return the audit that `measure_scores` stored."""
    return PublishedScores(
        results["screen"], gaps_of("gaps", results), gaps_of("crossed", results),
        results["all_pairs"], results["images"], results["occupations"],
    )  # fmt: skip
