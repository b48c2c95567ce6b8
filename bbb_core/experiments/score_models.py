"""The small CLIPs of the alignment chapters: trained once, shared by all of them, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bbb_core import device
from bbb_core.data import emoji
from bbb_core.experiments.caption_bias import GROUPS, Design, audit_design, measure_caption_bias
from bbb_core.results.artefacts import artefact

__all__ = ["STRATEGY_COLUMNS", "ScoredModel", "ScoredModels", "score_models"]

STRATEGY_COLUMNS = (
    "plain",
    "average-then-score",
    "subclass-score (maximum)",
    "subclass-score (read group)",
    "projection",
    "calibrated projection",
    "centred images",
    "standardised by read group",
)
"""Strategies and repairs that the chapters compare (score-then-average ranks as average does)."""


@dataclass(frozen=True)
class ScoredModel:
    """One model's cosines on the audit design, by column; see `measure_caption_bias`."""

    bias: str
    seed: int
    design: Design
    values: Mapping[str, Any]

    def score(self, column: str) -> np.ndarray:
        """Return one column of cosines, [rows], float64."""
        place = list(self.values["columns"]).index(column)
        return np.asarray(self.values["scores"][:, place], dtype=np.float64)

    def labels(self) -> dict[str, np.ndarray]:
        """Return the groups of each row as words: gender as drawn, tone, occupation asked for."""
        return {
            "gender": np.array(GROUPS)[self.design.group],
            "tone": np.array(emoji.TONES)[self.design.tone],
            "occupation": np.array(emoji.OCCUPATIONS)[self.design.prompt],
        }

    def drawings(self) -> np.ndarray:
        """Return the number of the fitting drawing per row: rows that share it are dependent."""
        d = self.design
        return (d.prompt * 2 + d.group) * 6 + d.tone

    def gaps(self, column: str) -> np.ndarray:
        """Return the gap woman minus man per occupation, in units of the spread within prompts."""
        x, d = self.score(column), self.design
        mean = np.array(
            [[x[(d.prompt == o) & (d.group == g)].mean() for g in (0, 1)] for o in range(20)]
        )
        spread = np.sqrt(np.mean([x[d.prompt == o].var() for o in range(20)]))
        return (mean[:, 1] - mean[:, 0]) / spread


@dataclass(frozen=True)
class ScoredModels:
    """All models of a chapter, in the order of biases, then seeds."""

    models: tuple[ScoredModel, ...]

    def __iter__(self) -> Iterator[ScoredModel]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    def of(self, bias: str) -> list[ScoredModel]:
        """Return the models of one caption bias, one per seed."""
        return [model for model in self.models if model.bias == bias]

    @property
    def biases(self) -> list[str]:
        """The caption biases, in order."""
        return list(dict.fromkeys(model.bias for model in self.models))


def score_models(
    biases: Sequence[str], seeds: Sequence[int], *, steps: int, repeats: int, pool: int
) -> ScoredModels:
    """Return the scored models, trained where no stored artefact has them.

    Parameters
    ----------
    biases, seeds
        One model per pair.
    steps, repeats, pool
        See `measure_caption_bias`.
    """
    design, models = audit_design(repeats, 0), []
    with device.threads(1):  # small batches: a second thread helps little and suffers from company
        for bias in biases:
            for seed in seeds:
                parameters = {
                    "bias": bias, "steps": steps, "repeats": repeats, "pool": pool, "seed": seed
                }  # fmt: skip
                name = f"small-clip-{bias.replace(':', '-').replace('.', '')}-{seed}"
                found = artefact(name, measure_caption_bias, parameters=parameters)
                models.append(ScoredModel(bias, seed, design, found))
    return ScoredModels(tuple(models))
