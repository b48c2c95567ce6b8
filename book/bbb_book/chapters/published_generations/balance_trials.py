"""Simulated generators with a known mean imbalance, to see whether its interval holds (D2).

`measure_mean_coverage` is an artefact function: plain data in, a small table out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bbb_book.results.artefacts import Artefact, artefact
from bbb_core import rng
from bbb_core.balance.estimates import split_halves
from bbb_core.balance.means import distances, mean_imbalance

__all__ = [
    "GENERATORS",
    "POPULATIONS",
    "coverage_table",
    "least_p_value",
    "mean_coverage",
    "measure_mean_coverage",
]


def _alternate(m: int, *rows: Sequence[float]) -> np.ndarray:
    return np.array([rows[i % len(rows)] for i in range(m)])


GENERATORS: Mapping[str, Callable[[int], np.ndarray]] = {
    "balanced": lambda m: _alternate(m, (0.5, 0.5)),
    "nearly balanced": lambda m: _alternate(m, (0.55, 0.45), (0.45, 0.55)),
    "leaning": lambda m: _alternate(m, (0.7, 0.3)),
    "nearly one group": lambda m: _alternate(m, (0.98, 0.02)),
    "half one group": lambda m: _alternate(m, (1.0, 0.0), (0.5, 0.5)),
    "one outlier": lambda m: np.r_[_alternate(1, (1.0, 0.0)), _alternate(m - 1, (0.5, 0.5))],
    "unequal sizes": lambda m: _alternate(m, (0.85, 0.15), (1.0, 0.0)),
    "two of four rare": lambda m: _alternate(m, (0.49, 0.49, 0.01, 0.01)),
    "five balanced": lambda m: _alternate(m, (0.2,) * 5),
    "none of these": lambda m: _alternate(m, (0.47, 0.47, 0.06), (0.5, 0.5, 0.0)),
}
"""Shares of the groups per prompt, [m, k]. *Unequal sizes*: every other prompt has four times the
images. *None of these*: the last outcome has target 0; elsewhere targets are equal."""

POPULATIONS: Mapping[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "all balanced": lambda stream, m: np.full(m, 0.5),
    "shares uniform": lambda stream, m: stream.random(m),
    "imbalances skewed": lambda stream, m: 0.5 + 0.5 * stream.beta(0.6, 3.0, m),
    "half one group": lambda stream, m: 0.5 + 0.5 * stream.integers(0, 2, m),
}
"""Shares of a first group of two, where the prompts themselves are drawn at random."""
TRUTHS = {
    "all balanced": 0.0,
    "shares uniform": 0.25,
    "imbalances skewed": 1 / 12,
    "half one group": 0.25,
}
"""Mean imbalance of each of `POPULATIONS`."""


def measure_mean_coverage(
    prompts: Sequence[int],
    images: Sequence[int],
    repeats: int,
    sampled_images: int,
    sampled_repeats: int,
    confidence: float,
    seed: int,
) -> dict[str, Any]:
    """Count how often the interval of the mean imbalance misses, by design (artefact function).

    Parameters
    ----------
    prompts, images, repeats
        Numbers of prompts, and of images per prompt, and audits per design with fixed prompts
        (`GENERATORS`).
    sampled_images, sampled_repeats
        The same with prompts that are a sample themselves (`POPULATIONS`).

    Returns
    -------
    dict
        ``table``: per design ``prompts`` (fixed or sampled), ``generator``, ``m``, ``n``,
        ``truth``, ``audits``, how many intervals lie ``above`` and ``below`` the truth, mean
        ``width``, and ``student``: misses of Student's interval of the measured imbalances.
    """
    rows = []
    plans = (
        ("fixed", GENERATORS, images, repeats, _fixed),
        ("sampled", POPULATIONS, [sampled_images], sampled_repeats, _sampled),
    )
    for kind, worlds, sizes, audits, simulate in plans:
        for name, m, n in itertools.product(worlds, prompts, sizes):
            stream = rng.generator(seed, "mean coverage", kind, name, m, n)
            found = simulate(name, m, n, audits, confidence, stream)
            rows.append({"prompts": kind, "generator": name, "m": m, "n": n, **found})
    return {"table": pd.DataFrame(rows)}


def mean_coverage(**parameters: Any) -> Artefact:
    """Return the artefact of `measure_mean_coverage`."""
    return artefact("mean-imbalance-coverage", measure_mean_coverage, parameters=parameters)


def least_p_value(table: pd.DataFrame, *, confidence: float) -> float:
    """Return the least p-value of "no design misses more often than it says", fixed prompts.

    Exact binomial tests of each design against the nominal miss rate, Bonferroni over designs.
    """
    fixed = table[table["prompts"] == "fixed"]
    missed = fixed["above"] + fixed["below"]
    p = stats.binom.sf(missed - 1, fixed["audits"], 1 - confidence)
    return float(min(1.0, p.min() * len(fixed)))


def coverage_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the largest share of audits that miss, over numbers of images, as text.

    A row per generator, a column per number of prompts; in brackets Student's interval of the
    measured imbalances.
    """
    missed = (table["above"] + table["below"]) / table["audits"]
    shares = table.assign(missed=missed, student=table["student"] / table["audits"])
    worst = shares.groupby(["prompts", "generator", "m"], sort=False)[["missed", "student"]].max()
    text = [f"{a:.2f} ({b:.2f})" for a, b in worst.to_numpy()]
    made = pd.Series(text, index=worst.index).unstack("m")[sorted(table["m"].unique())]
    return made.rename_axis(index=[None, None], columns="number of prompts")


