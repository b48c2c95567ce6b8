"""What the chapter on fairness criteria computes: lemma, counterexamples, small samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy import stats

from bbb_book.chapters.fairness_criteria.finite_generator import FiniteGenerator, mixture
from bbb_core import checks
from bbb_core.balance.shares import representational_balance, sampling_floor
from bbb_core.rng import generator
from bbb_core.stats.intervals import binomial_interval

__all__ = [
    "counterexamples",
    "criteria_table",
    "interval_coverage",
    "least_coverage",
    "lemma_trial",
    "one_group_ratios",
    "small_samples",
]


def counterexamples() -> dict[str, FiniteGenerator]:
    """Return generators over four pictures that one criterion calls fair and another does not.

    Pictures 1 and 2 are read as woman, 3 and 4 as man.
    """
    woman, man = [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]

    def made(neutral: list[float], named_woman: list[float]) -> FiniteGenerator:
        return FiniteGenerator(
            pictures=["1", "2", "3", "4"],
            readings=["woman", "woman", "man", "man"],
            neutral=neutral,
            groups={"woman": named_woman, "man": man},
        )

    return {
        "balanced mixture": made([0.5, 0.0, 0.25, 0.25], woman),
        "other women": made([0.0, 0.5, 0.25, 0.25], woman),
        "only other women": made([0.0, 1.0, 0.0, 0.0], woman),
        "group words ignored": made([0.0, 0.0, 0.5, 0.5], man),
    }


def criteria_table(generators: Mapping[str, FiniteGenerator]) -> pd.DataFrame:
    """Return separation (D1), imbalance (D2) and internal imbalance (D3) of each generator."""
    rows = {
        name: {
            "separation error (D1)": g.separation(),
            "imbalance (D2)": g.imbalance(),
            "internal imbalance (D3)": g.internal_imbalance(),
        }
        for name, g in generators.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def lemma_trial(n: int, *, seed: int) -> pd.DataFrame:
    r"""Draw random two-group mixtures on six pictures and compare shares with internal shares.

    Columns: ``weight`` w_a, ``delta``, ``gap`` = v_a - D_p(S_a), and the ratios ``above`` =
    gap / delta and ``below`` = -gap / ((1 - w_a) delta), which the lemma of D3 keeps at most one.
    """
    rng = generator(seed, "lemma of D3")
    rows = []
    for _ in range(checks.integer("n", n, low=1)):
        spread = 10.0 ** rng.uniform(-2, 1)  # from almost one picture to almost all alike
        tilt = np.array([1, 1, 1, 0.1, 0.1, 0.1])
        laws = {
            "a": rng.dirichlet(spread * tilt + 1e-3),
            "b": rng.dirichlet(spread * tilt[::-1] + 1e-3),
        }
        weight = float(rng.uniform())
        g = FiniteGenerator(
            pictures=list("123456"),
            readings=list("aaabbb"),
            neutral=mixture({"a": weight, "b": 1 - weight}, laws),
            groups=laws,
        )
        delta = g.separation()
        gap = g.internal_shares()["a"] - g.share("a")
        rows.append({"weight": weight, "delta": delta, "gap": gap})
    frame = pd.DataFrame(rows)
    frame = frame[frame["delta"] > 1e-6].reset_index(drop=True)  # else both sides are rounding
    frame["above"] = frame["gap"] / frame["delta"]
    frame["below"] = -frame["gap"] / ((1 - frame["weight"]) * frame["delta"])
    return frame


def small_samples(sizes: list[int]) -> pd.DataFrame:
    """Return what a perfectly balanced two-group generator shows in n images.

    Columns: ``n``, ``floor`` (mean imbalance), ``high`` (its 95 % quantile), ``half_width`` of the
    exact interval of a balanced sample.
    """
    rows = []
    for n in sizes:
        k = np.arange(n + 1)
        imbalance = np.abs(k / n - 0.5)
        order = np.argsort(imbalance, kind="stable")
        reached = np.cumsum(stats.binom.pmf(k, n, 0.5)[order]) >= 0.95
        low, high = binomial_interval(n // 2, n)
        rows.append(
            {
                "n": n,
                "floor": sampling_floor(n),
                "high": float(imbalance[order][reached][0]),
                "half_width": max(0.5 - low, high - 0.5),
            }
        )
    return pd.DataFrame(rows)


def interval_coverage(n: int, shares: np.ndarray, *, confidence: float = 0.95) -> np.ndarray:
    """Return the exact coverage of the imbalance interval of n images, per true share.

    Every possible count is enumerated; two groups, equal targets.
    """
    k = np.arange(n + 1)
    low, high = binomial_interval(k, n, confidence=confidence)
    least = np.maximum(np.maximum(low - 0.5, 0.5 - high), 0)
    most = np.maximum(np.abs(low - 0.5), np.abs(high - 0.5))
    truth = np.abs(shares - 0.5)[:, None]
    covered = (least <= truth + 1e-12) & (truth <= most + 1e-12)
    return (stats.binom.pmf(k, n, shares[:, None]) * covered).sum(axis=1)


def least_coverage(sizes: list[int], shares: np.ndarray, *, confidence: float = 0.95) -> float:
    """Return the smallest exact coverage of the imbalance interval over sizes and shares."""
    return min(float(interval_coverage(n, shares, confidence=confidence).min()) for n in sizes)


def one_group_ratios(groups: Iterable[int], *, n: int) -> list[float]:
    """Return reported over largest possible imbalance of `n` images of one group out of k.

    The other k - 1 groups are named by the target only. One is right; a measure that looks at the
    observed groups only would give zero.
    """
    ratios = []
    for k in groups:
        target = {f"group {i}": 1 / k for i in range(k)}
        only = representational_balance({"group 0": n}, target=target)
        ratios.append(only.imbalance / (1 - 1 / k))
    return ratios
