"""Figures and estimates of the chapter on rewards for imbalance (T4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bbb_book.chapters.reward_for_imbalance.drawn_shares import load_shares
from bbb_book.chapters.reward_for_imbalance.leaderboard import (
    Leaderboard,
    leaderboard,
    simulate_leaderboards,
)
from bbb_book.data import emoji
from bbb_book.scorers.caption_bias import GROUPS, shares_of_men
from bbb_book.scorers.models import ScoredModel, ScoredModels
from bbb_book.style import figure, house, palette
from bbb_core import rng, stats

__all__ = [
    "balanced_reward",
    "board_of",
    "curve",
    "generators",
    "generators_said",
    "images_needed",
    "power",
    "predicted",
    "prices_figure",
    "ranking",
    "reward",
    "rewards_figure",
    "subclass",
]

FAIR = (0.5, 0.5)
LEAN = 0.8
"""Share of men of the unfair generator where the captions themselves are balanced."""
KINDS = ("plain", "average-then-score", "subclass-score")
"""Columns of the stored pool."""
SYNTHETIC = "synthetic"
"""The name of generators whose shares are set by hand."""


def _scaled(model: ScoredModel, kind: str = "plain") -> np.ndarray:
    """Return the pool's scores [prompts, groups, images] in units of the spread within prompts."""
    pool = np.asarray(model.values["pool"], dtype=np.float64)[..., KINDS.index(kind)]
    spread = np.sqrt(pool.reshape(len(pool), -1).var(axis=1).mean())
    return pool / spread


def _unfair(model: ScoredModel) -> np.ndarray:
    """Return the skewed shares: those of the captions, or `LEAN` where these are even."""
    men = shares_of_men(model.bias)
    if (men == 0.5).all():
        men = np.full_like(men, LEAN)
    return np.stack([men, 1 - men], axis=1)


def board_of(model: ScoredModel, kind: str = "plain") -> Leaderboard:
    """Return the leaderboard of the balanced generator against the skewed one."""
    return leaderboard(_scaled(model, kind), fair=FAIR, unfair=_unfair(model))


def _skewed(models: ScoredModels) -> list[ScoredModel]:
    return [m for m in models if (shares_of_men(m.bias) != 0.5).any()]


def _estimate(table: Any) -> dict[str, Any]:
    """Mean of a table [models, occupations] with an interval over both."""
    e = stats.crossed_mean_interval(table)
    return {"value": e.value, "low": e.low, "high": e.high, "n": np.size(table)}


def reward(models: ScoredModels) -> dict[str, Any]:
    """Return the mean reward under scorers with skewed captions."""
    return _estimate([board_of(m).rewards for m in _skewed(models)])


def balanced_reward(models: ScoredModels) -> dict[str, Any]:
    """Return the mean reward under scorers with balanced captions."""
    return _estimate([board_of(m).rewards for m in models.of("balanced")])


def _halves(model: ScoredModel) -> tuple[np.ndarray, np.ndarray]:
    """Return predicted and measured prices: the better group is chosen on the first half."""
    pool = _scaled(model)
    half = pool.shape[2] // 2
    first, second = (part.mean(axis=2) for part in (pool[..., :half], pool[..., half:]))
    best = first.argmax(axis=1)[:, None]
    return tuple(
        np.take_along_axis(m, best, axis=1)[:, 0] - m.mean(axis=1) for m in (first, second)
    )


def predicted(models: ScoredModels) -> dict[str, Any]:
    """Return the mean absolute difference of predicted and measured prices."""
    return _estimate([np.abs(np.subtract(*_halves(m))) for m in models])


def subclass(models: ScoredModels) -> dict[str, Any]:
    """Return the absolute reward under subclass-score minus under the plain score."""
    return _estimate(
        [
            np.abs(board_of(m, "subclass-score").rewards) - np.abs(board_of(m).rewards)
            for m in _skewed(models)
        ]
    )


def _pooled(models: list[ScoredModel]) -> tuple[np.ndarray, np.ndarray]:
    """Return the pools of several seeds side by side as further prompts, and the shares."""
    return np.concatenate([_scaled(m) for m in models]), np.concatenate(
        [_unfair(m) for m in models]
    )


def images_needed(models: ScoredModels, bias: str, *, probability: float = 0.95) -> dict[str, Any]:
    """Return the images until the unfair generator leads, with a bootstrap over occupations."""
    chosen = models.of(bias)
    pool, shares = _pooled(chosen)
    value = leaderboard(pool, fair=FAIR, unfair=shares).images(probability)
    n, stream, found = len(emoji.OCCUPATIONS), rng.generator(0, "images"), []
    for _ in range(999):
        rows = stream.integers(0, n, n)
        every = np.concatenate([rows + n * k for k in range(len(chosen))])
        found.append(leaderboard(pool[every], fair=FAIR, unfair=shares[every]).images(probability))
    low, high = np.quantile(np.minimum(found, 1e9), [0.025, 0.975])
    return {"value": min(value, 1e9), "low": low, "high": high, "n": len(pool)}


