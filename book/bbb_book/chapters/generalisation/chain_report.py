"""Tables and claims of the chapter "Does it generalise?"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bbb_book import results
from bbb_book.chapters.generalisation.chain import ChainSettings
from bbb_book.chapters.generalisation.chain_summary import (
    STAGES,
    Encoder,
    stage_effects,
    variance_shares,
)
from bbb_book.chapters.generalisation.failure_scan import FailureSignature, failure_signature
from bbb_book.chapters.generalisation.failure_signs import Signature, opposite_signs
from bbb_book.data.emoji import OCCUPATIONS
from bbb_book.results.claims import show_number
from bbb_core.rng import generator
from bbb_core.stats import binomial_interval, bootstrap, mean_interval

__all__ = [
    "embeddings_table",
    "generators_table",
    "joint_mean",
    "record_imbalance",
    "record_named",
    "record_no_flip",
    "record_occupation",
    "record_stage",
    "record_subclass_sampling",
    "record_subclass_score",
    "settings_table",
    "show_levels",
    "show_signatures",
    "signature_table",
    "signatures",
    "stays_and_flips",
]


def joint_mean(x: np.ndarray, looks: int, confidence: float) -> tuple[float, float, float]:
    """Return a mean over few units with the ends of an interval; all `looks` hold together."""
    found = mean_interval(x, confidence=1 - (1 - confidence) / looks)
    return found.value, found.low, found.high


def settings_table(settings: ChainSettings, encoders: Sequence[Encoder]) -> pd.DataFrame:
    """Return the sizes of a chain as text, with the seconds that the chains took."""
    rows = {name.replace("_", " "): str(value) for name, value in asdict(settings).items()}
    chains = [chain for encoder in encoders for chain in encoder.chains]
    seconds = np.sum([chain.values["seconds"] for chain in chains], axis=0)
    names = ("scorers", "generators", "images", "scores")
    for name, value in zip(names, seconds, strict=True):
        rows[f"seconds for all {name}"] = f"{value:.0f}"
    return pd.DataFrame({"value": rows}).rename_axis("setting")


def generators_table(encoders: Sequence[Encoder]) -> pd.DataFrame:
    """Return what each chain's generator and scorer can do, and what they cost."""
    rows = []
    for encoder in encoders:
        for chain in encoder.chains:
            hits, n = chain.named
            asked = np.arange(len(OCCUPATIONS))[:, None, None]
            scores = np.asarray(chain.values["scores"])[..., 1:].mean(-1)
            best = scores.argmax(-1) == asked
            none = chain.counts("neutral")[:, 2].sum() / chain.counts("neutral").sum()
            rows.append(
                {
                    "encoder": encoder.spec,
                    "seed": chain.seed,
                    "group": f"{hits / n:.3f}",
                    "occupation": f"{(chain.values['read_occupation'] == asked).mean():.3f}",
                    "neutral read": f"{1 - none:.3f}",
                    "neutral right": f"{chain.values['right_neutral']:.3f}",
                    "scorer": f"{best.mean():.2f}",
                }
            )
    return pd.DataFrame(rows).set_index(["encoder", "seed"])


LEVELS: Mapping[str, tuple[str, ...]] = {
    "lean of prompts": ("prompt_lean",),
    "lean of images": ("image_lean",),
    "score gap": ("score_gap", "plain"),
}
"""Measures of `Encoder.mean` whose means over occupations are compared between encoders."""


def show_levels(encoders: Sequence[Encoder], *, confidence: float) -> None:
    """Glue how many encoders surely lean to women, to men, and agree from prompts to images."""
    signs = {}
    for name in ("lean of prompts", "lean of images"):
        ends = [joint_mean(e.mean(*LEVELS[name]), len(encoders), confidence) for e in encoders]
        signs[name] = np.array([(low > 0) * 1 - (high < 0) * 1 for _, low, high in ends])
    images = signs["lean of images"]
    show_number("n-encoders", len(encoders), digits=0)
    show_number("images-to-women", (images > 0).sum(), digits=0)
    show_number("images-to-men", (images < 0).sum(), digits=0)
    show_number("levels-against", (signs["lean of prompts"] * images < 0).sum(), digits=0)


