"""Figures of the chapter "Biased embeddings give imbalanced generations"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bbb_book.oracles.exact_law import ExactComparison
from bbb_book.style import figure, house, palette

__all__ = ["coverage", "ladder", "laws", "price", "shares", "step_divergences", "tightness"]

RUNGS = {
    "global_form": "global $L$, triangle form",
    "per_step": "per-step $L_k$, triangle form",
    "sharp": "per-step $L_k$, T1",
    "path_kl": "path KL (exact)",
    "certified": "certified (sampled)",
    "exact": "total variation (exact)",
}
GREY = "#777777"


def _plain_ticks(axes: Axes, which: str, values: Sequence[float | int]) -> None:
    """Put plain numbers on a logarithmic axis."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(values))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))


@house
def laws(exact: ExactComparison, mixture: np.ndarray, *, names: tuple[str, str]) -> Figure:
    """Draw the sampler's two densities of x_0 and the mixture behind the first."""
    made, axes = figure(height=2.4)
    looks = palette([*names, "mixture"])
    grid = exact.grid.numpy()
    for name, density in zip(names, (exact.density, exact.other_density), strict=True):
        axes.plot(grid, density.numpy(), label=name, **looks[name].lines())
    axes.plot(grid, mixture, color=GREY, linewidth=0.9, linestyle=":", label="mixture behind it")
    axes.set(xlabel="image $x_0$ (one dimension)", ylabel="density", xlim=(-2.2, 2.2))
    axes.axvline(0, color="black", linewidth=0.8)
    top = axes.get_ylim()[1]
    axes.text(-0.06, 0.6 * top, "read as b", ha="right")
    axes.text(0.06, 0.6 * top, "read as a", ha="left")
    axes.legend(loc="upper left")
    return made


@house
def step_divergences(exact: ExactComparison, largest: np.ndarray) -> Figure:
    """Draw the expected and the largest possible divergence of every step."""
    made, axes = figure(height=2.6)
    looks = palette(["expected", "largest"])
    steps = np.arange(1, len(largest) + 1)
    axes.plot(
        steps, largest, label="largest over all images (Lipschitz)", **looks["largest"].lines()
    )
    axes.plot(
        steps,
        exact.step_kl.numpy(),
        label="expected along paths (path KL)",
        **looks["expected"].lines(),
    )
    axes.set(xlabel="step $k$, from noise to picture", ylabel="divergence (nats)", yscale="log")
    floor = float(exact.step_kl.max()) * 1e-6
    axes.set_ylim(bottom=floor)
    axes.invert_xaxis()
    axes.legend(loc="lower center")
    return made


