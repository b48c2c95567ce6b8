"""Simulated audits whose pictures are read by people who err as real ones did (T7, people)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import gammaln

from bbb_book.readers.people import PATTERNS, error_table, women_share
from bbb_core import rng

__all__ = ["METHODS", "simulate_people"]

METHODS = ("as read", "majority of three", "corrected")
"""Shares of women among women and men: in all readings, in majorities, without readers' errors."""


def simulate_people(
    *,
    models: Sequence[str],
    labels: Any,
    errors: Any,
    shares: Sequence[float],
    pictures: int,
    shared: float,
    repeats: int,
    n_resamples: int,
    confidence: float,
    seed: int,
) -> dict[str, Any]:
    """Plant a share of women among women and men, let three people read each picture, and audit.

    Parameters
    ----------
    models
        What drew the pictures whose readers these are.
    labels, errors
        Shares of man, none and woman, and rates of answers by label, one of each per model; the
        share of none stays as it is.
    shares
        Planted shares of women.
    pictures
        Per audit.
    shared
        Share of the women's pictures that every reader takes for a man's; zero fits the model.
    repeats, n_resamples
        Audits per setting; bootstrap resamples of pictures per audit, for all methods alike.

    Returns
    -------
    dict
        ``table``: a row per model, planted share and method, with the mean estimate, the mean ends
        of its interval, and the number of ``audits`` whose interval ``covered`` the share.
    """
    rows = []
    for model, label, error in zip(models, np.asarray(labels), np.asarray(errors), strict=True):
        for share in shares:
            stream = rng.generator(seed, "people", model, repr(float(share)), repr(float(shared)))
            seen = share * (1 - shared)
            p = np.array([(1 - seen) * (1 - label[1]), label[1], seen * (1 - label[1])])
            x = stream.multinomial(pictures, p @ _pattern_rates(error), repeats)
            again = stream.multinomial(
                pictures, (x / pictures)[:, None], (repeats, n_resamples)
            )  # [audits, resamples, patterns]
            fit = error_table(x, tolerance=1e-4)
            start = tuple(np.repeat(part[:, None], n_resamples, axis=1) for part in fit)
            fitted = error_table(again, start=start, steps=300, tolerance=1e-3)
            majority = 1.0 * (PATTERNS >= 2)
            found = {
                "as read": (x @ PATTERNS, again @ PATTERNS),
                "majority of three": (x @ majority, again @ majority),
                "corrected": (fit[0], fitted[0]),
            }
            for method, (value, draws) in found.items():
                tails = [(1 - confidence) / 2, (1 + confidence) / 2]
                low, high = np.quantile(women_share(draws), tails, axis=1)
                rows.append({
                    "model": model, "share": share, "method": method, "audits": repeats,
                    "covered": int(((low <= share) & (share <= high)).sum()),
                    "mean": float(women_share(value).mean()),
                    "low": float(low.mean()), "high": float(high.mean()),
                })  # fmt: skip
    return {"table": pd.DataFrame(rows)}


def _pattern_rates(errors: np.ndarray) -> np.ndarray:
    """Return the probability of each pattern (columns) of three readings by label (rows)."""
    ways = np.exp(gammaln(4) - gammaln(PATTERNS + 1).sum(axis=1))
    return np.asarray(ways * np.exp(np.log(errors) @ PATTERNS.T))
