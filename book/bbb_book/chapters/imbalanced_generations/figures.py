"""Figures of the chapter on biased embeddings and imbalanced generations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bbb_book.chapters.imbalanced_generations.guidance import reversed_leans
from bbb_book.data.emoji import OCCUPATIONS
from bbb_book.generators.geometry import predictors
from bbb_book.generators.prompt_balance import imbalance, women_share
from bbb_book.generators.studies import Study, planted_shares
from bbb_book.style import figure, house, palette
from bbb_core.stats import binomial_interval

__all__ = [
    "divergence_by_step",
    "geometry",
    "guidance",
    "neutral_shares",
    "regimes",
    "region",
    "training_length",
    "ways",
]

LOOKS = palette(["unseen", "balanced", "skewed", "certificate", "measured", "plain"])


def _interval(counts: np.ndarray, *, looks: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return share of women with exact limits that hold for all `looks` shares together."""
    n = counts.sum(-1)
    ends = [
        binomial_interval(int(k), int(m), confidence=1 - 0.05 / looks)
        for k, m in zip(counts[..., 1].ravel(), n.ravel(), strict=True)
    ]
    low, high = np.array(ends).T
    return counts[..., 1] / n, low.reshape(n.shape), high.reshape(n.shape)


@house
def ways(
    swept: Mapping[str, Any], occupations: Sequence[str], positions: Sequence[float]
) -> Figure:
    """Draw the share of women against the position of the prompt, with pictures."""
    counts = np.asarray(swept["counts"])
    share, low, high = _interval(counts, looks=counts.shape[0] * counts.shape[1])
    fig, (top, bottom) = figure(2, 1, height=5.0, gridspec_kw={"height_ratios": [1.7, 1]})
    looks = palette(occupations)
    for i, occupation in enumerate(occupations):
        look = looks[occupation]
        top.fill_between(positions, low[i], high[i], color=look.colour, alpha=0.15, linewidth=0)
        top.plot(
            positions, share[i], label=occupation, **look.lines(marker=look.marker, markersize=4)
        )
    top.set(xlabel="position of the prompt from man (0) to woman (1)", ylabel="read as woman")
    top.legend()
    sheet = np.asarray(swept["sheet"])[:, :, 0]
    rows = [np.concatenate(list(row), axis=2) for row in sheet]
    bottom.imshow(np.concatenate(rows, axis=1).transpose(1, 2, 0), interpolation="nearest")
    bottom.set_axis_off()
    return fig


@house
def region(
    swept: Mapping[str, Any],
    occupations: Sequence[str],
    positions: Sequence[float],
    made: Mapping[str, Any],
) -> Figure:
    """Draw measured shares around one position, with the region that the certificates allow."""
    rows = sorted(made["rows"], key=lambda row: row["second"])
    occupation, first = rows[0]["occupation"], rows[0]["first"]
    base = float(np.mean([row["share_first"] for row in rows]))
    x = [row["second"] for row in rows if row["second"] < first] + [first]
    x += [row["second"] for row in rows if row["second"] > first]
    bound = {row["second"]: row["bound"] for row in rows} | {first: 0.0}
    plain = {row["second"]: row["whole_bound"] for row in rows} | {first: 0.0}
    fig, axes = figure(height=3.0)
    for name, values in (("plain", plain), ("certificate", bound)):
        width = np.array([values[t] for t in x])
        look = LOOKS[name]
        axes.fill_between(
            x,
            (base - width).clip(0, 1),
            (base + width).clip(0, 1),
            color=look.colour,
            alpha=0.18,
            linewidth=0,
            hatch=look.hatch,
            label={"plain": "certificate of all steps", "certificate": "cut at $k^*$"}[name],
        )
    i = list(occupations).index(occupation)
    counts = np.asarray(swept["counts"])[i]
    axes.plot(positions, counts[:, 1] / counts.sum(1), **LOOKS["measured"].lines(label="sweep"))
    shares = [row["share_second"] for row in rows]
    points = LOOKS["measured"].points(label="paths of the certificate")
    axes.plot([row["second"] for row in rows], shares, **points)
    axes.set(xlim=(min(x) - 0.05, max(x) + 0.05), ylim=(-0.02, 1.02))
    axes.set(xlabel=f"position of the prompt ({occupation})", ylabel="read as woman")
    axes.legend(loc="upper left")
    return fig


@house
def divergence_by_step(made: Mapping[str, Any]) -> Figure:
    """Draw the divergence of each reverse step, both prompts of a pair against each other."""
    terms = np.asarray(made["terms"]).mean(1)
    steps = np.arange(1, terms.shape[-1] + 1)
    fig, axes = figure(height=2.5)
    names = list(dict.fromkeys(row["occupation"] for row in made["rows"]))
    for (name, look), row in zip(palette(names).items(), terms, strict=False):
        axes.plot(steps, row, label=name, **look.lines(marker=look.marker, markersize=3))
    axes.set(xlabel="reverse step k, in the order of the run", ylabel="divergence (nats)")
    axes.set_yscale("log")
    axes.invert_xaxis()
    axes.legend()
    return fig


