"""Gender and race together in the published scores of MJ-Bench, within occupation (T6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bbb_book.chapters.intersections.gap_interactions import gap_interactions
from bbb_book.data.gap_records import gaps_of, records_of
from bbb_book.data.published import SCORERS
from bbb_core import stats as tests
from bbb_core.alignment import GroupGaps, group_gaps
from bbb_core.errors import InputError

__all__ = [
    "PublishedIntersections",
    "audit_published_intersections",
    "measure_intersections",
    "restored",
]


@dataclass(frozen=True)
class PublishedIntersections:
    """What the chapter shows.

    Attributes
    ----------
    gaps : dict of str to GroupGaps
        Per scorer: gaps between genders, between races, and between their intersections.
    interactions : pandas.DataFrame
        Interactions of all scorers (column ``scorer``), with p-values adjusted over all of them.
    images, occupations : int
    """

    gaps: dict[str, GroupGaps]
    interactions: pd.DataFrame
    images: int
    occupations: int

    def survivors(self, level: float = 0.05) -> pd.DataFrame:
        """Return the interactions whose adjusted p-value is below `level`."""
        return self.interactions[self.interactions["adjusted"] < level]

    def widest(self) -> pd.DataFrame:
        """Return the largest gap of every scorer, over genders, races and intersections.

        The family intervals hold for all pairs of a scorer together.
        """
        rows = []
        for scorer, found in self.gaps.items():
            for attribute, pairs in found.pairs.groupby("attribute", sort=False):
                top = pairs.loc[pairs["gap"].abs().idxmax()]
                turned = top["gap"] < 0
                names = ("second", "first") if turned else ("first", "second")
                ends = (top["family_low"], top["family_high"])
                low, high = (-ends[1], -ends[0]) if turned else ends
                rows.append(
                    {
                        "scorer": scorer, "groups": attribute, "higher": top[names[0]],
                        "lower": top[names[1]], "gap": abs(top["gap"]), "low": low, "high": high,
                        "adjusted": top["adjusted"], "pairs": len(pairs),
                    }
                )  # fmt: skip
        return pd.DataFrame(rows)


def audit_published_intersections(
    table: pd.DataFrame, *, confidence: float = 0.95, n_resamples: int = 2000, seed: int = 0
) -> PublishedIntersections:
    """Compare the scorers over requested gender, race and both, within occupation.

    Parameters
    ----------
    table : pandas.DataFrame
        As `data.published.load` returns it for ``mj-bench-bias``; images whose request names no
        race are left out.
    confidence, n_resamples, seed
        Of the intervals; draws of noise and random signings; their stream.

    Raises
    ------
    InputError
        If no row names a race.

    References
    ----------
    Chen et al. (2024), MJ-Bench, ``chen2024mjbench`` in the references.
    """
    rows = table[table["race"]]
    if rows.empty:
        raise InputError("table has no row that requests a race; pass the published file.")
    within = rows["occupation"].to_numpy()
    gender, race = rows["requested_gender"].to_numpy(), rows["requested_other"].to_numpy()
    options: dict[str, Any] = {"confidence": confidence, "n_resamples": n_resamples, "seed": seed}
    groups = {"gender": gender, "race": race}
    gaps = {
        name: group_gaps(rows[c], groups, within=within, order=2, **options)
        for c, name in SCORERS.items()
    }
    found = [
        gap_interactions(rows[c].to_numpy(), gender, race, within=within, **options).assign(
            scorer=name
        )
        for c, name in SCORERS.items()
    ]
    interactions = pd.concat(found, ignore_index=True)
    interactions["adjusted"] = tests.holm(interactions["p_value"])
    return PublishedIntersections(gaps, interactions, len(rows), len(set(within)))


def measure_intersections(scores: pd.DataFrame, n_resamples: int, seed: int) -> dict[str, Any]:
    """Return `audit_published_intersections` as tables and plain data (artefact function)."""
    found = audit_published_intersections(scores, n_resamples=n_resamples, seed=seed)
    return {
        **records_of("gaps", found.gaps),
        "interactions": found.interactions,
        "images": found.images,
        "occupations": found.occupations,
    }


def restored(results: Mapping[str, Any]) -> PublishedIntersections:
    """Return what `measure_intersections` stored."""
    return PublishedIntersections(
        gaps_of("gaps", results),
        results["interactions"],
        results["images"],
        results["occupations"],
    )
