"""Figures, tables and words of the chapter on real alignment scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bbb_book.data import published
from bbb_book.data.published_scores import SCORERS, PublishedScores, audit_published
from bbb_book.results.rules import NOT_MEASURED
from bbb_book.results.unmeasured import say, show_or_say
from bbb_book.style import figure, house, palette
from bbb_core import checks
from bbb_core.stats import Estimate

__all__ = ["ABSENT", "audit", "crossed", "finding", "gaps", "numbers", "screening", "survivors"]

ABSENT = "Not measured: the published scores were not at hand when this page was built."
LOOKS = palette(SCORERS.values())


def audit(source: str, **options: Any) -> PublishedScores | None:
    """Audit the published scores; None if `source` is ``none`` or the file cannot be had.

    A file with a wrong hash or a malformed record is an error, not an absence.
    """
    checks.choice("source", source, ("published", "none"))
    if source == "none" or not published.available("mj-bench-bias"):
        return None
    return audit_published(published.load("mj-bench-bias"), **options)


def finding(found: PublishedScores | None, claim_id: str) -> tuple[Any, int | None]:
    """Return (estimate, n) of a claim, or (None, None) without data."""
    if found is None:
        return None, None
    if claim_id == "real-defects":
        count = len(found.defective)
        return Estimate(count, count, count), len(found.screen)
    if claim_id == "real-survivors":
        count = len(found.survivors())
        return Estimate(count, count, count), len(found.all_pairs)
    if claim_id == "real-floor":
        return found.floor("ImageReward"), found.occupations
    scorer = {"clipscore": "CLIPScore", "imagereward": "ImageReward", "hps": "HPSv2.1"}
    return found.gap(scorer[claim_id.split("-")[1]], "female", "male"), found.occupations


def numbers(found: PublishedScores | None) -> None:
    """Glue the other words and numbers of the chapter's prose."""
    measured = "The file was read and its hash verified; every number is computed."
    say("real-status", ABSENT if found is None else measured)
    values: dict[str, float | None] = dict.fromkeys(
        ("real-images", "real-occupations", "real-pairs", "real-blip-agreement")
    )
    constant = reversed_ = NOT_MEASURED
    if found is not None:
        screen = found.screen
        values["real-images"] = found.images
        values["real-occupations"] = found.occupations
        values["real-pairs"] = len(found.all_pairs)
        turned = screen[screen["finding"] == "reversed"]
        values["real-blip-agreement"] = float(turned["agreement"].min()) if len(turned) else None
        constant, reversed_ = (
            ", ".join(screen.loc[screen["finding"] == word, "column"]) or "none"
            for word in ("constant", "reversed")
        )
    for name, value in values.items():
        show_or_say(name, value, digits=2 if name == "real-blip-agreement" else 0)
    say("real-surviving", NOT_MEASURED if found is None else _surviving(found))
    say("real-constant", constant)
    say("real-reversed", reversed_)


def _surviving(found: PublishedScores) -> str:
    """Name the scorers whose gap between women and men survives the correction."""
    s = found.survivors()
    mine = s[(s["first"] == "gender=female") & (s["second"] == "gender=male")]
    return " and ".join(sorted(mine["scorer"])) or "no scorer"


def _absent() -> Figure:
    fig, ax = figure(height=1.0)
    ax.set_axis_off()
    ax.text(0.5, 0.5, ABSENT, ha="center", va="center", transform=ax.transAxes)
    return fig


def _table(frame: pd.DataFrame | None) -> Any:
    return ABSENT if frame is None else frame.style.hide(axis="index")


def screening(found: PublishedScores | None) -> Any:
    """Tabulate what the screening says of every score column."""
    if found is None:
        return _table(None)
    s = found.screen
    words = [
        "" if low != low else f"{a:+.2f} [{low:+.2f}, {high:+.2f}]"
        for a, low, high in zip(s["agreement"], s["low"], s["high"], strict=True)
    ]
    return _table(
        pd.DataFrame(
            {
                "column": s["column"], "distinct values": s["distinct"],
                "agreement with the others": words, "finding": s["finding"],
            }
        )
    )  # fmt: skip


def survivors(found: PublishedScores | None) -> Any:
    """Tabulate the gaps that survive the correction over all scorers and pairs, or the nearest."""
    if found is None:
        return _table(None)
    kept = found.survivors()
    s = (kept if len(kept) else found.all_pairs).sort_values("adjusted").head(max(len(kept), 3))
    return _table(
        pd.DataFrame(
            {
                "scorer": s["scorer"], "first": s["first"].str.replace("=", ": "),
                "second": s["second"].str.replace("=", ": "),
                "first minus second (SD)": s["gap"].map("{:+.2f}".format),
                "adjusted p": s["adjusted"].map("{:.4f}".format),
            }
        )
    )  # fmt: skip


@house
def gaps(found: PublishedScores | None) -> Figure:
    """Draw every pair's gap by attribute, three scorers side by side, with both intervals."""
    if found is None:
        return _absent()
    order = found.gaps["CLIPScore"].pairs[["attribute", "first", "second"]]
    fig, ax = figure(height=0.24 * len(order) + 0.9)
    for offset, (name, g) in zip((-0.22, 0, 0.22), found.gaps.items(), strict=True):
        y = np.arange(len(order)) + offset
        p = g.pairs
        ax.hlines(y, p["family_low"], p["family_high"], color=LOOKS[name].colour, linewidth=0.8)
        ax.hlines(y, p["low"], p["high"], color=LOOKS[name].colour, linewidth=2.2)
        ax.plot(p["gap"], y, **LOOKS[name].points(label=name, markersize=4))
    _pairs_axis(ax, order)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    return fig


def _pairs_axis(ax: Any, order: pd.DataFrame) -> None:
    words = [
        f"{a.split('=')[1]} − {b.split('=')[1]}"
        for a, b in zip(order["first"], order["second"], strict=True)
    ]
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(order)), words)
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.set_xlabel("gap within occupation (SD), first minus second")
    changes = np.flatnonzero(
        order["attribute"].to_numpy()[1:] != order["attribute"].to_numpy()[:-1]
    )
    for place in changes:
        ax.axhline(place + 0.5, color="#888888", linewidth=0.6, linestyle=":")


@house
def crossed(found: PublishedScores | None) -> Figure:
    """Draw the mean of every intersection of requested gender and age, per scorer."""
    if found is None:
        return _absent()
    fig, axes = figure(1, 3, height=2.5, sharey=True)
    ages, genders = ("young", "adult", "old"), ("male", "female", "non-binary")
    styles = palette(genders)
    for ax, (name, g) in zip(axes, found.crossed.items(), strict=True):
        means = g.by_group.set_index("group")["mean"]
        for gender in genders:
            y = [means[f"gender={gender} & age={age}"] for age in ages]
            look = styles[gender]
            ax.plot(ages, y, **look.lines(marker=look.marker, label=gender))
        ax.axhline(0, color="black", linewidth=0.6)
        ax.set_xlabel(name)
    axes[0].set_ylabel("mean within occupation (SD)")
    axes[0].legend()
    return fig
