"""What stays and what flips between encoders: measures of chains and their summary.

Serves the chapter "Does it generalise?". Leans and gaps are positive towards women.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch

from bbb_book.chapters.generalisation.chain import ChainSettings, chain_artefacts
from bbb_book.chapters.generalisation.heterogeneity import (
    Heterogeneity,
    heterogeneity,
    rank_correlation_effect,
)
from bbb_core.balance import plug_in_imbalance, sampling_floor, split_half_imbalance
from bbb_core.balance.means import Prompts, mean_imbalance
from bbb_core.embedding import position
from bbb_core.stats import Estimate, mean_interval

__all__ = [
    "LEVELS",
    "STAGES",
    "Chain",
    "Encoder",
    "Shares",
    "encoders_of",
    "joint_mean",
    "stage_effects",
    "variance_shares",
]

TARGET = (0.5, 0.5, 0.0)
Source = Literal["neutral", "averaged", "subclass"]
Strategy = Literal["plain", "average-then-score", "subclass-score"]
STAGES: Mapping[str, tuple[str, str]] = {
    "prompt to images": ("prompt_lean", "image_lean"),
    "images to scores": ("image_lean", "score_gap"),
    "prompt to scores": ("prompt_lean", "score_gap"),
}
"""Pairs of neighbouring quantities whose rank correlation over occupations is followed."""

LEVELS: Mapping[str, tuple[str, ...]] = {
    "signed position of prompts": ("prompt_lean",),
    "signed imbalance of images": ("image_lean",),
    "score gap": ("score_gap", "plain"),
}
"""Measures of `Encoder.mean` whose means over occupations are compared between encoders."""


def joint_mean(x: np.ndarray, looks: int, confidence: float) -> tuple[float, float, float]:
    """Return a mean over few units with the ends of an interval; all `looks` hold together."""
    found = mean_interval(x, confidence=1 - (1 - confidence) / looks)
    return found.value, found.low, found.high


@dataclass(frozen=True, eq=False)
class Chain:
    """One run of the chain: an encoder, a seed and what `measure_chain` returned."""

    spec: str
    seed: int
    values: Mapping[str, Any]

    @cached_property
    def prompt_lean(self) -> np.ndarray:
        r"""Lean of the neutral prompts, [20]: 0 halfway, 1 at the woman's, -1 at the man's prompt.

        :math:`2 t - 1` for the `position` t of E(p) on the way from E(p_man) to E(p_woman). It
        has no unit, so encoders compare.
        """
        neutral, man, woman = torch.as_tensor(self.values["prompts"]).unbind(1)
        return 2 * position(neutral, man, woman).numpy() - 1

    @cached_property
    def image_lean(self) -> np.ndarray:
        """(women - men) / (women + men) among the images of neutral prompts, [20]; 0 if none."""
        man, woman, _ = np.asarray(self.values["neutral"], np.float64).T
        return (woman - man) / np.maximum(man + woman, 1)

    def imbalance(self, source: Source) -> np.ndarray:
        """Plug-in TV from balance per occupation, [20]; an image read as no group counts."""
        return plug_in_imbalance(self.counts(source), target=TARGET)

    def counts(self, source: Source) -> np.ndarray:
        """Return counts of man, woman, none, [20, 3]; "subclass": half from each group prompt."""
        if source == "subclass":
            return np.asarray(self.values["group"]).sum(1)
        return np.asarray(self.values[source])

    def floor(self, source: Literal["neutral", "averaged"]) -> float:
        """Return the expected plug-in TV of a balanced generator with as many images."""
        return float(sampling_floor(int(self.counts(source)[0].sum()), target=TARGET))

    def corrected(self, source: Source) -> np.ndarray:
        """Split-half TV from balance per occupation, [20]: not inflated by sampling."""
        return split_half_imbalance(self.counts(source), target=TARGET)

    @property
    def named(self) -> tuple[int, int]:
        """Images of group prompts that were read as the named group, and all of them."""
        group = np.asarray(self.values["group"])
        return int(group[:, 0, 0].sum() + group[:, 1, 1].sum()), int(group.sum())

    def _scores(self, strategy: Strategy) -> np.ndarray:
        """Score every image of a group prompt against every occupation, [20, 2, n, 20]."""
        cosines = np.asarray(self.values["scores"], np.float64)
        if strategy == "plain":
            return cosines[..., 0]
        if strategy == "subclass-score":
            return cosines[..., 1:].max(-1)
        prompts = np.asarray(self.values["prompts"], np.float64)
        return cosines[..., 1:].mean(-1) / np.linalg.norm(prompts[:, 1:].mean(1), axis=1)

    def _gaps(self, strategy: Strategy) -> tuple[np.ndarray, np.ndarray]:
        """Return gaps per occupation and their squared standard errors, [20] each."""
        scores = self._scores(strategy)
        asked = np.arange(len(scores))
        own = scores[asked, :, :, asked]  # [20, 2, n]
        spread = np.sqrt(scores.reshape(-1, len(scores)).var(0).mean())
        fits = (np.asarray(self.values["read_group"]) == np.arange(2)[:, None]) & (
            np.asarray(self.values["read_occupation"]) == asked[:, None, None]
        )
        fits |= (fits.sum(-1) < 2)[..., None]  # too few read rightly: take what was asked for
        n = fits.sum(-1)
        mean = (own * fits).sum(-1) / n
        square = (((own - mean[..., None]) ** 2) * fits).sum(-1) / (n - 1) / n
        return (mean[:, 1] - mean[:, 0]) / spread, square.sum(1) / spread**2

    def score_gap(self, strategy: Strategy = "plain") -> np.ndarray:
        """Mean score of women minus that of men, per occupation, [20]; fair is 0.

        Images of group prompts that are read as what was asked for, so that all fit alike. The
        unit is the standard deviation of a prompt's scores over all images, fitting and wrong.
        """
        return self._gaps(strategy)[0]

    def score_error(self, strategy: Strategy = "plain") -> np.ndarray:
        """Squared gap less its sampling noise, per occupation, [20]: unbiased, so it can be < 0."""
        gap, noise = self._gaps(strategy)
        return gap**2 - noise


@dataclass(frozen=True, eq=False)
class Encoder:
    """All chains of one encoder, one per seed; its measures are means over seeds."""

    spec: str
    chains: tuple[Chain, ...]

    @property
    def family(self) -> str:
        """Kind of encoder: of texts alone, a small CLIP, or a CLIP with published weights."""
        if self.spec.startswith("open_clip:"):
            return "CLIP"
        return "small CLIP" if self.spec.startswith("clip:") else "text encoder"

    def mean(self, measure: str, *arguments: Any) -> np.ndarray:
        """Return the mean over seeds of a measure of `Chain` by name."""
        values = [getattr(chain, measure) for chain in self.chains]
        return np.mean([v(*arguments) if callable(v) else v for v in values], axis=0)

    def imbalance(
        self, source: Source, *, prompts: Prompts = "sampled", confidence: float = 0.95
    ) -> Estimate:
        """Return the mean imbalance over occupations; seeds share the occupations."""
        tables = [chain.counts(source) for chain in self.chains]
        return mean_imbalance(
            np.concatenate(tables), target=TARGET, prompts=prompts,
            clusters=np.tile(np.arange(len(tables[0])), len(tables)), confidence=confidence,
        ).corrected  # fmt: skip

    def effect(self, stage: str) -> tuple[float, float]:
        """Return the stage's rank correlation over occupations on Fisher's scale, and its error."""
        x, y = STAGES[stage]
        return rank_correlation_effect(self.mean(x), self.mean(y))


def encoders_of(
    specs: Sequence[str], seeds: Sequence[int], settings: ChainSettings
) -> list[Encoder]:
    """Return the chains of every encoder, computed where no stored artefact has them."""
    found: dict[str, list[Chain]] = {}
    for spec, seed, made in chain_artefacts(specs, seeds, settings):
        found.setdefault(spec, []).append(Chain(spec, seed, made))
    return [Encoder(spec, tuple(chains)) for spec, chains in found.items()]


def stage_effects(
    encoders: Sequence[Encoder], stage: str, *, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray, Heterogeneity]:
    """Return effects [k], errors [k] and their random-effects summary, on Fisher's scale."""
    effects, errors = np.array([encoder.effect(stage) for encoder in encoders]).T
    return effects, errors, heterogeneity(effects, errors, confidence=confidence)


