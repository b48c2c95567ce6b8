"""Figures, tables and numbers of the chapter on mitigations for generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bbb_book.data.emoji import OCCUPATIONS
from bbb_book.generators.geometry import group_counts
from bbb_book.generators.prompt_mitigations import measure_mitigations
from bbb_book.generators.studies import Study, study_artefact
from bbb_book.results.artefacts import Artefact
from bbb_book.style import figure, house, palette
from bbb_core import rng
from bbb_core.balance.means import mean_change, mean_imbalance
from bbb_core.stats import Estimate, binomial_interval

__all__ = [
    "fidelity_loss",
    "imbalance",
    "measure",
    "paired_change",
    "pictures",
    "shares",
    "subclass_imbalance",
    "summary",
]


def measure(
    study: Study, *, n: int, reverse_steps: int, shown: int, seed: int, methods: Sequence[str]
) -> Artefact:
    """Return what every mitigation draws for every occupation."""
    return study_artefact(
        "people-mitigations",
        measure_mitigations,
        study=study,
        methods=list(methods),
        n=n,
        reverse_steps=reverse_steps,
        shown=shown,
        seed=seed,
    )


def _counts(made: Mapping[str, Any], methods: Sequence[str], method: str) -> np.ndarray:
    return np.asarray(made["counts"])[list(methods).index(method)]


def _result(found: Estimate, n: int) -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high, "n": n}


def imbalance(made: Mapping[str, Any], methods: Sequence[str], method: str) -> dict[str, float]:
    """Return the mean imbalance under one mitigation, for occupations like these."""
    counts = group_counts(_counts(made, methods, method))
    return _result(mean_imbalance(counts, prompts="sampled").corrected, len(counts))


def paired_change(made: Mapping[str, Any], methods: Sequence[str], method: str) -> dict[str, float]:
    """Return the mean change of imbalance by a mitigation, paired by occupation."""
    before, after = (group_counts(_counts(made, methods, m)) for m in ("none", method))
    return _result(mean_change(before, after, prompts="sampled"), len(after))


def subclass_imbalance(made: Mapping[str, Any], methods: Sequence[str]) -> dict[str, float]:
    """Return the mean over occupations of TV(readings, target) under subclass sampling.

    "None" is an outcome. Half of the images are drawn per group, which makes the shares less
    variable than the interval allows for.
    """
    counts = _counts(made, methods, "subclass")
    found = mean_imbalance(counts, target=(0.5, 0.5, 0.0))
    return _result(found.corrected, int(counts.sum()))


def fidelity_loss(made: Mapping[str, Any], methods: Sequence[str]) -> dict[str, float]:
    """Return the worst change of occupation fidelity by a mitigation, with joint exact limits."""
    right = np.asarray(made["occupation"]).sum(1)
    n = int(np.asarray(made["counts"])[0].sum())
    level = 1 - 0.05 / len(methods)
    ends = np.array([binomial_interval(int(k), n, confidence=level) for k in right])
    base = list(methods).index("none")
    others = [i for i in range(len(methods)) if i != base]
    worst = min(others, key=lambda i: right[i])
    return {
        "value": float(right[worst] - right[base]) / n,
        "low": float(ends[worst, 0] - ends[base, 1]),
        "high": float(ends[worst, 1] - ends[base, 0]),
        "n": n,
    }


def summary(made: Mapping[str, Any], methods: Sequence[str]) -> pd.DataFrame:
    """Return balance, fidelity and cost of every mitigation as text."""
    rows = {}
    for i, method in enumerate(methods):
        mean = imbalance(made, methods, method)
        counts = np.asarray(made["counts"])[i]
        rows[method] = {
            "imbalance": f"{mean['value']:.2f} [{mean['low']:.2f}, {mean['high']:.2f}]",
            "right occupation": f"{np.asarray(made['occupation'])[i].sum() / counts.sum():.3f}",
            "read as none": f"{counts[:, 2].sum() / counts.sum():.3f}",
            "evaluations per image": f"{made['evaluations'][i]:.0f}",
        }
    return pd.DataFrame(rows).T.rename_axis("mitigation")


@house
def shares(made: Mapping[str, Any], methods: Sequence[str]) -> Figure:
    """Draw the share of women per occupation under each mitigation, and the mean imbalance."""
    counts = np.asarray(made["counts"])
    fig, axes = figure(height=3.0)
    looks = palette(methods)
    spread = rng.generator(0, "spread of dots").uniform(-0.18, 0.18, len(OCCUPATIONS))
    for i, method in enumerate(methods):
        share = counts[i, :, 1] / counts[i].sum(1)
        axes.plot(share, i + spread, **looks[method].points(alpha=0.75))
    axes.axvline(0.5, color="black", linewidth=0.8)
    axes.set_yticks(range(len(methods)), methods)
    axes.invert_yaxis()
    axes.set(xlabel="share of images read as woman, one dot per occupation", xlim=(-0.02, 1.02))
    return fig


@house
def pictures(made: Mapping[str, Any], methods: Sequence[str], occupations: Sequence[str]) -> Figure:
    """Draw generations under each mitigation, a row per mitigation and occupation."""
    sheet = np.asarray(made["sheet"])
    rows = []
    for i in range(len(methods)):
        own = [sheet[i, OCCUPATIONS.index(o)] for o in occupations]
        rows.append(np.concatenate([np.concatenate(list(tiles), axis=2) for tiles in own], axis=2))
    picture = np.concatenate(rows, axis=1).transpose(1, 2, 0)
    fig, axes = figure(height=5.4 * picture.shape[0] / picture.shape[1] + 0.5)
    axes.imshow(picture, interpolation="nearest")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    height, width = picture.shape[0] / len(methods), picture.shape[1] / len(occupations)
    axes.set_yticks([height * (i + 0.5) for i in range(len(methods))], methods)
    axes.set_xticks([width * (i + 0.5) for i in range(len(occupations))], occupations)
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    return fig
