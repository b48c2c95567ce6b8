"""What the audit says of scorers with a known caption bias: estimates and tables (D5, T6)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

from bbb_book import results
from bbb_book.chapters.alignment_auditing.audit_promises import share
from bbb_book.data import emoji
from bbb_book.scorers.audits import audit_model, fewer, floor_table
from bbb_book.scorers.caption_bias import without_share
from bbb_book.scorers.models import ScoredModel, ScoredModels
from bbb_core import rng, stats
from bbb_core.alignment import Audit, group_gaps

__all__ = [
    "accuracy",
    "accuracy_table",
    "hand_table",
    "image_bias",
    "mean_gaps",
    "penalty",
    "scorer_card",
    "show_even",
    "text_image",
    "tightness",
]


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


def show_even(bias: str) -> None:
    """Glue how many occupations, and which, have balanced captions for want of a labour share."""
    even = without_share(bias)
    results.show_number("n-even", even.sum(), digits=0)
    results.say("even-names", ", ".join(np.array(emoji.OCCUPATIONS)[even]))


def penalty(found: Audit, group: str = "gender=woman") -> dict[str, Any]:
    """Return the mean error of one group, with its simultaneous interval."""
    row = found.by_group.set_index("group").loc[group]
    return {"value": row["bias"], "low": row["bias_low"], "high": row["bias_high"], "n": row["n"]}


def mean_gaps(models: ScoredModels, bias: str) -> tuple[np.ndarray, np.ndarray]:
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
    low, high = max(e.low, 0.0), min(e.high, 1.0)
    return {"value": e.value, "low": low, "high": high, "n": fewer(hits)}


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


def tightness(table: pd.DataFrame) -> dict[str, Any]:
    """Return the median ratio of bound to error over intersections, with its quartiles."""
    ratio = table.loc[table["groups"] != "gender", "ratio"]
    low, value, high = scipy_stats.mstats.mquantiles(ratio, [0.25, 0.5, 0.75])
    return {"value": value, "low": low, "high": high, "n": len(ratio)}
