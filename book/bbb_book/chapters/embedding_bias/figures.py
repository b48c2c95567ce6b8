"""Figures, tables and records of the chapter *Bias in embeddings*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bbb_book import results
from bbb_book.chapters.embedding_bias.survey import Survey, labour_correlation
from bbb_book.results import claims
from bbb_book.results.unmeasured import record_or_say
from bbb_book.style import COLOURS, figure, house, palette
from bbb_core.stats import Estimate, binomial_interval, correlation

__all__ = [
    "agreement",
    "agreement_table",
    "labour",
    "left_out",
    "occupations",
    "overview",
    "pair_sensitivity",
    "record_bias",
    "record_flip",
    "record_labour",
    "show_text",
    "smallest_agreement",
    "trap",
    "zero",
]

_KINDS = {"clip": "open_clip"}
_WOMEN = "Share of women in US employment"


def _not_measured(claim: str, reason: str = "the run has no such encoder") -> object:
    return record_or_say(claim, None, reason=reason)


def show_text(name: str, text: str) -> None:
    """Glue a text of the run, such as the name of an encoder, for use in the prose."""
    claims._glue(name, text)


def left_out(missing: Sequence[str]) -> str:
    """Say in one sentence which encoders this platform lacks."""
    if not missing:
        return "Every encoder named in the parameters runs on this machine."
    names = ", ".join(missing)
    return f"Left out, because their packages do not exist for this platform: {names}."


def _find(surveys: Mapping[str, Survey], kind: str) -> Survey | None:
    start = _KINDS.get(kind, kind)
    return next((one for name, one in surveys.items() if name.split(":")[0] == start), None)


def record_bias(surveys: Mapping[str, Survey], kind: str, *, confidence: float) -> object:
    """Record ``KIND-occupation-bias`` if such an encoder was surveyed, else say that it was not."""
    found = _find(surveys, kind)
    if found is None:
        return _not_measured(f"{kind}-occupation-bias")
    summary = found.summary(confidence=confidence)
    k, n = int((summary["p_holm"] < 1 - confidence).sum()), len(summary)
    low, high = binomial_interval(k, n, confidence=confidence)
    return results.record(f"{kind}-occupation-bias", value=k / n, low=low, high=high, n=n)


def record_labour(surveys: Mapping[str, Survey], kind: str, *, confidence: float) -> object:
    """Record ``KIND-labour-correlation`` if such an encoder was surveyed, else say it was not."""
    found = _find(surveys, kind)
    if found is None:
        return _not_measured(f"{kind}-labour-correlation")
    r = labour_correlation(found.occupations, confidence=confidence)
    n = int(found.summary()["share_women"].notna().sum())
    return results.record(f"{kind}-labour-correlation", value=r.value, low=r.low, high=r.high, n=n)


def record_flip(surveys: Mapping[str, Survey], pair: str, *, confidence: float) -> object:
    """Record ``glove-pair-flip``: the labour correlation of one word pair in GloVe."""
    found = _find(surveys, "glove")
    if found is None or pair not in found.occupations.pairs:
        return _not_measured("glove-pair-flip")
    r = labour_correlation(found.occupations.only(pairs=[pair]), confidence=confidence)
    n = int(found.summary()["share_women"].notna().sum())
    return results.record("glove-pair-flip", value=r.value, low=r.low, high=r.high, n=n)


def overview(surveys: Mapping[str, Survey], *, confidence: float) -> pd.DataFrame:
    """Return one column per encoder, as text."""
    rows = []
    for name, found in surveys.items():
        summary = found.summary(confidence=confidence)
        r = labour_correlation(found.occupations, confidence=confidence)
        level = 1 - confidence
        fewest, most = found.leaving_one_out(confidence=confidence)
        rows.append(
            {
                "encoder": name,
                "wordings": found.occupations.values[0].size,
                "mean gap": f"{summary['gap'].mean():+.3f}",
                "baseline": f"{found.people.mean.mean():+.3f}",
                "beyond it (Holm)": f"{(summary['p_holm'] < level).sum()} of {len(summary)}",
                "one wording left out": f"{fewest} to {most}",
                "beyond it (BH)": f"{(summary['p_bh'] < level).sum()} of {len(summary)}",
                "correlation with labour shares": f"{r.value:.2f} [{r.low:.2f}, {r.high:.2f}]",
            }
        )
    return pd.DataFrame(rows).set_index("encoder").T


@house
def occupations(found: Survey, *, confidence: float = 0.95) -> Figure:
    """Draw every occupation's gap beyond the baseline with its interval, sorted."""
    summary = found.summary(confidence=confidence)
    place = np.arange(len(summary))
    made, axes = figure(height=max(2.6, 0.6 + 0.148 * len(summary)))
    axes.axvline(0, color=COLOURS["black"], linewidth=0.8)
    axes.hlines(place, summary["low"], summary["high"], color="#999999", linewidth=1.1)
    mostly = np.where(summary["share_women"] >= 0.5, "s", "o")
    mostly = np.where(summary["share_women"].isna(), "D", mostly)
    names = {
        "o": "mostly men in US employment",
        "s": "mostly women",
        "D": "no labour share",
    }
    for marker, label in names.items():
        here = mostly == marker
        if here.any():
            dots = axes.scatter(
                summary["beyond"][here], place[here], c=summary["share_women"][here].fillna(0.5),
                cmap="cividis", vmin=0, vmax=1, marker=marker, s=24, edgecolor="black",
                linewidth=0.5, zorder=3, label=label,
            )  # fmt: skip
    axes.set_yticks(place, summary.index, fontsize=7.5)
    axes.set_ylim(-0.8, len(summary) - 0.2)
    axes.set_xlabel("Gap beyond the baseline (cosine; right: nearer to the first words)")
    axes.grid(axis="y", visible=False)
    axes.legend(loc="lower right", handletextpad=0.2)
    made.colorbar(dots, ax=axes, shrink=0.5, label="Women (US share)")
    return made


