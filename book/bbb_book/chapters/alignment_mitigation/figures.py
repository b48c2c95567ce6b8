"""Figures, tables and estimates of the chapter on mitigating alignment scores (T5)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bbb_book.scorers.audits import audit_model, quality, ranking_auc
from bbb_book.scorers.caption_bias import shares_of_men
from bbb_book.scorers.models import STRATEGY_COLUMNS, ScoredModel, ScoredModels
from bbb_book.style import figure, house, palette
from bbb_core import rng, stats
from bbb_core.alignment.baselines import isotonic
from bbb_core.alignment.boosting import repair

__all__ = [
    "AVERAGE",
    "READ",
    "SUBCLASS",
    "against_isotonic",
    "best_other",
    "by_kind",
    "compare",
    "cost",
    "counterexample",
    "four_groups",
    "four_table",
    "gaps_figure",
    "misread",
    "misread_figure",
    "named_group",
    "read_groups",
    "repair_ratios",
    "repair_table",
    "repaired",
    "summary",
    "tests",
]

SUBCLASS = "subclass-score (maximum)"
READ = "subclass-score (read group)"
FOUR = "subclass of four"
AVERAGE = "average-then-score"
COMPARISONS = 3
"""Comparisons that the paper's claims make together."""


def _skewed(models: ScoredModels) -> list[ScoredModel]:
    return [m for m in models if (shares_of_men(m.bias) != 0.5).any()]


def _crossed(table: np.ndarray, *, confidence: float = 0.95) -> dict[str, Any]:
    """Mean of a table [models, occupations] with an interval over both."""
    e = stats.crossed_mean_interval(table, confidence=confidence)
    return {"value": e.value, "low": e.low, "high": e.high, "n": table.size}


def _over_models(values: Any) -> dict[str, Any]:
    e = stats.mean_interval(values)
    return {"value": e.value, "low": e.low, "high": e.high, "n": len(values)}


def _difference(models: list[ScoredModel], first: str, second: str) -> np.ndarray:
    """Return |gap| under `first` minus |gap| under `second`, [models, occupations]."""
    return np.array([np.abs(m.gaps(first)) - np.abs(m.gaps(second)) for m in models])


def compare(models: ScoredModels, first: str, second: str) -> dict[str, Any]:
    """Return the mean difference of absolute gaps with an interval for three comparisons."""
    table = _difference(_skewed(models), first, second)
    return _crossed(table, confidence=1 - 0.05 / COMPARISONS)


def best_other(models: ScoredModels) -> tuple[str, dict[str, Any]]:
    """Return the best strategy but subclass-score, and how subclass-score compares with it.

    It is chosen on the first seed; the comparison takes the other seeds (all where there is one).
    """
    skewed = _skewed(models)
    first = min(m.seed for m in skewed)
    others = [c for c in STRATEGY_COLUMNS if not c.startswith("subclass")]
    chosen = min(
        others, key=lambda c: np.mean([np.abs(m.gaps(c)) for m in skewed if m.seed == first])
    )
    rest = [m for m in skewed if m.seed != first] or skewed
    return chosen, _crossed(_difference(rest, SUBCLASS, chosen))


def by_kind(models: ScoredModels) -> pd.DataFrame:
    """Tabulate mean absolute gaps by kind of scorer and caption bias."""
    columns = ["plain", AVERAGE, SUBCLASS, READ]
    rows = {}
    for encoder in models.encoders:
        for bias in models.biases:
            chosen = models.by(encoder).of(bias)
            gaps = {c: np.mean([np.abs(m.gaps(c)) for m in chosen]) for c in columns}
            rows[f"{encoder}, {bias}"] = {c: f"{gap:.3f}" for c, gap in gaps.items()}
    return pd.DataFrame(rows).T


def read_groups(models: ScoredModels) -> dict[str, Any]:
    """Return |gap| of subclass-score by the scorer's own reading minus that of the plain score."""
    return _crossed(_difference(_skewed(models), READ, "plain"))


def four_groups(models: ScoredModels) -> dict[str, Any]:
    """Return the largest gap of four groups under subclass-score minus that under plain."""
    return _crossed(
        np.array([m.shaded_gaps(FOUR) - m.shaded_gaps("plain") for m in _skewed(models)])
    )


def four_table(models: ScoredModels) -> pd.DataFrame:
    """Tabulate the largest gap among four groups, means over occupations and skewed scorers."""
    names = {
        "plain": "plain", AVERAGE: "average of two prompts", SUBCLASS: "maximum of two prompts",
        "average of four": "average of four prompts", FOUR: "maximum of four prompts",
    }  # fmt: skip
    skewed = _skewed(models)
    rows = {}
    for column, name in names.items():
        gaps = np.array([m.shaded_gaps(column) for m in skewed])
        change = gaps - np.array([m.shaded_gaps("plain") for m in skewed])
        rows[name] = {
            "largest gap of four groups (SD)": f"{gaps.mean():.3f}",
            "scorer-occupation pairs better than plain": f"{(change < 0).mean():.2f}",
        }
    rows["plain"]["scorer-occupation pairs better than plain"] = ""
    return pd.DataFrame(rows).T


