"""Two readers of the same generations: confusion, agreement, corrected shares (T7).

Serves the chapter "A diffusion model of emoji people".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.emoji_model.agreement import cohen_kappa
from bbb_book.generators.people import READINGS, counts_of
from bbb_book.generators.studies import GROUPS
from bbb_book.readers.second_reader import second_reader
from bbb_book.results.claims import show_number
from bbb_core import rng
from bbb_core.balance.confusion import Confusion
from bbb_core.balance.labels import CorrectedShares, correct_labels
from bbb_core.stats import binomial_interval, multinomial_intervals

__all__ = [
    "agreement",
    "agreement_table",
    "confusion",
    "confusion_table",
    "correction",
    "correction_table",
    "second_separation",
    "show_reader",
]

HELD = {"tone": "skin tones", "occupation": "occupations"}
"""What was held out, and how the page calls it."""


def confusion(size: int, steps: int, *, held: str) -> Confusion:
    """Return the second reader's confusion matrix on drawings of held-out tones or occupations."""
    counts = np.asarray(second_reader(size, steps)[f"counts_{held}"])
    return Confusion(groups=READINGS, labels=READINGS, counts=counts)


def confusion_table(size: int, steps: int) -> pd.DataFrame:
    """Return both confusion matrices as text: rates with exact intervals that hold together."""
    rows = {}
    for held, name in HELD.items():
        found = confusion(size, steps, held=held)
        ends = found.intervals()
        for a, true in enumerate(READINGS):
            cells = [
                f"{found.rates[a, b]:.2f} [{ends[a, b, 0]:.2f}, {ends[a, b, 1]:.2f}]"
                for b in range(len(READINGS))
            ]
            rows[f"unseen {name}", true] = cells
    index = pd.MultiIndex.from_tuples(rows, names=["drawings with", "true"])
    return pd.DataFrame(list(rows.values()), index=index, columns=[f"read {r}" for r in READINGS])


def _both(drawn: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the codes of both readers for all images, and the prompt of each."""
    first, second, prompts = [], [], []
    for i, kind in enumerate(("neutral", "named")):
        one = np.asarray(drawn[f"{kind}_group_codes"])
        rows = one.reshape(-1, one.shape[-1])
        first.append(rows.ravel())
        second.append(np.asarray(drawn[f"{kind}_second_codes"]).ravel())
        prompts.append(1000 * i + np.repeat(np.arange(len(rows)), rows.shape[1]))
    return np.concatenate(first), np.concatenate(second), np.concatenate(prompts)


def agreement(drawn: Mapping[str, Any]) -> dict[str, float]:
    """Return Cohen's kappa of the two readers over all images, resampling prompts."""
    first, second, prompts = _both(drawn)
    try:
        made = cohen_kappa(
            [READINGS[i] for i in first],
            [READINGS[i] for i in second],
            clusters=prompts,
            rng=rng.generator(0, "readers"),
        ).kappa
    except ValueError:  # both readers give one label to everything: nothing can be said
        return {"value": 0.0, "low": -1.0, "high": 1.0, "n": len(first)}
    low, high = min(made.low, made.value), max(made.high, made.value)
    return {"value": made.value, "low": low, "high": high, "n": len(first)}


def agreement_table(drawn: Mapping[str, Any]) -> pd.DataFrame:
    """Return how often each pair of readings occurs, nearest drawing in rows."""
    first, second, _ = _both(drawn)
    k = len(READINGS)
    table = np.bincount(first.astype(int) * k + second, minlength=k * k).reshape(k, k)
    rows = pd.Index([f"nearest drawing: {r}" for r in READINGS], name="read as")
    return pd.DataFrame(table, index=rows, columns=[f"second classifier: {r}" for r in READINGS])


def second_separation(drawn: Mapping[str, Any]) -> dict[str, float]:
    """Return the share of group-prompt images that the second reader reads as named."""
    codes = np.asarray(drawn["named_second_codes"])
    right = int((codes == np.arange(len(GROUPS))[:, None]).sum())
    low, high = binomial_interval(right, codes.size)
    return {"value": right / codes.size, "low": float(low), "high": float(high), "n": codes.size}


def _corrected(drawn: Mapping[str, Any], size: int, steps: int) -> CorrectedShares | None:
    counts = counts_of(np.asarray(drawn["neutral_second_codes"]).ravel())
    named = dict(zip(READINGS, counts.tolist(), strict=True))
    try:
        return correct_labels(named, confusion(size, steps, held="tone"))
    except ValueError:  # a reader of a few steps cannot tell the groups apart
        return None


def correction(drawn: Mapping[str, Any], *, size: int, steps: int) -> dict[str, float]:
    """Return the corrected share of women minus the share that the nearest drawing reads.

    Over all neutral prompts; the corrected share has its interval, the other is fixed. Where
    no share follows from the readings at all, the interval is everything.
    """
    counts = counts_of(np.asarray(drawn["neutral_group_codes"]).ravel())
    share, n = float(counts[1] / counts.sum()), int(counts.sum())
    made = _corrected(drawn, size, steps)
    if made is None:
        return {"value": 0.0, "low": -1.0, "high": 1.0, "n": n}
    low, high = made.interval["woman"]
    return {"value": made.shares["woman"] - share, "low": low - share, "high": high - share, "n": n}


def correction_table(drawn: Mapping[str, Any], *, size: int, steps: int) -> pd.DataFrame:
    """Return the shares of all neutral images: two readers, and the second one corrected."""
    rows = {}
    for name, key in (("nearest drawing", "group"), ("second classifier", "second")):
        counts = counts_of(np.asarray(drawn[f"neutral_{key}_codes"]).ravel())
        ends = multinomial_intervals(counts)
        rows[name] = [
            f"{k / counts.sum():.2f} [{low:.2f}, {high:.2f}]"
            for k, (low, high) in zip(counts, ends, strict=True)
        ]
    made = _corrected(drawn, size, steps)
    rows["second classifier, corrected"] = [
        ""
        if made is None
        else f"{made.shares[r]:.2f} [{made.interval[r][0]:.2f}, {made.interval[r][1]:.2f}]"
        for r in READINGS
    ]
    index = pd.Index(rows, name="all neutral prompts")
    return pd.DataFrame(list(rows.values()), index=index, columns=list(READINGS))


def show_reader(drawn: Mapping[str, Any], *, size: int, steps: int) -> None:
    """Glue the numbers of the two readers that the prose mentions."""
    first, second, _ = _both(drawn)
    show_number("readers-alike", float((first == second).mean()), digits=2)
    show_number("readers-none-first", float((first == len(GROUPS)).mean()), digits=3)
    show_number("readers-none-second", float((second == len(GROUPS)).mean()), digits=3)
    made = second_reader(size, steps)
    for held in HELD:
        show_number(f"reader-right-{held}", float(made[f"right_{held}"][0]), digits=2)