@house
def zero(found: Survey) -> Figure:
    """Draw the gaps of nouns for people, for things, and of occupations."""
    groups = {
        "nouns for people": found.people,
        "nouns for things": found.objects,
        "occupations": found.occupations,
    }
    made, axes = figure(height=2.3)
    axes.axvline(0, color=COLOURS["black"], linewidth=0.8)
    for row, (look, table) in enumerate(
        zip(palette(groups).values(), groups.values(), strict=True)
    ):
        spread = (np.arange(len(table.mean)) % 7 - 3) * 0.07
        axes.plot(table.mean, row + spread, **look.points(alpha=0.8))
        axes.vlines(table.mean.mean(), row - 0.35, row + 0.35, color=look.colour, linewidth=2.5)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set_ylim(-0.6, len(groups) - 0.4)
    axes.set_xlabel("Gap (cosine), mean over templates and word pairs")
    return made


@house
def labour(surveys: Mapping[str, Survey]) -> Figure:
    """Draw gaps against shares of women, one panel per encoder."""
    made, panels = figure(1, len(surveys), height=2.5, squeeze=False)
    looks = palette(surveys)
    for axes, (name, found) in zip(panels[0], surveys.items(), strict=True):
        summary = found.summary()
        axes.plot(summary["share_women"], summary["beyond"], **looks[name].points(markersize=3.5))
        axes.axhline(0, color=COLOURS["black"], linewidth=0.8)
        axes.set_title(name.split("/")[-1], fontsize=9)
        axes.set_xlim(-0.03, 1.03)
    panels[0][0].set_ylabel("Gap beyond the baseline")
    made.supxlabel(_WOMEN, fontsize=10)
    return made


