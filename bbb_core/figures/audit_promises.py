"""What simulated audits say of the audit itself: level, coverage, power, bias (D5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bbb_core import rng, stats
from bbb_core.experiments.audit_trials import run_trials
from bbb_core.figures.style import figure, house, palette
from bbb_core.results.artefacts import artefact

__all__ = [
    "correction",
    "coverage",
    "estimators",
    "finds",
    "level",
    "power_table",
    "share",
    "trials",
]


def trials(sizes: Sequence[int], bias: float, n: int, seed: int) -> dict[tuple[int, float], Any]:
    """Return the simulated audits per sample size, without and with the planted bias."""
    found = {}
    for size in sizes:
        for planted in (0.0, bias):
            parameters = {"n": size, "bias": planted, "trials": n, "seed": seed}
            stored = artefact("audit-trials", run_trials, parameters=parameters)
            found[size, planted] = stored["table"]
    return found


def share(hits: np.ndarray) -> dict[str, Any]:
    """Return a share of hits with its exact interval."""
    low, high = stats.binomial_interval(int(hits.sum()), len(hits))
    return {"value": hits.mean(), "low": low, "high": high, "n": len(hits)}


def level(found: dict[tuple[int, float], Any]) -> dict[str, Any]:
    """Return the rate at which fair samples are rejected, all sizes together, worse test."""
    fair = pd.concat([t for (_, bias), t in found.items() if bias == 0])
    return max(
        (share(fair[p].to_numpy() < 0.05) for p in ("ma_p", "mc_p")), key=lambda s: s["value"]
    )


def coverage(found: dict[tuple[int, float], Any]) -> dict[str, Any]:
    """Return how often all simultaneous intervals cover, over all samples."""
    return share(pd.concat(found.values())["covered"].to_numpy())


def finds(found: dict[tuple[int, float], Any]) -> dict[str, Any]:
    """Return the share of biased samples in which a test finds an error, the weaker of both."""
    biased = pd.concat([t for (_, bias), t in found.items() if bias != 0])
    return min(
        (share(biased[p].to_numpy() < 0.05) for p in ("ma_p", "mc_p")), key=lambda s: s["value"]
    )


def power_table(found: dict[tuple[int, float], Any]) -> pd.DataFrame:
    """Tabulate how often both tests find the planted bias, by sample size."""
    names = {"multiaccuracy": "ma_p", "multicalibration": "mc_p"}
    rows = {}
    for (n, bias), table in found.items():
        if bias != 0:
            rows[f"{n} images"] = {
                name: "{value:.2f} [{low:.2f}, {high:.2f}]".format(
                    **share(table[p].to_numpy() < 0.05)
                )
                for name, p in names.items()
            }
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


@house
def estimators(found: dict[tuple[int, float], Any]) -> Figure:
    """Draw mean plug-in and corrected errors against the sample size, fair and planted."""
    biases = sorted({bias for _, bias in found})
    sizes = sorted({n for n, _ in found})
    fig, axes = figure(1, len(biases), height=2.7, sharey=True)
    looks = palette(["plug-in", "corrected"])
    for ax, bias in zip(axes, biases, strict=True):
        tables = [found[n, bias] for n in sizes]
        ax.axhline(bias / 2, color="#666666", linewidth=1.0, linestyle=":", label="truth")
        for name, column in (("plug-in", "mc_plug_in"), ("corrected", "mc")):
            mean = [t[column].mean() for t in tables]
            bar = [1.96 * t[column].std() / np.sqrt(len(t)) for t in tables]
            look = looks[name]
            ax.errorbar(sizes, mean, bar, **look.lines(marker=look.marker, label=name))
        ax.set(xscale="log", xlabel=f"images, planted bias {bias:g}")
        ax.set_xticks(sizes, [f"{n}" for n in sizes])
        ax.minorticks_off()
    axes[0].set_ylabel("multicalibration error")
    axes[0].legend()
    return fig
