"""Figures of the chapter on the sufficient condition."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bbb_book.style import figure, house, palette

__all__ = ["average", "cyclic", "defect", "two_sided"]


def _sides(axes: Axes, table: pd.DataFrame) -> None:
    looks = palette(["upper", "lower", "exact"])
    x = table["position"]
    axes.fill_between(x, table["lower_kl"], table["upper_kl"], color="#bbbbbb", alpha=0.5, lw=0)
    for name in ("upper", "lower"):
        weak = table[f"{name}_triangle"]
        axes.plot(x, weak, color=looks[name].colour, linestyle=":", linewidth=0.9)
    axes.plot(x, table["upper"], label=r"T2, with $\Lambda$", **looks["upper"].lines())
    axes.plot(x, table["lower"], label=r"T1, same $\Lambda$", **looks["lower"].lines())
    axes.plot(x, table["imbalance"], label="exact", **looks["exact"].lines(marker="^", ms=3))


@house
def two_sided(table: pd.DataFrame) -> Figure:
    """Draw the exact imbalance between both bounds, over the whole way and near the mirror."""
    made, (left, right) = figure(1, 2, height=3.2, gridspec_kw={"width_ratios": [3, 2]})
    for axes in (left, right):
        _sides(axes, table)
        axes.set_xlabel("position of the neutral prompt")
    left.set(ylabel="imbalance", ylim=(-0.01, 0.52), xlim=(0, 1))
    right.set(xlim=(0.4, 0.6), ylim=(-0.005, 0.2))
    left.plot([], [], color="#bbbbbb", lw=6, label="between the path-KL forms")
    handles, labels = left.get_legend_handles_labels()
    made.legend(handles, labels, loc="outside upper center", ncols=4)
    return made


@house
def defect(table: pd.DataFrame) -> Figure:
    """Draw the difference of shares of a leaning model and the two forms of the defect term."""
    made, axes = figure(height=2.8)
    names = {
        "difference": "model, exact",
        "double": r"bound $2\sqrt{\mathrm{KL}/2}$",
        "single": r"$\sqrt{\mathrm{KL}/2}$: too small",
        "symmetrised": "symmetrised copy, exact",
    }
    for column, look in palette(names).items():
        style = look.lines(marker=look.marker)
        axes.plot(table["lean"], table[column], label=names[column], **style)
    axes.set(
        xlabel="skew to group a, as a share of the leak", ylabel="difference of the two shares"
    )
    axes.legend()
    return made


@house
def cyclic(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw sampled shares of the groups of a cyclic oracle, and imbalance with its bound."""
    made, (left, right) = figure(1, 2, height=2.8)
    shares = tables["shares"]
    for g, look in palette(sorted(shares["group"].unique())).items():
        rows = shares[shares["group"] == g]
        error = [rows["share"] - rows["low"], rows["high"] - rows["share"]]
        style = look.points(linestyle=look.line, capsize=2)
        left.errorbar(rows["position"], rows["share"], error, label=f"group {g + 1}", **style)
    left.set(xlabel="position, centre (0) to group 1 (1)", ylabel="share", ylim=(0, 1))
    left.legend(loc="upper left")
    table = tables["imbalance"]
    looks = palette(["measured", "bound"])
    error = [table["imbalance"] - table["low"], table["high"] - table["imbalance"]]
    style = looks["measured"].points(capsize=2)
    right.errorbar(table["position"], table["imbalance"], error, label="measured", **style)
    right.plot(
        table["position"], table["bound"], label="bound (certified)", **looks["bound"].lines()
    )
    right.set(xlabel="position, centre (0) to group 1 (1)", ylabel="imbalance", ylim=(0, None))
    right.legend(loc="upper left")
    return made


@house
def average(table: pd.DataFrame) -> Figure:
    """Draw the imbalance of subclass sampling and of the average embedding against the bend."""
    made, axes = figure(height=2.6)
    names = {
        "average": "average embedding",
        "delta": r"guarantee of subclass sampling, $\delta$",
        "subclass": "subclass sampling",
    }
    for column, look in palette(names).items():
        style = look.lines(marker=look.marker)
        axes.plot(table["power"], table[column], label=names[column], **style)
    axes.set(xlabel="bend q of the map from embedding to weight", ylabel="imbalance")
    axes.set_ylim(-0.02, 0.55)
    axes.legend(loc="upper left")
    return made
