"""Figures of the chapter "A law of inheritance"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.special import logit

from bbb_book.chapters.inheritance.foretold import Generator, levels, shares_of
from bbb_book.chapters.inheritance.generators import PLACES, SHOWN
from bbb_book.chapters.inheritance.law_claims import own_part, training_triples
from bbb_book.chapters.inheritance.law_tables import parts_of
from bbb_book.style import COLOURS, figure, house, palette, picture_grid
from bbb_core import rng
from bbb_core.theory import inherited_share

__all__ = ["doses", "foretold_levels", "parts", "pictures", "placements", "sweep", "training"]

ENCODERS = palette(["minilm", "e5", "glove", "clip:labour"])
GREY = "#777777"


def _look(g: Generator) -> dict[str, Any]:
    """Colour and marker by encoder; hollow with tokens, larger at more pixels."""
    look = ENCODERS[g.design.encoder]
    fill = "white" if g.design.conditioning == "tokens" else look.colour
    return look.points(
        markerfacecolor=fill, markersize=5 if g.design.size == 16 else 9, markeredgewidth=1.3
    )


def _legend(axes: Any, generators: Sequence[Generator], **where: Any) -> None:
    seen = [e for e in ENCODERS if any(g.design.encoder == e for g in generators)]
    marks = [Line2D([], [], **ENCODERS[e].points(), label=e) for e in seen]
    marks += [
        Line2D([], [], color=GREY, marker="o", linestyle="none", label="one vector"),
        Line2D([], [], color=GREY, marker="o", linestyle="none", markerfacecolor="white",
               label="tokens"),
        Line2D([], [], color=GREY, marker="o", linestyle="none", markersize=9, label="32 px"),
    ]  # fmt: skip
    axes.legend(handles=marks, **where)


@house
def sweep(g: Generator) -> Figure:
    """Draw a sweep: pictures on the way, shares with the fitted law, where neutral prompts lie."""
    v = g.values
    at, sheet = np.asarray(v["positions"]), np.asarray(v["sweep_sheet"])
    made, (top, axes) = figure(2, 1, height=4.4, gridspec_kw={"height_ratios": [1, 2.7]})
    strip = np.concatenate([np.concatenate(list(row), axis=2) for row in sheet], axis=1).transpose(
        1, 2, 0
    )
    step = (at[1] - at[0]) / 2
    top.imshow(strip, extent=(-step, 1 + step, 0, 1), aspect="auto", interpolation="nearest")
    top.set(xlim=(-step, 1 + step), xticks=[], ylim=(0, 1))
    top.set_yticks([0.75, 0.25], SHOWN[:2])
    top.grid(visible=False)
    top.spines[:].set_visible(False)
    top.tick_params(length=0)
    counts = np.asarray(v["sweep"])[..., :2].sum(0)
    axes.plot(at, shares_of(counts), "o", color=COLOURS["black"], label="drawn on the way")
    fine = np.linspace(-step, 1 + step, 200)
    law = inherited_share(fine, v["slope"], v["switch"])
    axes.plot(fine, law, color=COLOURS["blue"], label="fitted law")
    axes.axvline(0.5, color=GREY, linewidth=0.8)
    axes.axvline(v["switch"], color=COLOURS["blue"], linestyle="--", label="switch $t^*$")
    t = np.asarray(v["t"])
    axes.plot(t, g.shares("neutral"), "^", color=COLOURS["vermillion"], markersize=5,
              label="neutral prompts (not used for the fit)")  # fmt: skip
    axes.axvline(t.mean(), color=COLOURS["vermillion"], linestyle=":", label="their mean position")
    axes.set(xlabel="position $t$ between the man's prompt (0) and the woman's (1)",
             ylabel="share of women", ylim=(-0.03, 1.03), xlim=(-step, 1 + step))  # fmt: skip
    axes.legend(loc="upper left", fontsize=8)
    return made


@house
def foretold_levels(generators: Sequence[Generator]) -> Figure:
    """Draw the mean share drawn by neutral prompts against the one foretold, a mark per model."""
    made, axes = figure(height=4.0, width=5.6)
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    axes.fill_between([0, 1], [-0.1, 0.9], [0.1, 1.1], color="#eeeeee", zorder=0)
    for g, (foretold, drawn) in zip(generators, levels(generators), strict=True):
        axes.plot(foretold, drawn, **_look(g))
    axes.set(xlabel="mean share of women foretold from the sweep", xlim=(-0.03, 1.03),
             ylabel="mean share drawn by neutral prompts", ylim=(-0.03, 1.03))  # fmt: skip
    axes.set_aspect("equal")
    _legend(axes, generators, loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    return made


@house
def parts(generators: Sequence[Generator]) -> Figure:
    """Draw every generator's log-odds: begotten, its own, their sum, and what was drawn."""
    found = [(g, *parts_of(g)) for g in generators]
    found.sort(key=lambda row: row[1] + row[2])
    made, axes = figure(height=1.2 + 0.19 * len(found))
    looks = palette(["begotten by the embedding", "the generator's own"])
    marks = list(looks.items())
    for y, (_, begotten, own, drawn) in enumerate(found):
        for shift, (name, look), value in zip((0.17, -0.17), marks, (begotten, own), strict=True):
            axes.barh(y + shift, value, height=0.34, **look.bars(label=name if y == 0 else None))
        axes.plot(begotten + own, y, "D", color="black", markersize=4,
                  label="sum: foretold" if y == 0 else None)  # fmt: skip
        axes.plot(drawn, y, "o", color="black", markerfacecolor="white", markersize=6, zorder=1,
                  label="drawn" if y == 0 else None)  # fmt: skip
    names = [
        f"{g.design.encoder}, {g.design.conditioning}, {g.design.women:g}"
        + (", 32 px" if g.design.size > 16 else "")
        for g, *_ in found
    ]
    axes.set_yticks(range(len(found)), names, fontsize=7)
    axes.set_ylim(-0.8, len(found) - 0.2)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel("log-odds of drawing a woman (0: balance)")
    if found:
        axes.legend(loc="upper left", fontsize=8)
    return made