def tests(models: ScoredModels) -> pd.DataFrame:
    """Tabulate paired sign-flip tests of every strategy against plain, over occupations.

    Differences are averaged over models first, so that occupations are the units; p-values are
    adjusted by Holm's method.
    """
    skewed = _skewed(models)
    columns = [c for c in STRATEGY_COLUMNS if c != "plain"]
    means = [_difference(skewed, c, "plain").mean(axis=0) for c in columns]
    p = [stats.sign_flip_test(d, rng=rng.generator(0, "flip")).p_value for d in means]
    return pd.DataFrame(
        {
            "strategy": columns,
            "change of mean |gap| (SD)": [f"{d.mean():+.3f}" for d in means],
            "occupations improved": [f"{(d < 0).sum()} of {len(d)}" for d in means],
            "adjusted p": ["< 0.001" if q < 0.001 else f"{q:.3f}" for q in stats.holm(p)],
        }
    ).set_index("strategy")


def summary(models: ScoredModels) -> pd.DataFrame:
    """Tabulate all strategies: gaps, both audit errors and cost, means over skewed scorers."""
    skewed, rows = _skewed(models), {}
    for column in STRATEGY_COLUMNS:
        found = [audit_model(m, column, by=("gender", "occupation")) for m in skewed]
        kept = [quality(m, column) for m in skewed]
        rows[column] = {
            "mean |gap| (SD)": np.mean([np.abs(m.gaps(column)) for m in skewed]),
            "mean gap (SD)": np.mean([m.gaps(column) for m in skewed]),
            "worst mean error": np.mean([f.by_group["bias"].abs().max() for f in found]),
            "multicalibration": np.mean([f.multicalibration_error.plug_in for f in found]),
            "correlation": np.mean([k["correlation"] for k in kept]),
            "AUC": np.mean([k["auc"] for k in kept]),
        }
    return pd.DataFrame(rows).T.map(lambda x: f"{x:.3f}")


def cost(models: ScoredModels) -> dict[str, Any]:
    """Return correlation with the truth under subclass-score minus that under plain."""
    return _over_models(
        [quality(m, SUBCLASS)["correlation"] - quality(m, "plain")["correlation"] for m in models]
    )


def named_group(models: ScoredModels) -> dict[str, Any]:
    """Return how often a fitting woman outscores a fitting man under a prompt that names women."""
    values = []
    for m in models:
        x, d = m.score(SUBCLASS), m.design
        right = [
            ranking_auc(x, fits & (d.group == 1), fits & (d.group == 0))
            for fits in ((d.truth == 1) & (d.prompt == o) for o in range(20))
        ]
        values.append(float(np.mean(right)))
    return _over_models(values)


def _misread_gaps(model: ScoredModel, share: float) -> np.ndarray:
    """Return the gaps of subclass-score when a share of the women is read as men."""
    d = model.design
    men, women = model.score("man"), model.score("woman")
    wrong = (d.group == 1) & (rng.generator(0, "misread").random(len(d.group)) < share)
    x = np.where((d.group == 1) & ~wrong, women, men)
    spread = np.sqrt(np.mean([x[d.prompt == o].var() for o in range(20)]))
    means = [[x[(d.prompt == o) & (d.group == g)].mean() for g in (0, 1)] for o in range(20)]
    return (np.array(means) @ [-1, 1]) / spread


def misread(models: ScoredModels, share: float = 0.2) -> dict[str, Any]:
    """Return |gap| with misread women minus |gap| of the plain score, balanced captions."""
    table = [
        np.abs(_misread_gaps(m, share)) - np.abs(m.gaps("plain")) for m in models.of("balanced")
    ]
    return _crossed(np.array(table))


def repair_ratios(models: ScoredModels) -> pd.DataFrame:
    """Return the worst error after each repair, divided by that before, a row per skewed scorer.

    The repairs see the truth of three tones of the drawings and are judged on the other three; the
    worst error is the largest signed error over gender x occupation.
    """
    rows = []
    for m in _skewed(models):
        x, d, labels = m.score("plain"), m.design, m.labels()
        fit = d.tone < 3
        slope, start = np.polyfit(x[fit], d.truth[fit], 1)
        f = np.clip(start + slope * x, 0, 1)
        known = {key: labels[key][fit] for key in ("gender", "occupation")}
        new = {key: labels[key][~fit] for key in known}
        made = repair(f[fit], d.truth[fit], known, seed=m.seed)
        after = {"boosting": made.apply(f[~fit], new)}
        for name, by in (("isotonic, one map", None), ("isotonic, a map per gender", "gender")):
            after[name] = isotonic(
                f[fit],
                d.truth[fit],
                by and known[by],
                new_scores=f[~fit],
                new_groups=by and new[by],
            )
        cell = (d.prompt * 2 + d.group)[~fit]
        worst = {k: np.abs(np.bincount(cell, d.truth[~fit] - v)).max() for k, v in after.items()}
        before = np.abs(np.bincount(cell, d.truth[~fit] - f[~fit])).max()
        rows.append({name: value / before for name, value in worst.items()})
    return pd.DataFrame(rows)