@house
def neutral_shares(drawn: Mapping[str, Any]) -> Figure:
    """Draw the share of women under each neutral prompt with simultaneous exact intervals."""
    counts = np.asarray(drawn["neutral"])
    share, low, high = _interval(counts, looks=len(counts))
    order = np.argsort(share)
    fig, axes = figure(height=3.9)
    y = np.arange(len(order))
    axes.axvline(0.5, color="black", linewidth=0.8)
    axes.hlines(y, low[order], high[order], color=LOOKS["unseen"].colour, linewidth=1)
    axes.plot(share[order], y, **LOOKS["unseen"].points())
    axes.set_yticks(y, [OCCUPATIONS[i] for i in order], fontsize=8)
    axes.set(xlabel="share of images read as woman, neutral prompt", xlim=(-0.02, 1.02))
    return fig


@house
def regimes(drawn: Mapping[str, Mapping[str, Any]], study: Study) -> Figure:
    """Draw shares of women under three regimes of captions, occupations by planted share."""
    planted = np.array([planted_shares(study.seed)[o] for o in OCCUPATIONS])
    order = np.lexsort((np.asarray(drawn["unseen"]["neutral"])[:, 1], planted))
    fig, axes = figure(height=3.9)
    y = np.arange(len(order))
    axes.axvline(0.5, color="black", linewidth=0.8)
    mark = {"color": "#666666", "linestyle": "none", "marker": "|", "markersize": 11}
    axes.plot(planted[order], y, label="planted (skewed)", **mark)
    for shift, (name, one) in zip((0.22, 0, -0.22), drawn.items(), strict=True):
        counts = np.asarray(one["neutral"])
        axes.plot(
            counts[order, 1] / counts[order].sum(1), y + shift, **LOOKS[name].points(label=name)
        )
    axes.set_yticks(y, [OCCUPATIONS[i] for i in order], fontsize=8)
    axes.set(xlabel="share of images read as woman, neutral prompt", xlim=(-0.02, 1.02))
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, 1.12), ncols=4)
    return fig


@house
def geometry(generators: Mapping[str, tuple[Study, Mapping[str, Any]]]) -> Figure:
    """Draw the lean of the generations against two predictors, one marker per generator."""
    fig, axes = figure(1, 2, height=3.0, sharey=True)
    looks = palette(list(generators))
    for axis, predictor in zip(axes, ("cosine gap", "early path KL"), strict=True):
        for name, (study, drawn) in generators.items():
            x = predictors(study, drawn)[predictor]
            x = (x - x.mean()) / x.std() if predictor == "cosine gap" else x
            axis.plot(x, women_share(drawn), **looks[name].points(label=name, alpha=0.8))
        axis.axhline(0, color="black", linewidth=0.8)
    axes[0].set(xlabel="cosine gap (standardised)", ylabel="(women - men) / images")
    axes[1].set(xlabel="log-ratio of early path KL")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(looks))
    return fig


@house
def training_length(
    drawn: Mapping[str, Mapping[int, Mapping[str, Any]]],
) -> Figure:
    """Draw imbalance and early path KL to the groups against the length of further training."""
    fig, axes = figure(1, 2, height=2.7)
    for regime, by_steps in drawn.items():
        steps = list(by_steps)
        rows = [imbalance(one["neutral"]) for one in by_steps.values()]
        look = LOOKS[regime]
        value = np.array([row["value"] for row in rows])
        error = [value - [row["low"] for row in rows], [row["high"] for row in rows] - value]
        style = look.points(label=regime, linestyle=look.line, capsize=2)
        axes[0].errorbar(steps, value, error, **style)
        kl = []
        for one in by_steps.values():
            terms = np.asarray(one["terms"], float).mean(2)
            kl.append(float(np.median(terms[..., terms.shape[-1] // 2 :].sum(-1).min(1))))
        axes[1].plot(steps, kl, label=regime, **look.lines(marker=look.marker))
    axes[0].set(xlabel="further training steps", ylabel="mean imbalance")
    axes[1].set(xlabel="further training steps", ylabel="early KL (nats)")
    fig.legend(*axes[1].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return fig


@house
def guidance(drawn: Mapping[float, Mapping[str, Any]]) -> Figure:
    """Draw leans per occupation against the guidance weight, and beside them the mean imbalance."""
    fig, (left, right) = figure(1, 2, height=2.8)
    weights = list(drawn)
    lean = np.stack([women_share(one) for one in drawn.values()])
    turned = reversed_leans(drawn)
    left.axhline(0, color="black", linewidth=0.8)
    for which, colour, line in ((~turned, "#999999", "-"), (turned, "black", "--")):
        style = {"color": colour, "linestyle": line, "linewidth": 0.8, "markersize": 3}
        left.plot(weights, lean[:, which], marker=".", **style)
    left.set(ylabel="(women - men) / images", ylim=(-1.05, 1.05))
    rows = [imbalance(one["neutral"]) for one in drawn.values()]
    value = np.array([row["value"] for row in rows])
    error = [value - [row["low"] for row in rows], [row["high"] for row in rows] - value]
    look = LOOKS["unseen"]
    right.errorbar(weights, value, error, **look.points(linestyle=look.line, capsize=2))
    right.set(ylabel="mean imbalance", ylim=(0, None))
    for axis in (left, right):
        axis.set(xlabel="guidance weight", xticks=weights)
    return fig
