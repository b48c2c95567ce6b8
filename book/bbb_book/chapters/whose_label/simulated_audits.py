"""Simulated audits of images whose group nobody wrote down, by four approaches (T7).

An audit counts readings in images of unknown groups; what else it knows tells the approaches apart.
All counts are drawn from rates that are exact in the world of
`bbb_book.chapters.whose_label.world`, and all intervals are closed forms over arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.whose_label import two_groups as two
from bbb_core import checks, rng
from bbb_core.errors import InputError
from bbb_core.stats import binomial_interval

__all__ = [
    "APPROACHES",
    "audits",
    "extreme_rate",
    "mean_of_known",
    "simulate_audits",
    "simulate_occupations",
    "stated_bound",
    "verdicts",
]

APPROACHES = ("as read", "corrected", "bounds", "label-free")
VERDICTS = ("right", "open", "wrong")


def stated_bound(t: Any, f: Any, *, step: float = 0.05) -> np.ndarray:
    """Return the error of the group that is read worse, rounded up to a multiple of `step`.

    It plays the part of a bound that the maker of a reader states: true, and not sharp.

    Examples
    --------
    >>> round(float(stated_bound(0.93, 0.02)), 2)
    0.1
    """
    worst = np.maximum(1 - np.asarray(t, dtype=np.float64), np.asarray(f, dtype=np.float64))
    return np.asarray(np.minimum(np.ceil(np.round(worst / step, 9)) * step, 1 - 1e-9))


def verdicts(low: Any, high: Any, share: float, *, tolerance: float) -> np.ndarray:
    r"""Return 0 for a right, 1 for an open and 2 for a wrong verdict of each interval.

    An audit says *balanced* if its interval lies within 1/2 :math:`\pm` `tolerance`, and
    *imbalanced* if it lies outside; otherwise, and without an interval, the verdict is open.

    Examples
    --------
    >>> verdicts([0.45, 0.3, 0.65], [0.55, 0.7, 0.75], 0.5, tolerance=0.1).tolist()
    [0, 1, 2]
    """
    a, b = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    margin = checks.number("tolerance", tolerance, low=0, high=0.5)
    balanced = (a >= 0.5 - margin) & (b <= 0.5 + margin)
    imbalanced = (a > 0.5 + margin) | (b < 0.5 - margin)
    truly = abs(share - 0.5) <= margin
    said_right, said_wrong = (balanced, imbalanced) if truly else (imbalanced, balanced)
    return np.where(said_right, 0, np.where(said_wrong, 2, 1))


def audits(
    *,
    rates: Sequence[float],
    witnesses: Any,
    share: float,
    n: int,
    known: int,
    repeats: int,
    confidence: float,
    stream: np.random.Generator,
    prompt_rates: Any | None = None,
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Simulate `repeats` audits of n images with a planted share of women, by every approach.

    Parameters
    ----------
    rates
        Rate of "read as woman" among women and among men, by the reader.
    witnesses
        The same for witnesses fitted without labels ``[m, 2]``; audits take them in turn.
    known
        Labelled images per group that measure the reader's rates; the label-free approach has as
        many images per group prompt instead, half of which have fitted its witness.
    prompt_rates
        Rates of each witness in the images of the two group prompts ``[m, 2]``; by default the
        prompts obey, and these are `witnesses`.

    Returns
    -------
    dict
        Approach to (estimate, low, high), each ``[repeats]``; NaN where it gives none.
    """
    t, f = rates
    seen = stream.binomial(n, two.reading_rate(share, t, f), repeats)
    low, high = binomial_interval(seen, n, confidence=confidence)
    found = {"as read": (seen / n, low, high)}
    known_a, known_b = (stream.binomial(known, x, repeats) for x in (t, f))
    found["corrected"] = (
        two.corrected_value(seen / n, known_a / known, known_b / known),
        *two.corrected_shares(
            seen, n, seen_a=known_a, n_a=known, seen_b=known_b, n_b=known, confidence=confidence
        ),
    )
    bounds = two.bounded_shares(seen, n, error=stated_bound(t, f), confidence=confidence)
    found["bounds"] = (np.full(repeats, np.nan), *bounds)
    turn = np.arange(repeats) % len(witnesses)
    own = np.asarray(witnesses)[turn]
    named = own if prompt_rates is None else np.asarray(prompt_rates)[turn]
    half = known - known // 2
    hits = stream.binomial(n, two.reading_rate(share, own[:, 0], own[:, 1]))
    named_a, named_b = (stream.binomial(half, named[:, i]) for i in (0, 1))
    found["label-free"] = (
        two.corrected_value(hits / n, named_a / half, named_b / half),
        *two.corrected_shares(
            hits, n, seen_a=named_a, n_a=half, seen_b=named_b, n_b=half, confidence=confidence
        ),
    )
    return found