@house
def training(generators: Sequence[Generator]) -> Figure:
    """Draw the own log-odds against the logit of the training share, a line per set of three."""
    made, axes = figure(height=3.0, width=5.6)
    triples = training_triples(generators)
    for triple in triples.values():
        x = sorted(triple)
        first = triple[x[0]]
        look = _look(first) | {"linestyle": "-", "linewidth": 1.0}
        axes.plot(logit(x), [own_part(triple[share]) for share in x], **look)
    ends = np.array([-1.5, 1.5])
    axes.plot(ends, ends, color="black", linewidth=0.8, linestyle="--")
    axes.annotate("slope 1", (1.55, 1.5), fontsize=8, va="center", ha="left")
    axes.set(xlabel="logit of the training share of women",
             ylabel=r"own log-odds $k\,(1/2 - t^*)$")  # fmt: skip
    drawn = [g for triple in triples.values() for g in triple.values()]
    _legend(axes, drawn, loc="center left", bbox_to_anchor=(1.06, 0.5), fontsize=8)
    return made


@house
def doses(generators: Sequence[Generator]) -> Figure:
    """Draw the change of the mean share by planted moves: along the way, and across it."""
    made, (left, right) = figure(1, 2, height=3.0, sharey=True)
    for axes in (left, right):
        axes.plot([-0.05, 1], [-0.05, 1], color="black", linewidth=0.8)
        axes.axhline(0, color=GREY, linewidth=0.6)
    for g in generators:
        v = g.values
        ends = inherited_share(np.asarray(v["along_t"])[[0, -1]], v["slope"], v["switch"])
        foretold = float(ends[1].mean() - ends[0].mean())
        for axes, counts in ((left, np.asarray(v["along"])[[0, -1]]), (right, v["across"])):
            share = shares_of(np.asarray(counts)[..., :2])
            axes.plot(foretold, np.nanmean(share[1]) - np.nanmean(share[0]), **_look(g))
    left.set(xlabel="change foretold", ylabel="change of the mean share drawn")
    right.set(xlabel="change foretold for a move along")
    left.set_title("moved along the way")
    right.set_title("moved as far across it")
    _legend(left, generators, loc="upper left", fontsize=7)
    return made


@house
def placements(generators: Sequence[Generator]) -> Figure:
    """Draw mean imbalance by placement, a mark per generator."""
    names = [p for p in PLACES if any(p in g.values["placed"] for g in generators)]
    made, axes = figure(height=0.9 + 0.36 * len(names))
    spread = rng.generator(0, "spread of dots").uniform(-0.22, 0.22, len(generators))
    for i, place in enumerate(names):
        known = [j for j, g in enumerate(generators) if place in g.values["placed"]]
        found = np.array([generators[j].imbalances(place).mean() for j in known])
        for j, value in zip(known, found, strict=True):
            axes.plot(value, i + spread[j], **_look(generators[j]), alpha=0.8)
        axes.plot([found.mean()] * 2, [i - 0.38, i + 0.38], color="black", linewidth=2)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlabel="mean imbalance over occupations, corrected for sampling (0: balance)",
             xlim=(-0.02, 0.52))  # fmt: skip
    _legend(axes, generators, loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    return made


@house
def pictures(g: Generator) -> Figure:
    """Draw what one generator made of four prompts at every placement."""
    return picture_grid(g.values["sheet"], rows=list(g.values["placed"]), blocks=SHOWN)
