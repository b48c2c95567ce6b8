"""Certificates for pairs of prompts along the way from one group to the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.generators.prompt_sweep import logistic_crossing, measure_commitment, measure_sweep
from bbb_book.generators.studies import Study, study_artefact
from bbb_book.results.artefacts import Artefact
from bbb_book.results.claims import show_number

__all__ = [
    "certificate_margin",
    "certificate_table",
    "certificates",
    "certified_bounds",
    "pairs_for_change",
    "show_changes",
    "sweep",
    "whole_run_bounds",
]


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
                "distribution of x_k*": f"{row['law_bound']:.2f}",
                "changes after": f"{row['change_bound']:.2f}",
                "certified bound": f"{row['bound']:.2f}",
                "measured change": f"{row['difference']:.2f} [{low:.2f}, {high:.2f}]",
            }
        )
    return pd.DataFrame(rows).set_index("occupation")


def certificate_margin(*made: Mapping[str, Any]) -> float:
    """Return the smallest certified bound minus lower limit of the measured difference."""
    rows = [row for one in made for row in one["rows"]]
    return min(row["bound"] - row["difference_low"] for row in rows)


def certified_bounds(made: Mapping[str, Any]) -> dict[str, float]:
    """Return the mean certified bound over the pairs, from the smallest to the largest."""
    bounds = [row["bound"] for row in made["rows"]]
    return {
        "value": float(np.mean(bounds)),
        "low": min(bounds),
        "high": max(bounds),
        "n": len(bounds),
    }


def whole_run_bounds(made: Mapping[str, Any]) -> dict[str, float]:
    """Return the certified bounds on total variation from all steps of the same paths."""
    bounds = [row["whole_bound"] for row in made["rows"]]
    return {"value": min(bounds), "low": min(bounds), "high": max(bounds), "n": len(bounds)}


def show_changes(made: Mapping[str, Any]) -> None:
    """Glue the mean measured change of the certified pairs."""
    changes = [row["difference"] for row in made["rows"]]
    show_number("change-measured", float(np.mean(changes)), digits=2)