@house
def pair_sensitivity(surveys: Mapping[str, Survey], *, confidence: float) -> Figure:
    """Draw the correlation with labour shares, word pair by word pair."""
    shown = [(name, pair) for name, one in surveys.items() for pair in one.occupations.pairs]
    looks = palette(surveys)
    made, axes = figure(height=0.9 + 0.19 * len(shown))
    axes.axvline(0, color=COLOURS["black"], linewidth=0.8)
    for row, (name, pair) in enumerate(shown):
        only = surveys[name].occupations.only(pairs=[pair])
        r = labour_correlation(only, confidence=confidence)
        place, first = len(shown) - row, pair == surveys[name].occupations.pairs[0]
        axes.hlines(place, r.low, r.high, color=looks[name].colour, linewidth=1.4)
        label = name.split("/")[-1] if first else None
        axes.plot(r.value, place, **looks[name].points(label=label))
    axes.set_yticks(range(len(shown), 0, -1), [pair for _, pair in shown], fontsize=8)
    axes.set_xlim(-1, 1)
    axes.set_xlabel("Correlation of the gap with the share of women")
    axes.legend(loc="lower left")
    return made


def _agreements(
    surveys: Mapping[str, Survey], confidence: float
) -> dict[tuple[str, str], Estimate]:
    return {
        (one, other): correlation(
            surveys[one].occupations.mean, surveys[other].occupations.mean, method="spearman",
            confidence=confidence,
        )
        for one, other in combinations(surveys, 2)
    }  # fmt: skip


def agreement_table(surveys: Mapping[str, Survey], *, confidence: float) -> pd.DataFrame:
    """Return the rank correlation of every pair of encoders, as text."""
    found = _agreements(surveys, confidence)
    rows = [
        {"encoders": f"{one} and {other}", "Spearman": f"{r.value:.2f}",
         "interval": f"[{r.low:.2f}, {r.high:.2f}]"}
        for (one, other), r in found.items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["encoders", "Spearman", "interval"]).set_index("encoders")


def smallest_agreement(surveys: Mapping[str, Survey], *, confidence: float) -> object:
    """Record ``encoder-agreement``: the pair of encoders that agrees least."""
    found = _agreements(surveys, confidence)
    if not found:
        return _not_measured("encoder-agreement", "the run has one encoder")
    least = min(found.values(), key=lambda r: r.value)
    n = len(next(iter(surveys.values())).occupations.nouns)
    return results.record(
        "encoder-agreement", value=least.value, low=least.low, high=least.high, n=n
    )


@house
def agreement(surveys: Mapping[str, Survey]) -> Figure:
    """Draw the ranks that encoders give to occupations against each other."""
    drawn = list(combinations(surveys, 2))[:3]
    made, panels = figure(1, max(1, len(drawn)), height=2.4, squeeze=False)
    for axes, (one, other), look in zip(
        panels[0], drawn, palette(map(str, drawn)).values(), strict=False
    ):
        ranks = [surveys[name].occupations.mean.argsort().argsort() + 1 for name in (one, other)]
        axes.plot(*ranks, **look.points(markersize=3.5))
        axes.set_xlabel(f"rank in {one.split('/')[-1]}")
        axes.set_ylabel(f"rank in {other.split('/')[-1]}")
    return made


@house
def trap(found: pd.DataFrame) -> Figure:
    """Draw the gap against the projection that it equals and against one that it does not."""
    made, (left, right) = figure(1, 2, height=2.6, sharex=True)
    looks = palette(["own", "shared"])
    left.axline((0, 0), slope=1, color="#999999", linewidth=0.8)
    left.plot(found["gap"], found["own"], **looks["own"].points(markersize=3.5))
    right.plot(found["gap"], found["shared"], **looks["shared"].points(markersize=3.5))
    left.set_ylabel("Own axis, rescaled")
    right.set_ylabel("Axis of the other occupations")
    made.supxlabel("Gap (cosine)", fontsize=10)
    return made
