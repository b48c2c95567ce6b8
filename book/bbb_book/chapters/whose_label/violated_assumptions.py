"""Where audits end up when group prompts leak, or people of neither group appear (D1, D3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.whose_label import two_groups as two
from bbb_book.chapters.whose_label.simulated_audits import audits
from bbb_core import rng

__all__ = ["limits_with_neither", "simulate_leak"]


def simulate_leak(
    *,
    witnesses: Any,
    leak: Sequence[float],
    share: float,
    n: int,
    known: int,
    repeats: int,
    confidence: float,
    seed: int,
) -> dict[str, Any]:
    r"""Audit without labels while the group prompts draw some people of the other group.

    Parameters
    ----------
    witnesses
        Rates of witnesses fitted to such prompts, among women and men ``[m, 2]``.
    leak
        Share of men under the prompt that names women, of women under the one that names men.

    Returns
    -------
    dict
        ``limit``: the weight w with :math:`s = w (1 - \delta_a) + (1 - w)\,\delta_b`, where the
        audits end up; ``audits``; ``plain`` and ``widened``: audits that cover the planted share,
        before and after `two_groups.leaky_shares` with the larger leak; mean ``width`` of both.
    """
    own = np.asarray(witnesses, dtype=np.float64)
    a, b = leak
    prompts = np.stack([two.reading_rate(x, own[:, 0], own[:, 1]) for x in (1 - a, b)], axis=1)
    _, low, high = audits(
        rates=(1.0, 0.0), witnesses=own, share=share, n=n, known=known, repeats=repeats,
        confidence=confidence, stream=rng.generator(seed, "leak"), prompt_rates=prompts,
    )["label-free"]  # fmt: skip
    low, high = np.where(np.isnan(low), 0.0, low), np.where(np.isnan(high), 1.0, high)
    wide = two.leaky_shares(low, high, leak=max(a, b))
    return {
        "limit": (share - b) / (1 - a - b),
        "audits": repeats,
        "plain": int(((low <= share) & (share <= high)).sum()),
        "widened": int(((wide[0] <= share) & (share <= wide[1])).sum()),
        "width": [float((high - low).mean()), float((wide[1] - wide[0]).mean())],
    }


def limits_with_neither(
    rates: Any, witnesses: Any, shares: Sequence[float], *, women: float = 0.5
) -> pd.DataFrame:
    """Return what each approach reports with endless images when some people are of neither group.

    Parameters
    ----------
    rates
        Rate of "read as woman" among women, men and people of neither group ``[3]``.
    witnesses
        The same for witnesses fitted without labels ``[m, 3]``; their mean is reported.
    shares
        Shares of people of neither group.
    women
        Share of women among women and men: what a two-group audit is after.

    Examples
    --------
    >>> found = limits_with_neither([1.0, 0.0, 0.0], [[1.0, 0.0, 1.0]], [0.2])
    >>> found.round(2).iloc[0].to_dict()
    {'outside': 0.2, 'as read': 0.4, 'corrected': 0.4, 'label-free': 0.6}
    """
    reader, some = np.asarray(rates, dtype=np.float64), np.asarray(witnesses, dtype=np.float64)
    rows = []
    for outside in shares:
        people = np.array([(1 - outside) * women, (1 - outside) * (1 - women), outside])
        q = float(people @ reader)
        each = two.corrected_value((some @ people).clip(0, 1), some[:, 0], some[:, 1])
        rows.append(
            {
                "outside": float(outside),
                "as read": q,
                "corrected": float(two.corrected_value(q, reader[0], reader[1])),
                "label-free": float(np.nanmean(each)),
            }
        )
    return pd.DataFrame(rows)