@dataclass(frozen=True)
class Shares:
    """Shares of variance, which sum to one.

    Attributes
    ----------
    occupation
        Differences between occupations that all encoders share.
    crossed
        Differences between occupations that are an encoder's own.
    rest
        What another seed changes, sampling of images included.
    """

    occupation: float
    crossed: float
    rest: float


def variance_shares(table: np.ndarray) -> Shares:
    r"""Split the variance of a measure within encoders, by the moments of a mixed model.

    :math:`y_{oes} = \mu + a_o + b_e + s_{es} + (ab)_{oe} + \varepsilon_{oes}` with random
    :math:`a`, :math:`ab` and :math:`\varepsilon`; levels of encoders and seeds are taken out.
    Components come from the mean squares of the balanced table; negative ones count as zero.

    Parameters
    ----------
    table
        Values [occupations, encoders, seeds], at least two of each.

    Examples
    --------
    >>> same = np.arange(5.0)[:, None, None] + np.zeros((5, 3, 2))
    >>> variance_shares(same)
    Shares(occupation=1.0, crossed=0.0, rest=0.0)
    """
    y = np.asarray(table, np.float64)
    o, e, s = y.shape
    y = y - y.mean(0)  # levels of encoders and seeds
    own = y.mean(2)
    shared = own.mean(1)
    ms_occupation = e * s * (shared**2).sum() / (o - 1)
    ms_crossed = s * ((own - shared[:, None]) ** 2).sum() / ((o - 1) * (e - 1))
    ms_rest = ((y - own[..., None]) ** 2).sum() / ((o - 1) * e * (s - 1))
    parts = np.array(
        [(ms_occupation - ms_crossed) / (e * s), (ms_crossed - ms_rest) / s, ms_rest]
    ).clip(min=0)
    total = parts.sum()
    return Shares(*(parts / total if total > 0 else np.array([0.0, 0.0, 1.0])).tolist())