def embeddings_table(encoders: Sequence[Encoder]) -> pd.DataFrame:
    """Return levels by encoder as text: leans of prompts and images, imbalance, score gaps."""
    rows = []
    for encoder in encoders:
        row = {"encoder": encoder.spec, "kind": encoder.family}
        for name, measure in LEVELS.items():
            value, low, high = joint_mean(encoder.mean(*measure), 1, 0.95)
            row[name] = f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"
        rows.append(row)
    return pd.DataFrame(rows).set_index("encoder")


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


def stays_and_flips(encoders: Sequence[Encoder], *, confidence: float = 0.95) -> pd.DataFrame:
    """Return, per stage, mean correlation, heterogeneity, and how many encoders have which sign.

    A sign counts when the encoder's own interval, corrected for their number, excludes zero.
    """
    rows = []
    for stage in STAGES:
        effects, errors, found = stage_effects(encoders, stage, confidence=confidence)
        half = stats.norm.isf((1 - confidence) / 2 / len(effects)) * errors
        mean, low, high = np.tanh([found.mean, found.low, found.high])
        new_low, new_high = np.tanh([found.prediction_low, found.prediction_high])
        up, down = int((effects - half > 0).sum()), int((effects + half < 0).sum())
        rows.append(
            {
                "stage": stage,
                "mean": f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]",
                "a new encoder": f"[{new_low:+.2f}, {new_high:+.2f}]",
                "I squared": f"{found.i_squared:.2f} "
                f"[{found.i_squared_low:.2f}, {found.i_squared_high:.2f}]",
                "surely +": up,
                "surely -": down,
                "open": len(effects) - up - down,
            }
        )
    return pd.DataFrame(rows).set_index("stage")


def signatures(
    encoders: Sequence[Encoder], *, high: float, least: float, flip: float, unexplained: float
) -> tuple[dict[str, FailureSignature], dict[str, FailureSignature]]:
    """Return the failure signatures of each encoder, and those over encoders by level or stage."""
    found = {}
    for encoder in encoders:
        before = encoder.mean("corrected", "neutral")
        plain = encoder.mean("score_error", "plain")
        pairs = {
            "averaged prompt": (before, encoder.mean("corrected", "averaged")),
            "subclass sampling": (before, encoder.mean("corrected", "subclass")),
            "average-then-score": (plain, encoder.mean("score_error", "average-then-score")),
            "subclass-score": (plain, encoder.mean("score_error", "subclass-score")),
        }  # fmt: skip
        found[encoder.spec] = failure_signature(
            imbalance=encoder.mean("imbalance", "neutral"),
            floor=encoder.chains[0].floor("neutral"), mitigations=pairs, high=high, least=least,
        )  # fmt: skip
    across = {}
    for name, measure in LEVELS.items():
        levels = np.array([encoder.mean(*measure) for encoder in encoders])
        errors = levels.std(1, ddof=1) / levels.shape[1] ** 0.5
        if (errors > 0).all():  # else nothing varies, as where no image can be read
            across[f"mean {name}"] = failure_signature(
                effects=levels.mean(1), errors=errors, flip=flip, unexplained=unexplained
            )
    for stage in STAGES:
        effects, errors, _ = stage_effects(encoders, stage)
        across[stage] = failure_signature(
            effects=effects, errors=errors, flip=flip, unexplained=unexplained
        )
    return found, across


def _cell(signature: Signature) -> str:
    if not np.isfinite(signature.low):
        return f"{signature.verdict}: nothing sure to mitigate"
    ends = np.array([signature.value, signature.low, signature.high])
    return "{}: {:.2f} [{:.2f}, {:.2f}]".format(signature.verdict, *ends.round(2) + 0.0)


def signature_table(found: Mapping[str, FailureSignature]) -> pd.DataFrame:
    """Return signatures as text: a row per chain of audits, a column per signature."""
    rows = {
        name: {
            f"{s.name.removeprefix('idle mitigation: ')} (> {s.threshold:g})": _cell(s)
            for s in every
        }
        for name, every in found.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("judged")


def show_signatures(*found: Mapping[str, FailureSignature]) -> None:
    """Glue how many signatures are triggered, not triggered and undecided."""
    verdicts = [signature.verdict for one in found for every in one.values() for signature in every]
    show_number("signs-all", len(verdicts), digits=0)
    for name, verdict in (
        ("triggered", "triggered"), ("clear", "not triggered"), ("open", "undecided"),
    ):  # fmt: skip
        show_number(f"signs-{name}", verdicts.count(verdict), digits=0)
