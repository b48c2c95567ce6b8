"""Simulated occupations with a known chain, to see whether its intervals hold (II.4).

`measure_chain_coverage` is an artefact function: plain data in, a small table out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import special, stats

from bbb_book.chapters.published_generations.chain_model import (
    QUANTITIES,
    ChainData,
    chain_estimates,
    implied,
)
from bbb_book.results.artefacts import Artefact, artefact
from bbb_core import rng

__all__ = [
    "DESIGNS",
    "JUDGED",
    "Design",
    "chain_coverage",
    "chain_coverage_table",
    "measure_chain_coverage",
    "simulated",
]


@dataclass(frozen=True, kw_only=True)
class Design:
    r"""A world in which the law holds with known numbers.

    Parameters
    ----------
    training, embedding : float
        :math:`\beta` and :math:`\gamma` (per standard deviation of the position).
    images : int
        Pictures drawn of each occupation.
    faces : (int, int)
        Fewest and most training faces; log-uniform between.
    reliability : float
        Share of the variance of the observed position that is no error of wording.
    centre : float
        Mean training log-odds.
    tail : str
        How training log-odds given the position, and deviations, are distributed.
    """

    training: float = 1.4
    embedding: float = 0.4
    images: int = 250
    faces: tuple[int, int] = (20, 10000)
    reliability: float = 0.95
    centre: float = -0.8
    tail: Literal["normal", "heavy", "skewed"] = "normal"


DESIGNS = {
    "as measured": Design(),
    "embedding without a part": Design(embedding=0.0),
    "few images and faces": Design(images=30, faces=(20, 60)),
    "shares near one group": Design(centre=-2.5, tail="skewed"),
    "heavy tails": Design(tail="heavy"),
    "wordings that disagree": Design(reliability=0.75),
}
SPREAD, TIED, DEVIATION = 1.5, 0.6, 1.2
"""SD of the training log-odds, their correlation with the position, SD of the deviations."""
JUDGED = ("training", "embedding", "first", "partial", "r2_training", "shared", "only_embedding")
"""Quantities of the chain whose intervals the page shows."""


def simulated(design: Design, m: int, stream: np.random.Generator) -> ChainData:
    """Draw m occupations of a design."""
    z = stream.standard_normal(m)
    tau = design.centre + SPREAD * (TIED * z + np.sqrt(1 - TIED**2) * _tail(design, m, stream))
    eta = design.training * tau + design.embedding * z + DEVIATION * _tail(design, m, stream)
    low, high = np.log(design.faces)
    faces = np.exp(stream.uniform(low, high, m)).astype(int)
    women = stream.binomial(faces, special.expit(tau))
    drawn = stream.binomial(design.images, special.expit(eta))
    error = 1 / design.reliability - 1
    return ChainData.of_counts(
        np.stack([faces - women, women], 1),
        np.stack([design.images - drawn, drawn], 1),
        z + np.sqrt(error) * stream.standard_normal(m),
        np.full(m, error),
    )


def measure_chain_coverage(
    occupations: Sequence[int], repeats: int, n_resamples: int, confidence: float, seed: int
) -> dict[str, Any]:
    """Count how often each interval of the chain misses, by design (artefact function).

    Returns
    -------
    dict
        ``table``: per design and number of occupations ``m``: ``quantity``, ``truth``, ``repeats``
        and how many intervals lie ``above`` and ``below`` the truth; mean ``estimate``.
    """
    rows = []
    for name, design in DESIGNS.items():
        covariance = np.array([[[SPREAD**2, TIED * SPREAD], [TIED * SPREAD, 1.0]]])
        slopes = np.array([[design.training, design.embedding]])
        known = implied(slopes, covariance, np.array([DEVIATION**2]))[0]
        truth = dict(zip(QUANTITIES, known, strict=True))
        for m in occupations:
            found = []
            for i in range(repeats):
                stream = rng.generator(seed, "chain coverage", name, m, i)
                found.append(
                    chain_estimates(
                        simulated(design, m, stream), confidence=confidence,
                        n_resamples=n_resamples, rng=stream,
                    )
                )  # fmt: skip
            rows += [
                {
                    "design": name, "m": m, "quantity": key, "truth": float(truth[key]),
                    "repeats": repeats,
                    "above": sum(one[key].low > truth[key] for one in found),
                    "below": sum(one[key].high < truth[key] for one in found),
                    "estimate": float(np.mean([one[key].value for one in found])),
                }
                for key in JUDGED
            ]  # fmt: skip
    return {"table": pd.DataFrame(rows)}


def chain_coverage(**parameters: Any) -> Artefact:
    """Return the artefact of `measure_chain_coverage`."""
    return artefact("chain-coverage", measure_chain_coverage, parameters=parameters)


def chain_coverage_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the share of intervals that hold the truth, as text: a row per design and m."""
    held = 1 - (table["above"] + table["below"]) / table["repeats"]
    wide = table.assign(held=held).pivot_table(
        index=["design", "m"], columns="quantity", values="held", sort=False
    )
    names = {
        "training": "slope of training", "embedding": "slope of embedding", "first": "difference",
        "partial": "partial correlation", "r2_training": "training explains",
        "shared": "either", "only_embedding": "embedding alone",
    }  # fmt: skip
    text = wide[list(JUDGED)].rename(columns=names).map("{:.2f}".format)
    return text.rename_axis(index=["design", "occupations"], columns=None)


def _tail(design: Design, m: int, stream: np.random.Generator) -> np.ndarray:
    """Return m deviations with mean 0 and variance 1."""
    if design.tail == "heavy":
        return np.asarray(stats.t.rvs(4, size=m, random_state=stream)) / np.sqrt(2)
    if design.tail == "skewed":
        return stream.standard_exponential(m) - 1
    return stream.standard_normal(m)
