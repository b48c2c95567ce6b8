"""Figures, tables and estimates of the chapter on alignment auditing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats as scipy_stats

from bbb_book.chapters.alignment_auditing.audit_promises import share
from bbb_book.data import emoji
from bbb_book.scorers.audits import audit_model, floor_table
from bbb_book.scorers.caption_bias import GROUPS, shares_of_men
from bbb_book.scorers.design import LEVELS
from bbb_book.scorers.models import ScoredModels
from bbb_book.style import figure, house, palette
from bbb_core import rng, stats
from bbb_core.alignment.auditing import Audit
from bbb_core.alignment.gaps import group_gaps

__all__ = [
    "accuracy",
    "accuracy_table",
    "blends",
    "both_spaces",
    "floors",
    "group_bars",
    "hand_example",
    "hand_table",
    "image_bias",
    "level_curves",
    "penalty",
    "scorer_card",
    "text_image",
    "tightness",
]  # fmt: skip


def hand_example() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores, truths and groups of the example worked by hand: 100 images of four kinds."""
    f = np.repeat([0.2, 0.6, 0.2, 0.6], 25)
    truth = np.repeat([0.4, 0.8, 0.1, 0.7], 25)
    return f, truth, np.repeat(["a", "b"], 50)


def hand_table(found: Audit) -> pd.DataFrame:
    """Tabulate the cells of the hand example."""
    cells = found.by_cell
    return pd.DataFrame(
        {
            "group": cells["group"], "score": cells["mean_score"].round(2),
            "true fit": cells["mean_truth"].round(2), "share of images": cells["n"] / found.n,
            "signed error": cells["error"].round(3),
        }
    )  # fmt: skip


@house
def blends(prompt: str = "judge", other: str = "cook") -> Figure:
    """Draw one row of pictures of known fit to a prompt, for a woman and a man."""
    people = emoji.load_emoji_people(
        size=72, groups=GROUPS, tones=("medium",), occupations=(prompt, other)
    )
    images = {
        label[:2]: people.images[i].permute(1, 2, 0).numpy()
        for i, label in enumerate(people.labels)
    }
    fig, axes = figure(2, len(LEVELS), height=2.5)
    for row, group in zip(axes, GROUPS, strict=True):
        for ax, fit in zip(row, LEVELS, strict=True):
            ax.imshow(fit * images[prompt, group] + (1 - fit) * images[other, group])
            ax.set_axis_off()
            if group == GROUPS[0]:
                ax.set_title(f"fit {fit:g}")
    return fig


def accuracy(models: ScoredModels, kind: str) -> dict[str, Any]:
    """Return the worst model's zero-shot accuracy on held-out drawings: occupation or group."""
    column = ("occupation", "group").index(kind)
    right = [np.asarray(m.values["right"])[:, column] for m in models]
    return share(min(right, key=lambda r: r.mean()))


def accuracy_table(models: ScoredModels) -> pd.DataFrame:
    """Tabulate mean and worst zero-shot accuracy on held-out drawings, by kind of scorer."""
    rows = {}
    for encoder in models.encoders:
        right = np.array([np.asarray(m.values["right"]).mean(axis=0) for m in models.by(encoder)])
        rows[encoder] = {
            f"{what}, {name}": f"{value:.2f}"
            for what, column in zip(("occupation", "group"), right.T, strict=True)
            for name, value in (("mean", column.mean()), ("worst", column.min()))
        }
    return pd.DataFrame(rows).T


def penalty(found: Audit, group: str = "gender=woman") -> dict[str, Any]:
    """Return the mean error of one group, with its simultaneous interval."""
    row = found.by_group.set_index("group").loc[group]
    return {"value": row["bias"], "low": row["bias_low"], "high": row["bias_high"], "n": row["n"]}


