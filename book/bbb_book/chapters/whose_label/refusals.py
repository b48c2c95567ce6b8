"""A reader that refuses when it is not sure: whom it refuses, and what that does to shares (T7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.whose_label import two_groups as two
from bbb_book.chapters.whose_label.simulated_audits import mean_of_known, stated_bound
from bbb_core import checks, rng

__all__ = ["REMEDIES", "refusal_curve", "refusal_limit", "simulate_refusals"]

REMEDIES = ("dropped", "known ratio", "worst case", "an outcome")
"""What to do with refused images.

``dropped``: forget them, and correct the answers for misreadings among answered images. ``known
ratio``: the same, widened by a bound on the ratio of both groups' answer rates. ``worst case``:
let them be of any group; only a bound on misreadings is used. ``an outcome``: keep them in the
confusion matrix as a third thing that a reader can say.
"""


def refusal_limit(odds: Any, refused: float) -> float:
    """Return the limit on abs(odds) below which the given share of a balanced world is refused."""
    share = checks.number("refused", refused, low=0, high=1)
    return float(np.quantile(np.abs(np.asarray(odds)[:2]), share)) if share > 0 else -1.0


def refusal_curve(odds: Any, refused: Sequence[float]) -> pd.DataFrame:
    """Return what a reader does as it refuses more, exactly, in a world of half women, half men.

    Parameters
    ----------
    odds
        Log-odds of woman against man of the pools, ``[2 or more, n]`` (women, men).
    refused
        Shares of all images to be refused.

    Returns
    -------
    pandas.DataFrame
        ``refused``; ``women``, ``men``: their answer rates; ``accuracy`` among answered images;
        ``share``: true share of women among answered images (1/2 if refusal were neutral).
    """
    z = np.asarray(odds, dtype=np.float64)[:2]
    rows = []
    for share in refused:
        answered = np.abs(z) > refusal_limit(z, share)
        a, b = answered.mean(axis=1)
        right = (answered[0] & (z[0] > 0)).mean() + (answered[1] & (z[1] <= 0)).mean()
        rows.append(
            {
                "refused": float(share),
                "women": float(a),
                "men": float(b),
                "accuracy": float(right / (a + b)) if a + b > 0 else np.nan,
                "share": float(two.answered_share(0.5, a, b)),
            }
        )
    return pd.DataFrame(rows)


def simulate_refusals(
    *,
    odds: Any,
    refused: Sequence[float],
    share: float,
    n: int,
    known: int,
    repeats: int,
    confidence: float,
    seed: int,
) -> dict[str, Any]:
    """Audit n images with a planted share of women by each of `REMEDIES`.

    Returns
    -------
    dict
        ``table``: per refused share and remedy the audits that cover, and mean ends.
    """
    z = np.asarray(odds, dtype=np.float64)[:2]
    rows = []
    for i, part in enumerate(refused):
        stream = rng.generator(seed, "refusals", i, repr(float(share)))
        limit = refusal_limit(z, part)
        rates = np.stack([(z > limit).mean(axis=1), (z <= -limit).mean(axis=1)])  # [said, group]
        if limit < 0:  # nothing is refused; an image at zero odds is read as a man
            rates[1] = 1 - rates[0]
        laws = np.concatenate([rates, 1 - rates.sum(axis=0, keepdims=True)]).clip(0, 1).T
        seen = stream.multinomial(n, share * laws[0] + (1 - share) * laws[1], repeats)
        calibration = [stream.multinomial(known, law / law.sum(), repeats) for law in laws]
        for remedy, (low, high) in _remedies(seen, calibration, laws, n, known, confidence).items():
            rows.append(
                {
                    "refused": float(part),
                    "remedy": remedy,
                    "audits": repeats,
                    "covered": int(((low <= share) & (share <= high)).sum()),
                    "low": mean_of_known(low),
                    "high": mean_of_known(high),
                }
            )
    return {"table": pd.DataFrame(rows)}


def _remedies(
    seen: np.ndarray, calibration: list[np.ndarray], laws: np.ndarray, n: int, known: int,
    confidence: float,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:  # fmt: skip
    answered = [c[:, 0] + c[:, 1] for c in (seen, *calibration)]
    usable = np.all([a > 0 for a in answered], axis=0)  # a group never answered: no correction
    total = [np.maximum(a, 1) for a in answered]
    dropped = two.corrected_shares(
        seen[:, 0], total[0], seen_a=calibration[0][:, 0], n_a=total[1],
        seen_b=calibration[1][:, 0], n_b=total[2], confidence=confidence,
    )  # fmt: skip
    low, high = (np.where(usable, x, np.nan) for x in dropped)
    kept = laws[:, :2].sum(axis=1)  # answer rates of women and men
    ratio = np.ceil(np.round(4 * kept.max() / kept.min(), 9)) / 4
    ends = np.where(np.isnan(low), 0.0, low), np.where(np.isnan(high), 1.0, high)
    return {
        "dropped": (low, high),
        "known ratio": two.shares_from_odds(*ends, ratio=ratio),
        "worst case": two.bounded_shares(
            seen[:, 0], n, refused=seen[:, 2], error=stated_bound(1 - laws[0, 1], laws[1, 0]),
            confidence=confidence,
        ),
        "an outcome": two.corrected_shares(
            seen[:, 0], n, seen_a=calibration[0][:, 0], n_a=known,
            seen_b=calibration[1][:, 0], n_b=known, confidence=confidence,
        ),
    }  # fmt: skip
