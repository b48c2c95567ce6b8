"""The small CLIPs of the alignment chapters: trained once, shared by all of them, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bbb_book.data import emoji
from bbb_book.results.artefacts import artefact
from bbb_book.scorers.caption_bias import GROUPS, SHADES, EncoderKind, shares_of_men
from bbb_book.scorers.design import Design, audit_design, measure_caption_bias
from bbb_book.scorers.published_models import measure_published
from bbb_core import device

__all__ = [
    "SMALL_CLIP",
    "STRATEGY_COLUMNS",
    "ScoredModel",
    "ScoredModels",
    "chosen_scorer",
    "score_models",
]

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
SMALL_CLIP = "small-clip"
"""The scorer of a chapter that is its own; any other is a spec such as ``open_clip:...``."""


@dataclass(frozen=True)
class ScoredModel:
    """One model's cosines on the audit design, by column; see `measure_caption_bias`."""

    bias: str
    seed: int
    design: Design
    values: Mapping[str, Any]
    encoder: str = "clip"

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

    def shaded_gaps(self, column: str) -> np.ndarray:
        """Return the largest gap among four groups (gender by shade of skin) per occupation.

        In units of the spread within prompts; never negative. Tones without a word are left out.
        """
        x, d = self.score(column), self.design
        words = list(SHADES)
        shade = np.array(
            [next((words.index(s) for s in words if t in SHADES[s]), -1) for t in emoji.TONES]
        )[d.tone]
        mean = np.array(
            [
                [x[(d.prompt == o) & (d.group == g) & (shade == s)].mean()
                 for g in (0, 1) for s in range(len(words))]
                for o in range(20)
            ]
        )  # fmt: skip
        spread = np.sqrt(np.mean([x[(d.prompt == o) & (shade >= 0)].var() for o in range(20)]))
        return (mean.max(axis=1) - mean.min(axis=1)) / spread


@dataclass(frozen=True)
class ScoredModels:
    """All models of a chapter, in the order of encoders, then biases, then seeds."""

    models: tuple[ScoredModel, ...]

    def __iter__(self) -> Iterator[ScoredModel]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    def of(self, bias: str) -> list[ScoredModel]:
        """Return the models of one caption bias, one per encoder and seed."""
        return [model for model in self.models if model.bias == bias]

    @property
    def skewed(self) -> list[ScoredModel]:
        """The models whose neutral captions go more often with one group, in some occupation."""
        return [model for model in self.models if (shares_of_men(model.bias) != 0.5).any()]

    @property
    def encoders(self) -> list[str]:
        """The kinds of encoders, in order."""
        return list(dict.fromkeys(model.encoder for model in self.models))

    def by(self, encoder: str) -> ScoredModels:
        """Return the models of one kind of encoder."""
        return ScoredModels(tuple(m for m in self.models if m.encoder == encoder))

    @property
    def biases(self) -> list[str]:
        """The caption biases, in order."""
        return list(dict.fromkeys(model.bias for model in self.models))


def score_models(
    biases: Sequence[str],
    seeds: Sequence[int],
    *,
    encoders: Sequence[EncoderKind],
    steps: int,
    repeats: int,
    pool: int,
) -> ScoredModels:
    """Return the scored models, trained where no stored artefact has them.

    Parameters
    ----------
    biases, seeds, encoders
        One model per triple.
    steps, repeats, pool
        See `measure_caption_bias`.
    """
    design, models = audit_design(repeats, 0), []
    with device.threads(1):  # small batches: a second thread helps little and suffers from company
        for encoder in encoders:
            for bias in biases:
                for seed in seeds:
                    parameters = {
                        "encoder": encoder, "bias": bias, "steps": steps, "repeats": repeats,
                        "pool": pool, "seed": seed,
                    }  # fmt: skip
                    name = f"scorer-{encoder}-{bias.replace(':', '-').replace('.', '')}-{seed}"
                    found = artefact(name, measure_caption_bias, parameters=parameters)
                    models.append(ScoredModel(bias, seed, design, found, encoder))
    return ScoredModels(tuple(models))


def chosen_scorer(scorer: str, default: ScoredModel, *, repeats: int, pool: int) -> ScoredModel:
    """Return the scorer that a chapter looks at last: its own, or a published model.

    Parameters
    ----------
    scorer : str
        ``small-clip``: `default`. Otherwise a spec such as ``open_clip:MODEL/PRETRAINED``, whose
        model scores the same pictures.
    default : ScoredModel
    repeats, pool
        See `measure_caption_bias`.
    """
    if scorer == SMALL_CLIP:
        return default
    parameters = {"scorer": scorer, "repeats": repeats, "pool": pool}
    with device.threads(1):
        found = artefact("scorer-published", measure_published, parameters=parameters)
    return ScoredModel("as published", 0, audit_design(repeats, 0), found, scorer)
