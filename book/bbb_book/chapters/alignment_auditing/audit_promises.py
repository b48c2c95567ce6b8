"""What simulated audits say of the audit itself: level, coverage, power, bias (D5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from bbb_book.chapters.alignment_auditing.audit_designs import AUDITS, GAPS, run_design
from bbb_book.chapters.alignment_auditing.audit_trials import run_trials
from bbb_book.results.artefacts import artefact
from bbb_book.results.register import load_register
from bbb_core import rng, stats

__all__ = [
    "TESTS",
    "correction",
    "coverage",
    "finds",
    "level",
    "power_table",
    "rejected",
    "share",
    "trials",
    "unkind",
    "worst",
]

TESTS = {"ma_p": "multiaccuracy", "mc_p": "multicalibration", "gap_p": "gap without truth"}
"""Columns of p-values, and the tests that they belong to."""


def trials(sizes: Sequence[int], bias: float, n: int, seed: int) -> dict[tuple[int, float], Any]:
    """Return the simulated audits per sample size, without and with the planted bias."""
    found = {}
    for size in sizes:
        for planted in (0.0, bias):
            parameters = {"n": size, "bias": planted, "trials": n, "seed": seed}
            stored = artefact("audit-trials", run_trials, parameters=parameters)
            found[size, planted] = stored["table"]
    return found


def share(hits: np.ndarray, *, confidence: float = 0.95) -> dict[str, Any]:
    """Return a share of hits with its exact interval."""
    low, high = stats.binomial_interval(int(hits.sum()), len(hits), confidence=confidence)
    return {"value": hits.mean(), "low": low, "high": high, "n": len(hits)}


def unkind(n: int, seed: int) -> dict[str, pd.DataFrame]:
    """Return simulated audits of fair scores on unkind data, `n` per design."""
    return {
        design: artefact(
            "audit-levels", run_design, parameters={"design": design, "trials": n, "seed": seed}
        )["table"]
        for design in (*AUDITS, *GAPS)
    }


def _tests(tables: Iterable[pd.DataFrame]) -> list[np.ndarray]:
    """Return which samples each test of each design rejects at level .05."""
    return [t[c].to_numpy() < 0.05 for t in tables for c in TESTS if c in t]


def _exceeds(hits: list[np.ndarray]) -> dict[str, Any]:
    """Return the least p-value of exact tests of "at most 5 %", times their number."""
    p = [binomtest(int(h.sum()), len(h), 0.05, alternative="greater").pvalue for h in hits]
    return {"value": min(1.0, len(p) * min(p)), "n": sum(map(len, hits))}


def _fair(found: dict[tuple[int, float], Any]) -> list[pd.DataFrame]:
    return [t for (_, bias), t in found.items() if bias == 0]


def level(found: dict[tuple[int, float], Any], designs: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Return how well samples agree with rejections of fair scores in at most 5 %, as a p-value.

    One exact binomial test per design and test of the audit; Bonferroni over all of them.
    """
    return _exceeds(_tests([*_fair(found), *designs.values()]))


def coverage(
    found: dict[tuple[int, float], Any], designs: dict[str, pd.DataFrame]
) -> dict[str, Any]:
    """Return how well samples agree with intervals that fail in at most 5 %, as a p-value."""
    tables = [*found.values(), *designs.values()]
    return _exceeds([~t["covered"].to_numpy(bool) for t in tables])


def rejected(found: dict[tuple[int, float], Any]) -> dict[str, Any]:
    """Return the rate at which fair samples of the first kind are rejected, worse test."""
    fair = pd.concat(_fair(found))
    return max(
        (share(fair[p].to_numpy() < 0.05) for p in ("ma_p", "mc_p")), key=lambda s: s["value"]
    )


def worst(designs: dict[str, pd.DataFrame]) -> float:
    """Return the largest share of rejections over unkind designs and tests."""
    return max(float(h.mean()) for h in _tests(designs.values()))


def _power(found: dict[tuple[int, float], Any]) -> dict[int, dict[str, dict[str, Any]]]:
    """Return by sample size how often each test finds the planted bias, limits over all sizes."""
    biased = {n: t for (n, bias), t in sorted(found.items()) if bias != 0}
    level = 1 - 0.05 / len(biased)
    return {
        n: {TESTS[p]: share(t[p].to_numpy() < 0.05, confidence=level) for p in ("ma_p", "mc_p")}
        for n, t in biased.items()
    }


def _weaker(tests: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return min(tests.values(), key=lambda s: s["value"])


def finds(found: dict[tuple[int, float], Any]) -> dict[str, Any]:
    """Return the weaker test's power, judged at each sample size.

    The value is that of the middle size; the limits are the least and the largest of all sizes, so
    that a rule supports the claim only if it does so at every size.
    """
    rows = [_weaker(tests) for tests in _power(found).values()]
    return {
        "value": float(np.median([row["value"] for row in rows])),
        "low": min(row["low"] for row in rows),
        "high": max(row["high"] for row in rows),
        "n": sum(row["n"] for row in rows),
    }


def power_table(found: dict[tuple[int, float], Any]) -> pd.DataFrame:
    """Tabulate by sample size how often both tests find the planted bias, and what that decides."""
    rule, rows = load_register()["audit-finds-errors"].rule, {}
    for n, tests in _power(found).items():
        least = _weaker(tests)
        rows[f"{n} images"] = {
            name: "{value:.2f} [{low:.2f}, {high:.2f}]".format(**s) for name, s in tests.items()
        } | {"claim at this size": rule.verdict(least["low"], least["high"])}
    return pd.DataFrame(rows).T


def correction(found: dict[tuple[int, float], Any], *, seed: int = 0) -> dict[str, Any]:
    """Return mean corrected over mean plug-in multicalibration error of fair samples."""
    fair = pd.concat([t for (_, bias), t in found.items() if bias == 0])

    def ratio(corrected: np.ndarray, plug_in: np.ndarray, axis: int = 0) -> np.ndarray:
        return corrected.mean(axis=axis) / plug_in.mean(axis=axis)

    e = stats.bootstrap(
        ratio, fair["mc"].to_numpy(), fair["mc_plug_in"].to_numpy(), n_resamples=999,
        rng=rng.generator(seed, "correction"),
    )  # fmt: skip
    return {"value": e.value, "low": e.low, "high": e.high, "n": len(fair)}
