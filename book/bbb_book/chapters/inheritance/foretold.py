"""What each generator's sweep foretells, and what its prompts drew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import stats

from bbb_book.chapters.inheritance.designs import Design
from bbb_core.balance import split_half_imbalance
from bbb_core.diffusion import calibrate
from bbb_core.diffusion.calibration import Calibration
from bbb_core.theory import inherited_share

__all__ = ["Generator", "calibrated", "levels", "ranks", "rival_levels"]

ALL_ALIKE = 0.05
"""Generators whose mean share is nearer than this to 0 or 1 leave ranks nothing to tell."""


@dataclass(frozen=True, eq=False)
class Generator:
    """One generator of the experiment: its design and what was measured (`measure_generator`)."""

    design: Design
    values: Mapping[str, Any]

    @cached_property
    def law(self) -> Calibration | None:
        """Slope and switch with intervals over occupations; None where too little was readable."""
        return _fit(self.values["positions"], self.values["sweep"])

    @cached_property
    def guided_laws(self) -> list[Calibration | None]:
        """The same with guidance, one per weight."""
        swept = self.values.get("guided_sweep", [])
        return [_fit(self.values["guided_positions"], counts) for counts in swept]

    def counts(self, place: str) -> np.ndarray:
        """Return images read as man and as woman at one of `PLACES`, [20, 2]."""
        return np.asarray(self.values["placed"][place])[:, :2]

    def shares(self, place: str) -> np.ndarray:
        """Return shares of women at one of `PLACES`, [20]; NaN where nobody was read."""
        return shares_of(self.counts(place))

    def foretold(self, place: str = "neutral") -> np.ndarray:
        """Return what the law says of one of `PLACES`, with the common switch, [20]."""
        t = np.asarray(self.values["placed_t"][place])
        return inherited_share(t, self.values["slope"], self.values["switch"])

    @property
    def own_foretold(self) -> np.ndarray:
        """What it says of neutral prompts with each occupation's own switch, [20]."""
        own = self.values["own_switches"]
        return inherited_share(self.values["t"], self.values["slope"], own)

    def imbalances(self, place: str) -> np.ndarray:
        """Return split-half imbalances at one of `PLACES`, [20]; 0 where nobody was read."""
        counts = self.counts(place)
        enough = counts.sum(1) >= 2
        found = np.zeros(len(counts))
        found[enough] = split_half_imbalance(counts[enough])
        return found

    def fidelity(self, place: str) -> np.ndarray:
        """Return the share of all images at one of `PLACES` that show the occupation, [20]."""
        drawn = np.asarray(self.values["placed"][place]).sum(1)
        return np.asarray(self.values["right"][place]) / drawn


def _fit(positions: Any, counts: Any) -> Calibration | None:
    pairs = np.asarray(counts)[..., :2]
    if pairs.sum() < 20:
        return None
    occupations = np.repeat(np.arange(len(pairs)), pairs.shape[1])
    return calibrate(np.tile(positions, len(pairs)), pairs.reshape(-1, 2), clusters=occupations)


def shares_of(counts: Any) -> np.ndarray:
    """Return women over men and women, over the last axis; NaN where nobody was read."""
    men, women = np.asarray(counts, float)[..., 0], np.asarray(counts, float)[..., 1]
    with np.errstate(invalid="ignore"):
        return women / (men + women)


def calibrated(generators: Iterable[Generator]) -> list[Generator]:
    """Return the generators whose slope is surely above zero: those that claims rest on."""
    return [g for g in generators if g.law is not None and g.law.slope.low > 0]


def levels(generators: Sequence[Generator], place: str = "neutral") -> np.ndarray:
    """Return mean shares of women, foretold and drawn, [generators, 2]."""
    return np.array(
        [[g.foretold(place).mean(), np.nanmean(g.shares(place))] for g in generators]
    ).reshape(-1, 2)


def rival_levels(generators: Sequence[Generator]) -> dict[str, np.ndarray]:
    """Return what rivals foretell of the mean share, [generators]: no sweep is used."""
    drawn = levels(generators)[:, 1]
    others = (drawn.sum() - drawn) / max(len(drawn) - 1, 1)
    kernel = np.array([np.mean(g.values["kernel"]) for g in generators])
    return {"kernel at the nominal noise": kernel, "mean of the other generators": others}


def ranks(generators: Sequence[Generator]) -> dict[str, np.ndarray]:
    """Return rank correlations over occupations with the share drawn, [generators].

    Of the position (the common switch), of position minus own switch, and of the rivals. NaN for
    generators that draw nearly all alike.
    """
    said = {
        "position": lambda v: v["t"],
        "position minus own switch": lambda v: v["t"] - v["own_switches"],
        "cosine gap": lambda v: v["gap"],
        "distance ratio": lambda v: v["distance_ratio"],
        "first step": lambda v: v["first_step"],
        "kernel at the nominal noise": lambda v: v["kernel"],
    }
    found = {name: np.full(len(generators), np.nan) for name in said}
    for i, g in enumerate(generators):
        drawn = g.shares("neutral")
        seen = np.isfinite(drawn)
        if not ALL_ALIKE < np.mean(drawn[seen]) < 1 - ALL_ALIKE:
            continue
        for name, of in said.items():
            x = np.asarray(of(g.values))[seen]
            found[name][i] = stats.spearmanr(x, drawn[seen])[0] if np.ptp(x) > 0 else 0.0
    return found
