"""Figures, tables and claims of the chapter "Does it generalise?"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from bbb_core import results
from bbb_core.data.emoji import OCCUPATIONS
from bbb_core.experiments.chain_summary import (
    STAGES,
    Encoder,
    stage_effects,
    variance_shares,
)
from bbb_core.figures.style import figure, house, palette
from bbb_core.results.claims import show_number
from bbb_core.rng import generator
from bbb_core.stats import binomial_interval, bootstrap
from bbb_core.stats.signatures import (
    FailureSignature,
    Signature,
    failure_signature,
    opposite_signs,
)

__all__ = [
    "embeddings_table",
    "forest",
    "generators_table",
    "leans",
    "mitigations",
    "record_imbalance",
    "record_named",
    "record_no_flip",
    "record_occupation",
    "record_stage",
    "record_subclass_sampling",
    "record_subclass_score",
    "scatter",
    "sheet",
    "signature_table",
    "signatures",
    "stays_and_flips",
]

FAMILIES = palette(["text encoder", "small CLIP", "CLIP", "all"])


def _names(encoders: Sequence[Encoder]) -> list[str]:
    return [encoder.spec.split("/")[-1] for encoder in encoders]


def _student(x: np.ndarray, looks: int, confidence: float) -> tuple[float, float, float]:
    """Return mean and ends of Student's interval that holds for all `looks` together."""
    half = stats.t.ppf(1 - (1 - confidence) / 2 / looks, len(x) - 1) * x.std(ddof=1) / len(x) ** 0.5
    return float(x.mean()), float(x.mean() - half), float(x.mean() + half)


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
                    "named group": f"{hits / n:.3f}",
                    "occupation": f"{(chain.values['read_occupation'] == asked).mean():.3f}",
                    "readable, neutral": f"{1 - none:.3f}",
                    "scorer: occupation": f"{best.mean():.2f}",
                }
            )
    return pd.DataFrame(rows).set_index(["encoder", "seed"])


def embeddings_table(encoders: Sequence[Encoder]) -> pd.DataFrame:
    """Return levels by encoder as text: leans of prompts and images, imbalance, score gaps."""
    rows = []
    for encoder in encoders:
        row = {"encoder": encoder.spec, "kind": encoder.family}
        for name, x in (
            ("lean of prompts", encoder.mean("prompt_lean")),
            ("lean of images", encoder.mean("image_lean")),
            ("score gap", encoder.mean("score_gap", "plain")),
        ):
            value, low, high = _student(x, 1, 0.95)
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


def _excess(encoder: Encoder, source: str) -> np.ndarray:
    return encoder.mean("imbalance", source) - encoder.chains[0].floor(source)


def record_imbalance(encoders: Sequence[Encoder], *, confidence: float) -> Any:
    """Record ``general-imbalance``: the least mean imbalance beyond the floor."""
    found = [_student(_excess(e, "neutral"), len(encoders), confidence) for e in encoders]
    value, low, high = min(found)
    show_number("imbalance-most", max(found)[0], digits=2)
    return results.record("general-imbalance", value=value, low=low, high=high, n=len(OCCUPATIONS))


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
        found.append(_student(change, len(encoders), confidence))
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


@house
def forest(encoders: Sequence[Encoder], *, confidence: float = 0.95) -> Figure:
    """Draw every encoder's rank correlations with their summary, a panel per stage."""
    made, panels = figure(1, len(STAGES), height=1.1 + 0.26 * (len(encoders) + 1), sharey=True)
    places = np.arange(len(encoders), 0, -1)
    z = stats.norm.isf((1 - confidence) / 2)
    for axes, stage in zip(panels, STAGES, strict=True):
        effects, errors, found = stage_effects(encoders, stage, confidence=confidence)
        axes.axvline(0, color="black", linewidth=0.8)
        for encoder, place, effect, error in zip(encoders, places, effects, errors, strict=True):
            look = FAMILIES[encoder.family]
            ends = np.tanh([effect - z * error, effect + z * error])
            axes.hlines(place, *ends, color=look.colour, linewidth=1.4)
            axes.plot(np.tanh(effect), place, **look.points())
        look = FAMILIES["all"]
        axes.hlines(0, *np.tanh([found.prediction_low, found.prediction_high]), color="#999999")
        axes.hlines(0, *np.tanh([found.low, found.high]), color=look.colour, linewidth=3.5)
        axes.plot(np.tanh(found.mean), 0, **look.points(markersize=7, markeredgecolor="white"))
        axes.set(xlim=(-1.02, 1.02), xlabel=stage)
        axes.axhline(0.5, color="#999999", linewidth=0.6)
    panels[0].set_yticks([*places, 0], [*_names(encoders), "all"])
    panels[0].set_ylim(-0.6, len(encoders) + 0.6)
    return made