def _fixed(
    name: str, m: int, n: int, repeats: int, confidence: float, stream: np.random.Generator
) -> dict[str, float]:
    shares = GENERATORS[name](m)
    k = shares.shape[1]
    target = np.array([0.5, 0.5, 0.0]) if name == "none of these" else np.full(k, 1 / k)
    sizes = np.full(m, n)
    if name == "unequal sizes":
        sizes[1::2] *= 4
    drawn = [stream.multinomial(s, p, repeats) for s, p in zip(sizes, shares, strict=True)]
    counts = np.stack(drawn, axis=1).astype(np.float64)  # [repeats, m, k]
    plug_in = np.abs(counts / sizes[:, None] - target).sum(axis=2) / 2
    found, masses = (x.reshape(repeats, m) for x in split_halves(counts.reshape(-1, k), target))
    below, above = distances(plug_in, found, sizes, target, confidence=confidence)
    low = (found - masses).mean(axis=1) - below
    high = np.minimum(plug_in.mean(axis=1) + above, 1 - target.min())
    truth = float(np.abs(shares - target).sum(axis=1).mean() / 2)
    return _row(low, high, truth, plug_in, confidence)


def _sampled(
    name: str, m: int, n: int, repeats: int, confidence: float, stream: np.random.Generator
) -> dict[str, float]:
    ends = np.empty((repeats, 2))
    plug_in = np.empty((repeats, m))
    for i in range(repeats):
        first = stream.binomial(n, POPULATIONS[name](stream, m))
        counts = np.stack([first, n - first], axis=1)
        found = mean_imbalance(counts, prompts="sampled", confidence=confidence).corrected
        ends[i] = found.low, found.high
        plug_in[i] = np.abs(first / n - 0.5)
    return _row(*ends.T, TRUTHS[name], plug_in, confidence)


def _row(
    low: np.ndarray, high: np.ndarray, truth: float, plug_in: np.ndarray, confidence: float
) -> dict[str, float]:
    m = plug_in.shape[1]
    half = stats.t.ppf((1 + confidence) / 2, m - 1) * plug_in.std(axis=1, ddof=1) / np.sqrt(m)
    off = np.abs(plug_in.mean(axis=1) - truth) > half + 1e-12
    return {
        "truth": truth,
        "audits": len(low),
        "above": int((low > truth + 1e-12).sum()),
        "below": int((high < truth - 1e-12).sum()),
        "width": float((high - low.clip(min=0)).mean()),
        "student": int(off.sum()),
    }