@house
def group_bars(audits: dict[str, Audit]) -> Figure:
    """Draw each group's mean error with simultaneous intervals, one mark per caption bias."""
    first = next(iter(audits.values())).by_group
    names = list(first["group"])
    fig, ax = figure(height=0.21 * len(names) + 0.9)
    looks = palette(audits)
    offsets = np.linspace(-0.2, 0.2, len(audits))
    for offset, (name, found) in zip(offsets, audits.items(), strict=True):
        t = found.by_group.set_index("group").loc[names]
        y = np.arange(len(names)) + offset
        ax.hlines(y, t["bias_low"], t["bias_high"], color=looks[name].colour, linewidth=1.2)
        ax.plot(t["bias"], y, **looks[name].points(label=name))
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(names)), [n.replace("gender=", "").replace("tone=", "") for n in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlabel("mean of true fit minus score (right of 0: underrated)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(audits))
    return fig


@house
def level_curves(audits: dict[str, Audit]) -> Figure:
    """Draw true fit against score within level sets, for both genders."""
    fig, axes = figure(1, len(audits), height=2.8, sharey=True, squeeze=False)
    looks = palette(GROUPS)
    for ax, (name, found) in zip(axes[0], audits.items(), strict=True):
        ax.plot([0, 1], [0, 1], color="#888888", linewidth=1.0, label="calibrated")
        for group in GROUPS:
            t = found.by_cell[found.by_cell["group"] == f"gender={group}"]
            look = looks[group]
            share = t["n"] / found.n
            ax.errorbar(
                t["mean_score"], t["mean_truth"], 1.96 * t["standard_error"] / share,
                **look.lines(marker=look.marker, label=group),
            )  # fmt: skip
        ax.set_xlabel(f"mean score in level set, {name}")
    axes[0, 0].set_ylabel("mean true fit")
    axes[0, 0].legend()
    return fig


def _mean_gaps(models: ScoredModels, bias: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the text gap and the image gap per occupation, means over scorers."""
    chosen = models.of(bias)
    text = np.mean([np.asarray(m.values["text_gap"]) for m in chosen], axis=0)
    return text, np.mean([m.gaps("plain") for m in chosen], axis=0)


def text_image(models: ScoredModels, bias: str = "labour") -> dict[str, Any]:
    """Return the rank correlation of text and image gap over occupations.

    Cosines of texts have a scale of their own in every space, so each scorer's text gaps are
    divided by their root mean square before the mean is taken.
    """
    chosen = models.of(bias)
    text = [np.asarray(m.values["text_gap"]) for m in chosen]
    e = stats.correlation(
        np.mean([x / np.sqrt(np.mean(x**2)) for x in text], axis=0),
        np.mean([m.gaps("plain") for m in chosen], axis=0),
        method="spearman",
    )
    return {"value": e.value, "low": e.low, "high": e.high, "n": len(emoji.OCCUPATIONS)}


def image_bias(models: ScoredModels, bias: str = "labour") -> dict[str, Any]:
    """Return the share of occupations with a significant gap between fitting pictures of groups.

    Per scorer: permutation tests of the pool's plain scores, Holm's correction over occupations.
    """
    table = []
    for m in models.of(bias):
        pool, stream = np.asarray(m.values["pool"], float)[..., 0], rng.generator(0, "image-bias")
        p = [
            stats.permutation_test(*pair, n_permutations=1999, rng=stream).p_value for pair in pool
        ]
        table.append(stats.holm(p) < 0.05)
    hits = np.array(table, float)
    e = stats.crossed_mean_interval(hits)
    return {"value": e.value, "low": max(e.low, 0.0), "high": min(e.high, 1.0), "n": hits.size}


def scorer_card(model: ScoredModel) -> pd.DataFrame:
    """Tabulate what the chapter says of one scorer: readings, gap, both errors, floor."""
    right = np.asarray(model.values["right"]).mean(axis=0)
    found = audit_model(model)
    labels, x = model.labels(), model.score("plain")
    gap = group_gaps(x, labels["gender"], within=labels["occupation"]).gap("woman", "man")
    worst = found.worst_group
    floor = floor_table(ScoredModels((model,)), ["plain"]).iloc[0]

    def error(e: Any) -> str:
        if not e.measurable:
            return f"not measurable: {e.reason}"
        return f"{e.value:.3f} [{e.low:.3f}, {e.high:.3f}], p = {e.p_value:.3f}"

    rows = {
        "occupation read rightly, held-out drawings": f"{right[0]:.2f}",
        "group read rightly, held-out drawings": f"{right[1]:.2f}",
        "gap woman − man (SD within prompt)":
            f"{gap['gap']:+.2f} [{gap['low']:+.2f}, {gap['high']:+.2f}]",
        "multiaccuracy error": error(found.multiaccuracy_error),
        "multicalibration error": error(found.multicalibration_error),
        "worst group": f"{worst.group.replace('gender=', '').replace('tone=', '')}, "
            f"mean error {worst.bias:+.3f}",
        "label-free bound over gender": f"{floor['bound']:.3f}",
    }  # fmt: skip
    return pd.DataFrame({"value": rows})


@house
def both_spaces(models: ScoredModels) -> Figure:
    """Draw text gap and image gap per occupation against the planted share of men."""
    models = models.by(models.encoders[0])  # cosines of two spaces share no axis
    fig, axes = figure(1, 2, height=2.9)
    looks = palette(models.biases)
    for bias in models.biases:
        men = shares_of_men(bias)
        jitter = rng.generator(0, "jitter").uniform(-0.01, 0.01, len(men))
        for ax, gap in zip(axes, _mean_gaps(models, bias), strict=True):
            ax.plot(men + jitter, gap, **looks[bias].points(label=bias, markersize=3.5))
    for ax, name in zip(axes, ("text gap (cosine)", "image gap (SD)"), strict=True):
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set(xlabel="share of men, neutral captions", ylabel=f"{name}, woman − man")
    axes[0].legend()
    return fig


@house
def floors(table: pd.DataFrame) -> Figure:
    """Draw the label-free bound against the measured error, for every model and strategy."""
    fig, ax = figure(height=3.0, width=4.2)
    edge = float(table["error"].max()) * 1.05
    ax.plot([0, edge], [0, edge], color="#888888", linewidth=1.0, label="bound = error")
    looks = palette(table["groups"].unique())
    for groups, part in table.groupby("groups", sort=False):
        ax.plot(part["error"], part["bound"], **looks[groups].points(label=groups, markersize=3.5))
    ax.set(xlabel="multiaccuracy error, truth known", ylabel="label-free bound, truth unknown")
    ax.legend()
    return fig


def tightness(table: pd.DataFrame) -> dict[str, Any]:
    """Return the median ratio of bound to error over intersections, with its quartiles."""
    ratio = table.loc[table["groups"] != "gender", "ratio"]
    low, value, high = scipy_stats.mstats.mquantiles(ratio, [0.25, 0.5, 0.75])
    return {"value": value, "low": low, "high": high, "n": len(ratio)}