def simulate_audits(
    *,
    rates: Any,
    witnesses: Any,
    shares: Sequence[float],
    sizes: Sequence[int],
    known: int,
    tolerance: float,
    repeats: int,
    confidence: float,
    seed: int,
) -> dict[str, Any]:
    """Run `audits` over levels, planted shares and sample sizes.

    Parameters
    ----------
    rates, witnesses
        ``[levels, 2]`` and ``[levels, m, 2]``.

    Returns
    -------
    dict
        ``table``: one row per level, share, size and road, with the number of audits that cover,
        that give no interval, and of right, open and wrong verdicts, the mean error of the
        estimate, and mean ends and width.
    """
    rows = []
    for level, (pair, some) in enumerate(zip(np.asarray(rates), witnesses, strict=True)):
        for share in shares:
            for n in sizes:
                stream = rng.generator(seed, "roads", level, repr(float(share)), int(n))
                found = audits(
                    rates=pair.tolist(), witnesses=some, share=share, n=n, known=known,
                    repeats=repeats, confidence=confidence, stream=stream,
                )  # fmt: skip
                for road, ends in found.items():
                    row = {"level": level, "share": share, "n": n, "road": road}
                    rows.append({**row, **_summary(*ends, share, tolerance)})
    return {"table": pd.DataFrame(rows)}


def mean_of_known(x: np.ndarray) -> float:
    """Return the mean without NaN, NaN if nothing else is there (audits without an interval)."""
    known = x[~np.isnan(x)]
    return float(known.mean()) if len(known) else float("nan")


def _summary(
    value: np.ndarray, low: np.ndarray, high: np.ndarray, share: float, tolerance: float
) -> dict[str, float | int]:
    none = np.isnan(low)
    said = np.bincount(verdicts(low, high, share, tolerance=tolerance), minlength=3)
    return {
        "audits": len(low),
        "covered": int(((low <= share) & (share <= high)).sum()),
        "none": int(none.sum()),
        **{name: int(k) for name, k in zip(VERDICTS, said, strict=True)},
        "error": mean_of_known(value - share),
        "low": mean_of_known(low),
        "high": mean_of_known(high),
    }


def simulate_occupations(
    *,
    pooled: Sequence[float],
    single: Any,
    share: float,
    n: int,
    known: int,
    repeats: int,
    confidence: float,
    seed: int,
) -> dict[str, Any]:
    """Audit one occupation at a time with rates measured on all of them, and on its own images.

    Parameters
    ----------
    pooled
        Rates of "read as woman" among women and men of all occupations.
    single
        The same per occupation ``[k, 2]``.

    Returns
    -------
    dict
        ``table``: per occupation its rates, where the corrected share ends up with infinitely
        many images (`limit`), and coverage and mean width by method: ``pooled``, ``drift`` (rates
        allowed to lie as far from the pooled ones as they do at most in this world) and ``own``.
    """
    t, f = pooled
    each = np.asarray(single, dtype=np.float64)
    drift = float(np.abs(each - np.array([t, f])).max())
    rows = []
    for k, (ta, fa) in enumerate(each):
        stream = rng.generator(seed, "occupations", k)
        q = two.reading_rate(share, ta, fa)
        seen = stream.binomial(n, q, repeats)
        row = {"t": ta, "f": fa, "limit": float(two.corrected_value(q, t, f)), "audits": repeats}
        for method, (a, b), slack in (
            ("pooled", (t, f), 0.0), ("drift", (t, f), drift), ("own", (ta, fa), 0.0),
        ):  # fmt: skip
            low, high = two.corrected_shares(
                seen, n, seen_a=stream.binomial(known, a, repeats), n_a=known,
                seen_b=stream.binomial(known, b, repeats), n_b=known,
                drift=slack, confidence=confidence,
            )  # fmt: skip
            row[f"{method} covered"] = int(((low <= share) & (share <= high)).sum())
            row[f"{method} width"] = mean_of_known(high - low)
        rows.append(row)
    return {"table": pd.DataFrame(rows), "drift": drift}


def extreme_rate(
    table: Any, column: str, *, which: str, confidence: float
) -> Mapping[str, float | int]:
    """Return the extreme of a rate over settings, with an interval that pays for the search.

    Each setting gets an exact interval, all together at `confidence`; the extreme of the true
    rates lies between the extremes of the ends.

    Parameters
    ----------
    table
        One row per setting with the count `column` and the number of trials ``audits``.
    which
        ``largest`` or ``smallest``.

    Returns
    -------
    dict
        ``value``, ``low``, ``high`` and ``n`` (trials of all settings).
    """
    checks.choice("which", which, ("largest", "smallest"))
    if len(table) == 0:
        raise InputError("table has no rows; pass at least one setting.")
    trials = table["audits"].to_numpy()
    counts = table[column].to_numpy()
    each = 1 - (1 - checks.confidence_level(confidence)) / len(table)
    low, high = binomial_interval(counts, trials, confidence=each)
    pick = np.max if which == "largest" else np.min
    return {
        "value": float(pick(counts / trials)),
        "low": float(pick(low)),
        "high": float(pick(high)),
        "n": int(trials.sum()),
    }