@house
def scatter(encoders: Sequence[Encoder]) -> Figure:
    """Draw lean of the images against lean of the prompts, a panel per encoder."""
    columns = min(4, len(encoders))
    rows = -(-len(encoders) // columns)
    made, panels = figure(
        rows, columns, height=0.5 + 1.75 * rows, sharex=True, sharey=True, squeeze=False
    )
    for axes, encoder in zip(panels.flat, encoders, strict=False):
        look = FAMILIES[encoder.family]
        axes.axhline(0, color="black", linewidth=0.6)
        axes.axvline(0, color="black", linewidth=0.6)
        axes.plot(encoder.mean("prompt_lean"), encoder.mean("image_lean"), **look.points())
        axes.set_title(encoder.spec.split("/")[-1], fontsize=9)
        axes.set_ylim(-1.08, 1.08)
    for axes in panels.flat[len(encoders) :]:
        axes.set_axis_off()
    made.supxlabel("lean of the neutral prompt (-1: at the man's, 1: at the woman's)", fontsize=10)
    made.supylabel("lean of its images", fontsize=10)
    return made


@house
def leans(encoders: Sequence[Encoder]) -> Figure:
    """Draw lean of the images by occupation and encoder: area is size, filling is direction."""
    table = np.stack([encoder.mean("image_lean") for encoder in encoders])
    order = np.argsort(-table.mean(0))
    made, axes = figure(height=0.9 + 0.3 * len(encoders))
    for row, values in enumerate(table[:, order]):
        look = FAMILIES[encoders[row].family]
        size = 6 + 130 * np.abs(values)
        fill = [look.colour if value > 0 else "white" for value in values]
        axes.scatter(
            range(len(values)), [len(table) - row] * len(values), s=size, c=fill, marker="o",
            edgecolors=look.colour, linewidths=1.2,
        )  # fmt: skip
    axes.set_yticks(range(len(table), 0, -1), _names(encoders))
    names = [OCCUPATIONS[i] for i in order]
    axes.set_xticks(range(len(names)), names, rotation=55, ha="right", fontsize=8)
    axes.set_ylim(0.3, len(table) + 0.7)
    axes.grid(visible=False)
    return made


@house
def mitigations(encoders: Sequence[Encoder]) -> Figure:
    """Draw imbalance and score gaps before and after their mitigations, a row per encoder."""
    made, (left, right) = figure(1, 2, height=1.3 + 0.28 * len(encoders), sharey=True)
    places = np.arange(len(encoders), 0, -1)
    looks = palette(["before", "averaged", "subclass"])
    shift = {"before": 0.2, "averaged": 0.0, "subclass": -0.2}
    for name, source in (("before", "neutral"), ("averaged", "averaged"), ("subclass", "subclass")):
        ends = np.array([_student(e.mean("imbalance", source), 1, 0.95) for e in encoders])
        _whiskers(left, ends, places + shift[name], looks[name], name)
    for name, strategy in (
        ("before", "plain"), ("averaged", "average-then-score"), ("subclass", "subclass-score"),
    ):  # fmt: skip
        squares = [_student(e.mean("score_error", strategy), 1, 0.95) for e in encoders]
        ends = np.sqrt(np.array(squares).clip(min=0))
        _whiskers(right, ends, places + shift[name], looks[name], name)
    left.set_yticks(places, _names(encoders))
    left.set(xlabel="imbalance (TV)", xlim=(0, 0.55))
    right.set(xlabel="score gap (steps from fitting to wrong)")
    right.set_xlim(left=0)
    made.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return made


def _whiskers(axes: Any, ends: np.ndarray, places: np.ndarray, look: Any, label: str) -> None:
    axes.hlines(places, ends[:, 1], ends[:, 2], color=look.colour, linewidth=1.2)
    axes.plot(ends[:, 0], places, **look.points(label=label))


@house
def sheet(encoders: Sequence[Encoder], *, occupations: int = 10) -> Figure:
    """Show the first image of neutral prompts, an encoder per row, an occupation per column."""
    rows = [
        np.concatenate(list(np.asarray(e.chains[0].values["sheet"])[:occupations, 0]), axis=2)
        for e in encoders
    ]
    size = rows[0].shape[1]
    made, axes = figure(height=0.6 + 0.62 * len(encoders))
    axes.imshow(np.concatenate(rows, axis=1).transpose(1, 2, 0), interpolation="nearest")
    axes.set_yticks((np.arange(len(rows)) + 0.5) * size, _names(encoders))
    names = OCCUPATIONS[:occupations]
    axes.set_xticks((np.arange(len(names)) + 0.5) * size, names, rotation=35, ha="right")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return made


def signatures(
    encoders: Sequence[Encoder], *, high: float, least: float, flip: float, unexplained: float
) -> dict[str, FailureSignature]:
    """Return the failure signatures of each encoder, and under "all" those over encoders."""
    found = {}
    for encoder in encoders:
        plain = encoder.mean("score_error", "plain")
        pairs = {
            "averaged prompt": (_excess(encoder, "neutral"), _excess(encoder, "averaged")),
            "subclass sampling": (
                _excess(encoder, "neutral"), encoder.mean("imbalance", "subclass"),
            ),
            "average-then-score": (plain, encoder.mean("score_error", "average-then-score")),
            "subclass-score": (plain, encoder.mean("score_error", "subclass-score")),
        }  # fmt: skip
        found[encoder.spec] = failure_signature(
            imbalance=encoder.mean("imbalance", "neutral"),
            floor=encoder.chains[0].floor("neutral"), mitigations=pairs, high=high, least=least,
        )  # fmt: skip
    effects, errors, _ = stage_effects(encoders, "prompt to images")
    found["all"] = failure_signature(
        effects=effects, errors=errors, flip=flip, unexplained=unexplained
    )
    return found


def _cell(signature: Signature) -> str:
    ends = [f"{end:.2f}" if np.isfinite(end) else "∞" for end in (signature.low, signature.high)]
    if not np.isfinite(signature.low):
        return f"{signature.verdict}: nothing to mitigate"
    return f"{signature.verdict}: {signature.value:.2f} [{', '.join(ends)}]"


def signature_table(found: dict[str, FailureSignature]) -> pd.DataFrame:
    """Return all signatures as text: a row per signature, a column per encoder."""
    cells: dict[str, dict[str, str]] = {}
    for spec, every in found.items():
        for signature in every:
            row = cells.setdefault(signature.name, {"triggered above": f"{signature.threshold:g}"})
            row[spec] = _cell(signature)
    table = pd.DataFrame.from_dict(cells, orient="index").fillna("")
    table.index.name = "signature"
    return table