def power(models: ScoredModels, bias: str, *, boards: int, probability: float = 0.95) -> Any:
    """Return how often leaderboards of the predicted size put the unfair generator first."""
    pool, shares = _pooled(models.of(bias)[:1])
    needed = leaderboard(pool, fair=FAIR, unfair=shares).images(probability)
    wins = simulate_leaderboards(
        pool, int(min(np.ceil(needed), 200_000)), fair=FAIR, unfair=shares, boards=boards,
        rng=rng.generator(0, "boards"),
    )  # fmt: skip
    low, high = stats.binomial_interval(int(wins.sum()), boards)
    return {"value": wins.mean(), "low": low, "high": high, "n": boards}


def generators(source: str) -> dict[str, np.ndarray]:
    """Return shares [occupations, groups] of the generators to rank, by name.

    Parameters
    ----------
    source : str
        ``synthetic``: shares set by hand. Otherwise a file of counts; see `load_shares`.
    """
    if source != SYNTHETIC:
        return load_shares(source, prompts=emoji.OCCUPATIONS, groups=GROUPS)
    shares = {
        "balanced": 0.5, "subclass-sampled": 0.5, f"{LEAN:.0%} men".replace("%", " %"): LEAN,
        "men only": 1.0, "women only": 0.0,
    }  # fmt: skip
    n = len(emoji.OCCUPATIONS)
    return {name: np.tile([men, 1 - men], (n, 1)) for name, men in shares.items()}


def generators_said(source: str) -> str:
    """Say where the shares of the ranked generators come from."""
    if source == SYNTHETIC:
        return "The shares of these generators are set by hand; no image was generated."
    return f"The shares of these generators are measured counts, read from {Path(source).name}."


def ranking(models: ScoredModels, bias: str, source: str) -> pd.DataFrame:
    """Tabulate mean scores of generators against a balanced one, plain and repaired.

    Means over the scorers of one caption bias; ``men`` and ``imbalance`` are means over
    occupations.
    """
    rows = {}
    for name, shares in generators(source).items():
        rows[name] = {
            "men": f"{shares[:, 0].mean():.2f}",
            "imbalance": f"{np.abs(shares[:, 0] - 0.5).mean():.2f}",
        }
        for kind in KINDS:
            boards = [
                leaderboard(_scaled(m, kind), fair=FAIR, unfair=shares) for m in models.of(bias)
            ]
            value = float(np.mean([board.reward for board in boards]))
            rows[name][f"{kind} (SD)"] = f"{0.0 if abs(value) < 5e-4 else value:+.3f}"
    return pd.DataFrame(rows).T


@house
def rewards_figure(models: ScoredModels) -> Figure:
    """Draw the reward per occupation under each caption bias, mean over seeds."""
    fig, ax = figure(height=3.6)
    looks = palette(models.biases)
    order = None
    for bias in models.biases:
        values = np.mean([board_of(m).rewards for m in models.of(bias)], axis=0)
        order = np.argsort(values) if bias == models.biases[-1] else order
    assert order is not None
    for bias in models.biases:
        values = np.mean([board_of(m).rewards for m in models.of(bias)], axis=0)
        ax.plot(values[order], np.arange(len(order)), **looks[bias].points(label=bias))
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(order)), [emoji.OCCUPATIONS[i] for i in order])
    ax.set_xlabel("reward of the skewed generator (SD within prompt)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(models.biases))
    return fig


@house
def prices_figure(models: ScoredModels) -> Figure:
    """Draw measured against predicted price of fairness, one mark per scorer and occupation."""
    fig, ax = figure(height=3.0, width=4.2)
    looks = palette(models.biases)
    for bias in models.biases:
        pairs = [_halves(m) for m in models.of(bias)]
        x, y = (np.concatenate([p[i] for p in pairs]) for i in (0, 1))
        ax.plot(x, y, **looks[bias].points(label=bias, markersize=3))
    edge = ax.get_xlim()[1]
    ax.plot([0, edge], [0, edge], color="#888888", linewidth=1.0)
    ax.set(xlabel="predicted price (SD)", ylabel="measured price (SD)")
    ax.legend()
    return fig


@house
def curve(models: ScoredModels) -> Figure:
    """Draw the chance that the unfair generator leads against the number of images."""
    fig, ax = figure(height=2.7)
    looks = palette(models.biases)
    n = np.geomspace(5, 20_000, 60)
    for bias in models.biases:
        pool, shares = _pooled(models.of(bias))
        board = leaderboard(pool, fair=FAIR, unfair=shares)
        ax.plot(n, [board.probability(k) for k in n], **looks[bias].lines(label=bias))
    ax.axhline(0.5, color="#888888", linewidth=0.8)
    ax.axhline(0.95, color="#888888", linewidth=0.8, linestyle=":")
    ax.set(xscale="log", xlabel="images per generator", ylabel="chance to lead")
    ax.set_ylim(0, 1.02)
    ax.legend()
    return fig
