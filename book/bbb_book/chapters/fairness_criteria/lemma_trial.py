"""The lemma of D3 on random mixtures: internal share against read share."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bbb_book.chapters.fairness_criteria.finite_generator import FiniteGenerator, mixture
from bbb_core import checks
from bbb_core.rng import generator

__all__ = ["lemma_trial"]


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