@house
def ladder(table: pd.DataFrame) -> Figure:
    """Draw the rungs against the distance of the conditions, one panel per separation."""
    separations = sorted(table.separation.unique())
    made, panels = figure(1, len(separations), height=3.3, sharey=True, squeeze=False)
    looks = palette([*(name for name in RUNGS if name != "sharp"), "sharp"])
    distances = sorted(table.distance.round(6).unique())
    for axes, separation in zip(panels[0], separations, strict=True):
        rows = table[table.separation == separation].sort_values("distance")
        for name, label in RUNGS.items():
            look = looks[name]
            if name == "certified":
                style = look.points(fillstyle="none", markersize=7)
            else:
                style = look.lines(marker=look.marker, markersize=3.5)
            axes.plot(rows.distance, rows[name], label=label, **style)
        axes.axhspan(1, 30, color="#eeeeee", zorder=0)
        axes.set(xscale="log", yscale="log", xlabel="distance $|w - w'|$", ylim=(0.003, 12))
        _plain_ticks(axes, "x", distances[:: max(1, len(distances) // 3)])
        _plain_ticks(axes, "y", [0.01, 0.1, 1, 10])
        axes.annotate(f"$m/s = {separation:g}$", (0.95, 0.04), xycoords="axes fraction", ha="right")
        axes.annotate("says nothing", (0.05, 0.93), xycoords="axes fraction", color=GREY)
    panels[0][0].set_ylabel("bound on total variation")
    handles, labels = panels[0][0].get_legend_handles_labels()
    made.legend(handles, labels, loc="outside upper center", ncols=3)
    return made


@house
def tightness(by_separation: pd.DataFrame, by_steps: pd.DataFrame) -> Figure:
    """Draw bound over truth against the separation, and against the number of steps."""
    made, (left, right) = figure(1, 2, height=2.9)
    looks = palette(["path", "law", "limit", "gap"])
    rows = by_separation.sort_values("separation")
    for axes, x, data in ((left, "separation", rows), (right, "steps", by_steps)):
        axes.plot(data[x], data.path_ratio, label="path KL", **looks["path"].lines(marker="o"))
        axes.plot(
            data[x], data.law_ratio, label="KL of distributions", **looks["law"].lines(marker="s")
        )
        axes.axhline(1, color="black", linewidth=0.8)
    left.plot(
        rows.separation,
        rows.limit,
        label="ceiling of KL of distributions",
        **looks["limit"].lines(),
    )
    left.set(xlabel="separation $m/s$", ylabel="bound / exact total variation")
    right.plot(
        by_steps.steps, by_steps.gap, label="sampler's TV / mixture's", **looks["gap"].lines()
    )
    right.set(xlabel="number of steps $K$", xscale="log")
    _plain_ticks(right, "x", sorted(by_steps.steps.unique().tolist()))
    for axes in (left, right):
        axes.legend(loc="upper right")
    return made


@house
def shares(table: pd.DataFrame, *, purity: float) -> Figure:
    """Draw exact and guaranteed shares of group a against the neutral prompt's position."""
    made, axes = figure(height=3.0)
    names = {
        "share": "drawn (exact)",
        "path": "guaranteed, path KL",
        "certified": "guaranteed, certified",
        "lipschitz": "guaranteed, T1",
        "triangle": "guaranteed, T1 in its triangle form",
    }
    looks = palette(names)
    for name, label in names.items():
        look = looks[name]
        if name == "certified":
            style = look.points(fillstyle="none", markersize=7)
        else:
            style = look.lines(marker=look.marker, markersize=3.5)
        axes.plot(table.position, table[name], label=label, **style)
    axes.axhline(0.5, color="black", linewidth=0.8)
    axes.annotate("balance", (0.99, 0.51), xycoords=("axes fraction", "data"), ha="right")
    axes.set(
        xlabel=f"neutral prompt: 0 is group a's prompt (purity {purity:g}), 1 is group b's",
        ylabel="share of group a",
        ylim=(-0.03, 1.03),
    )
    axes.legend(loc="upper right", bbox_to_anchor=(1.0, 1.05))
    return made


@house
def price(table: pd.DataFrame) -> Figure:
    """Draw the steepness that balance requires and the steepness of the oracle."""
    made, axes = figure(height=2.7)
    names = {
        "constant": "the oracle's Lipschitz constant $\\Lambda$",
        "required": "least $\\Lambda$ that balance requires (T1)",
        "triangle": "the same by the triangle form",
    }
    looks = palette(names)
    for name, label in names.items():
        axes.plot(table.radius, table[name], label=label, **looks[name].lines())
    axes.fill_between(table.radius, 1e-2, table.required, color="#eeeeee", zorder=0)
    axes.annotate("no balanced model", (0.06, 0.12), xycoords="axes fraction", color=GREY)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="distance of the balanced prompt to the groups' prompts",
        ylabel="steepness",
        xlim=(table.radius.min(), table.radius.max()),
        ylim=(table.triangle.min() / 3, table.constant.max() * 1.5),
    )
    axes.legend(loc="upper right")
    return made


@house
def coverage(table: pd.DataFrame, rates: pd.DataFrame, *, nominal: float) -> Figure:
    """Draw bounds against the truth of random oracles, and rates of failure on unkind models."""
    made, (left, right) = figure(1, 2, height=3.2)
    bounds = {"kl_form": "from exact path KL", "certified": "certified"}
    rows = table[table.exact > 1e-5]
    low, high = rows.exact.min() / 1.5, 1.5
    left.plot([low, high], [low, high], color="black", linewidth=0.8)
    for (name, look), label in zip(palette(bounds).items(), bounds.values(), strict=True):
        left.plot(
            rows.exact, rows[name], markersize=3, label=label, **look.points(fillstyle="none")
        )
    left.set(xscale="log", yscale="log", xlabel="exact total variation", ylabel="bound")
    left.annotate("fails", (0.93, 0.06), xycoords="axes fraction", ha="right", color=GREY)
    left.legend(loc="upper left")
    kinds = {
        "kl_misses": "limit of path KL",
        "kl_tv_misses": "bound from it",
        "misses": "certificate",
    }
    looks, y = palette(kinds), np.arange(len(rates))
    for i, (name, label) in enumerate(kinds.items()):
        at, found = y + 0.22 * (i - 1), rates[name]
        right.hlines(at, found["low"], found["high"], color=looks[name].colour, linewidth=1)
        right.plot(found["rate"], at, label=label, markersize=4, **looks[name].points())
    right.axvline(nominal, color="black", linewidth=0.8)
    right.set_yticks(y, rates.index)
    right.set(xlabel="share of runs below the truth", xlim=(-0.01, 1))
    right.invert_yaxis()
    right.legend(loc="lower right")
    return made
