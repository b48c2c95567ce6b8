"""Simulated scores with a known truth, to see whether the audit keeps its promises (D5).

`run_trials` is an artefact function: plain data in, small tables out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbb_core import rng
from bbb_core.alignment import audit

__all__ = ["GROUP_COUNTS", "planted_errors", "planted_sample", "run_trials"]

GROUP_COUNTS = (2, 5)
"""Levels of the two attributes."""


def planted_sample(
    n: int, bias: float, seed: int
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return scores, truths and groups of `n` images; group a=1 is underrated by `bias`.

    The truth is whether an image fits (0 or 1), with probability between 0.2 and 0.8; the score
    is that probability, less the bias for one of two groups.
    """
    stream = rng.generator(seed, "planted")
    groups = {k: stream.integers(0, m, n) for k, m in zip("ab", GROUP_COUNTS, strict=True)}
    fit = 0.2 + 0.6 * stream.random(n)
    truth = (stream.random(n) < fit).astype(float)
    return fit - bias * (groups["a"] == 1), truth, groups


def planted_errors(names: Sequence[str], bias: float) -> np.ndarray:
    """Return the true signed error of each group of `planted_sample`, by its name."""
    a, b = GROUP_COUNTS
    share = [(1 / a if "a=" in name else 1) * (1 / b if "b=" in name else 1) for name in names]
    part = [1.0 if "a=1" in name else 0.0 if "a=0" in name else 1 / a for name in names]
    return bias * np.array(share) * np.array(part)


def run_trials(n: int, bias: float, trials: int, seed: int) -> dict[str, Any]:
    """Audit many samples.

    Returns
    -------
    dict
        ``table``: per trial both p-values, whether all intervals cover, and corrected and plug-in
        values of both errors.
    """
    rows = []
    for trial in range(trials):
        f, truth, groups = planted_sample(n, bias, seed * 1_000_003 + trial)
        found = audit(f, truth, groups, n_draws=400, seed=trial)
        table = found.by_group[found.by_group["supported"]]
        true = planted_errors(table["group"].tolist(), bias)
        ma, mc = found.multiaccuracy_error, found.multicalibration_error
        rows.append(
            {
                "ma_p": ma.p_value, "mc_p": mc.p_value,
                "covered": bool(((table["low"] <= true) & (true <= table["high"])).all()),
                "ma": ma.value, "ma_plug_in": ma.plug_in, "mc": mc.value, "mc_plug_in": mc.plug_in,
            }
        )  # fmt: skip
    return {"table": pd.DataFrame(rows)}
