"""What scorers pay for imbalance: rewards, prices, images needed, rankings (theorem T4)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.reward_for_imbalance.drawn_shares import LEAN, generators
from bbb_book.chapters.reward_for_imbalance.leaderboard import (
    Leaderboard,
    leaderboard,
    simulate_leaderboards,
)
from bbb_book.data import emoji
from bbb_book.scorers.audits import crossed_estimate
from bbb_book.scorers.caption_bias import shares_of_men
from bbb_book.scorers.design import IMAGE_STRATEGIES
from bbb_book.scorers.models import ScoredModel, ScoredModels
from bbb_core import rng, stats

__all__ = [
    "FAIR",
    "balanced_reward",
    "board_of",
    "halves",
    "images_needed",
    "pooled",
    "power",
    "predicted",
    "ranking",
    "reward",
    "subclass",
    "unfair_shares",
]

FAIR = (0.5, 0.5)


def _scaled(model: ScoredModel, kind: str = "plain") -> np.ndarray:
    """Return the pool's scores [prompts, groups, images] in units of the spread within prompts."""
    pool = np.asarray(model.values["pool"], dtype=np.float64)[..., IMAGE_STRATEGIES.index(kind)]
    spread = np.sqrt(pool.reshape(len(pool), -1).var(axis=1).mean())
    return pool / spread


def unfair_shares(model: ScoredModel) -> np.ndarray:
    """Return the skewed shares: those of the captions, or `LEAN` where these are even."""
    men = shares_of_men(model.bias)
    if (men == 0.5).all():
        men = np.full_like(men, LEAN)
    return np.stack([men, 1 - men], axis=1)


def board_of(model: ScoredModel, kind: str = "plain") -> Leaderboard:
    """Return the leaderboard of the balanced generator against the skewed one."""
    return leaderboard(_scaled(model, kind), fair=FAIR, unfair=unfair_shares(model))


def reward(models: ScoredModels) -> dict[str, Any]:
    """Return the mean reward under scorers with skewed captions."""
    return crossed_estimate([board_of(m).rewards for m in models.skewed])


def balanced_reward(models: ScoredModels) -> dict[str, Any]:
    """Return the mean reward under scorers with balanced captions."""
    return crossed_estimate([board_of(m).rewards for m in models.of("balanced")])


def halves(model: ScoredModel) -> tuple[np.ndarray, np.ndarray]:
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
    return crossed_estimate([np.abs(np.subtract(*halves(m))) for m in models])


def subclass(models: ScoredModels) -> dict[str, Any]:
    """Return the absolute reward under subclass-score minus under the plain score."""
    return crossed_estimate(
        [
            np.abs(board_of(m, "subclass-score").rewards) - np.abs(board_of(m).rewards)
            for m in models.skewed
        ]
    )


def pooled(models: list[ScoredModel], kind: str = "plain") -> tuple[np.ndarray, np.ndarray]:
    """Return the pools of several seeds side by side as further prompts, and the shares."""
    return np.concatenate([_scaled(m, kind) for m in models]), np.concatenate(
        [unfair_shares(m) for m in models]
    )


def images_needed(models: ScoredModels, bias: str, *, probability: float = 0.95) -> dict[str, Any]:
    """Return the images until the unfair generator leads, with a bootstrap over occupations."""
    chosen = models.of(bias)
    pool, shares = pooled(chosen)
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
    pool, shares = pooled(models.of(bias)[:1])
    needed = leaderboard(pool, fair=FAIR, unfair=shares).images(probability)
    wins = simulate_leaderboards(
        pool, int(min(np.ceil(needed), 200_000)), fair=FAIR, unfair=shares, boards=boards,
        rng=rng.generator(0, "boards"),
    )  # fmt: skip
    low, high = stats.binomial_interval(int(wins.sum()), boards)
    return {"value": wins.mean(), "low": low, "high": high, "n": boards}


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
        for kind in IMAGE_STRATEGIES:
            boards = [
                leaderboard(_scaled(m, kind), fair=FAIR, unfair=shares) for m in models.of(bias)
            ]
            value = float(np.mean([board.reward for board in boards]))
            rows[name][f"{kind} (SD)"] = f"{0.0 if abs(value) < 5e-4 else value:+.3f}"
    return pd.DataFrame(rows).T
