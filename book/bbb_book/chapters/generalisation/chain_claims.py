"""Claims of the chapter "Does it generalise?", recorded from the chains of its encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bbb_book import results
from bbb_book.chapters.generalisation.chain_summary import (
    LEVELS,
    Encoder,
    joint_mean,
    stage_effects,
    variance_shares,
)
from bbb_book.chapters.generalisation.failure_signatures import (
    opposite_signs,
)
from bbb_book.data.emoji import OCCUPATIONS
from bbb_book.results.claims import show_number
from bbb_core.rng import generator
from bbb_core.stats import binomial_interval, bootstrap

__all__ = [
    "record_imbalance",
    "record_named",
    "record_no_flip",
    "record_occupation",
    "record_stage",
    "record_subclass_sampling",
    "record_subclass_score",
    "show_levels",
]


def show_levels(encoders: Sequence[Encoder], *, confidence: float) -> None:
    """Glue how many encoders surely lean to women, to men, and agree from prompts to images."""
    signs = {}
    for name in ("signed position of prompts", "signed imbalance of images"):
        ends = [joint_mean(e.mean(*LEVELS[name]), len(encoders), confidence) for e in encoders]
        signs[name] = np.array([(low > 0) * 1 - (high < 0) * 1 for _, low, high in ends])
    images = signs["signed imbalance of images"]
    show_number("n-encoders", len(encoders), digits=0)
    show_number("images-to-women", (images > 0).sum(), digits=0)
    show_number("images-to-men", (images < 0).sum(), digits=0)
    show_number(
        "levels-against", (signs["signed position of prompts"] * images < 0).sum(), digits=0
    )


def record_named(encoders: Sequence[Encoder], *, confidence: float) -> Any:
    """Record ``general-named``: the least share of named groups over chains."""
    chains = [chain for encoder in encoders for chain in encoder.chains]
    level = 1 - (1 - confidence) / len(chains)
    found = []
    for chain in chains:
        hits, n = chain.named
        low, high = binomial_interval(hits, n, confidence=level)
        found.append((hits / n, low, high))
    value, low, high = min(found)
    show_number("n-chains", len(chains), digits=0)
    show_number("chains-named", sum(low > 0.95 for _, low, _ in found), digits=0)
    return results.record("general-named", value=value, low=low, high=high, n=chains[0].named[1])


def record_imbalance(encoders: Sequence[Encoder], *, confidence: float) -> Any:
    """Record ``general-imbalance``: the least mean imbalance over encoders."""
    level = 1 - (1 - confidence) / len(encoders)
    found = [encoder.imbalance("neutral", confidence=level) for encoder in encoders]
    least = min(found, key=lambda e: e.value)
    show_number("imbalance-most", max(e.value for e in found), digits=2)
    return results.record(
        "general-imbalance",
        value=least.value, low=least.low, high=least.high, n=len(OCCUPATIONS),
    )  # fmt: skip


def record_stage(encoders: Sequence[Encoder], stage: str, claim: str, *, confidence: float) -> Any:
    """Record the mean rank correlation of a stage over encoders."""
    _, _, found = stage_effects(encoders, stage, confidence=confidence)
    ends = np.tanh([found.mean, found.low, found.high])
    return results.record(claim, value=ends[0], low=ends[1], high=ends[2], n=len(encoders))


def record_no_flip(encoders: Sequence[Encoder], *, confidence: float) -> Any:
    """Record ``general-no-flip``: whether encoders contradict each other on prompt and images."""
    effects, errors, _ = stage_effects(encoders, "prompt to images", confidence=confidence)
    found = opposite_signs(effects, errors, confidence=confidence)
    return results.record(
        "general-no-flip", value=found.value, low=found.low, high=found.high, n=len(encoders)
    )


def _lean_table(encoders: Sequence[Encoder]) -> np.ndarray:
    """Return lean of the images, [occupations, encoders, seeds]."""
    return np.array([[chain.image_lean for chain in e.chains] for e in encoders]).transpose(2, 0, 1)


def record_occupation(
    encoders: Sequence[Encoder], *, confidence: float, n_resamples: int, seed: int
) -> Any:
    """Record ``general-occupation`` and glue the other shares of variance."""
    table = _lean_table(encoders)
    whole = variance_shares(table)
    show_number("share-crossed", whole.crossed, digits=2)
    show_number("share-rest", whole.rest, digits=2)
    found = bootstrap(
        lambda rows: variance_shares(rows).occupation, table, confidence=confidence,
        n_resamples=n_resamples, rng=generator(seed, "occupations"),
    )  # fmt: skip
    low, high = min(found.low, found.value), max(found.high, found.value)
    return results.record(
        "general-occupation", value=found.value, low=low, high=high, n=len(OCCUPATIONS)
    )


def record_subclass_sampling(encoders: Sequence[Encoder], *, confidence: float) -> Any:
    """Record ``general-subclass-sampling``; misreadings bound the imbalance (theorem T3)."""
    found = []
    for encoder in encoders:
        hits, n = np.sum([chain.named for chain in encoder.chains], axis=0)
        level = 1 - (1 - confidence) / len(encoders)
        _, high = binomial_interval(int(n - hits), int(n), confidence=level)
        found.append((float(encoder.mean("imbalance", "subclass").mean()), high))
    value, high = max(found)[0], max(high for _, high in found)
    return results.record(
        "general-subclass-sampling", value=value, low=0.0, high=high, n=len(encoders)
    )


def record_subclass_score(encoders: Sequence[Encoder], *, confidence: float) -> Any:
    """Record ``general-subclass-score``: the least favourable change over encoders."""
    found = []
    for encoder in encoders:
        change = encoder.mean("score_error", "subclass-score") - encoder.mean(
            "score_error", "plain"
        )
        found.append(joint_mean(change, len(encoders), confidence))
    value, low, high = max(found)
    show_number("subclass-helped", sum(high < 0 for _, _, high in found), digits=0)
    show_number("subclass-hurt", sum(low > 0 for _, low, _ in found), digits=0)
    return results.record(
        "general-subclass-score", value=value, low=low, high=high, n=len(OCCUPATIONS)
    )