def repaired(ratios: pd.DataFrame) -> dict[str, Any]:
    """Return the median ratio of the worst error after to before boosting, with quartiles."""
    low, value, high = ratios["boosting"].quantile([0.25, 0.5, 0.75])
    return {"value": value, "low": low, "high": high, "n": len(ratios)}


def against_isotonic(ratios: pd.DataFrame) -> dict[str, Any]:
    """Return the mean difference of boosting and isotonic regression per gender."""
    return _over_models((ratios["boosting"] - ratios["isotonic, a map per gender"]).to_numpy())


def repair_table(ratios: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the share of the worst error that each repair leaves: median and quartiles."""
    low, value, high = (ratios.quantile(q) for q in (0.25, 0.5, 0.75))
    text = [f"{v:.2f} [{a:.2f}, {b:.2f}]" for v, a, b in zip(value, low, high, strict=True)]
    index = pd.Index(ratios.columns, name="repair")
    return pd.DataFrame({"share of the worst error left": text}, index=index)


def counterexample() -> pd.DataFrame:
    """Tabulate the gaps of three strategies in three small worlds where one of them fails.

    Columns of S are mean cosines: rows the neutral prompt and the prompts of a and b, columns the
    images of a and b.
    """
    worlds = {
        "symmetric groups": [[0.5, 0.3], [0.6, 0.2], [0.2, 0.6]],
        "a's images lie near both prompts": [[0.4, 0.4], [0.6, 0.2], [0.4, 0.6]],
        "a's own prompt is sharper": [[0.4, 0.4], [0.7, 0.2], [0.1, 0.6]],
        "both at once": [[0.4, 0.4], [0.6, 0.4], [0.2, 0.5]],
    }
    rows = {}
    for name, s in worlds.items():
        m = np.array(s)
        rows[name] = {
            "plain": m[0, 0] - m[0, 1],
            "average": m[1:, 0].mean() - m[1:, 1].mean(),
            "subclass (own group)": m[1, 0] - m[2, 1],
        }
    return pd.DataFrame(rows).T.map(lambda x: f"{0.0 if abs(x) < 1e-12 else x:+.2f}")


@house
def gaps_figure(models: ScoredModels) -> Figure:
    """Draw the gap of every occupation under every strategy, one panel per caption bias."""
    fig, axes = figure(1, len(models.biases), height=3.4, sharex=True, sharey=True, squeeze=False)
    looks = palette(STRATEGY_COLUMNS)
    jitter = rng.generator(0, "gaps").uniform(-0.25, 0.25, 20)
    for ax, bias in zip(axes[0], models.biases, strict=True):
        for y, column in enumerate(STRATEGY_COLUMNS):
            gaps = np.mean([m.gaps(column) for m in models.of(bias)], axis=0)
            ax.plot(gaps, y + jitter, **looks[column].points(markersize=2.5, alpha=0.6))
            ax.plot([gaps.mean()] * 2, [y - 0.35, y + 0.35], color="black", linewidth=1.6)
        ax.axvline(0, color="black", linewidth=0.6)
        ax.set_xlabel(bias)
    axes[0, 0].set_yticks(range(len(STRATEGY_COLUMNS)), STRATEGY_COLUMNS)
    axes[0, 0].set_ylim(len(STRATEGY_COLUMNS) - 0.4, -0.6)
    fig.supxlabel("gap woman − man (SD within prompt), by caption bias", fontsize=10)
    return fig


@house
def misread_figure(models: ScoredModels) -> Figure:
    """Draw the mean absolute gap of subclass-score against the share of women read as men."""
    fig, ax = figure(height=2.7)
    looks = palette(models.biases)
    shares = np.linspace(0, 0.5, 11)
    for bias in models.biases:
        chosen = models.of(bias)
        y = [np.mean([np.abs(_misread_gaps(m, s)).mean() for m in chosen]) for s in shares]
        plain = np.mean([np.abs(m.gaps("plain")).mean() for m in chosen])
        look = looks[bias]
        ax.plot(shares, y, **look.lines(marker=look.marker, label=bias))
        ax.axhline(plain, color=look.colour, linewidth=0.8, linestyle=":")
    ax.set(xlabel="share of women read as men", ylabel="mean |gap| (SD)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(models.biases))
    return fig
