"""A self-check of CLIP: cosines of a few prompts against numbers recorded from the real model.

Wrong weights, a wrong activation or a wrong tokenizer load without a word; these numbers differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bbb_core.embedding.encoder import Encoder
from bbb_core.errors import InputError

__all__ = ["RECORDED", "Recorded", "SelfCheck", "self_check"]


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """Cosines that somebody measured with the real model.

    Attributes
    ----------
    texts
        The prompts.
    cosines
        Of each pair of prompts, in the order (0, 1), (0, 2), ..., (1, 2), ...
    tolerance
        Largest difference that rounding to half precision explains.
    source
        Where the numbers come from.
    """

    texts: tuple[str, ...]
    cosines: tuple[float, ...]
    tolerance: float
    source: str


#: By model and published tag. Detic's vectors were made in half precision and stored as float16.
#: Rounding the rows alone moves these cosines by up to 1.1e-4 (1,000 draws); the tolerance leaves
#: room for a network that computes in half precision, and was not tried with the weights.
RECORDED: dict[tuple[str, str], Recorded] = {
    ("ViT-B-32", "openai"): Recorded(
        texts=("a man", "a woman", "a boy", "a girl", "a person", "a dog", "a bicycle"),
        cosines=(
            0.9454, 0.9562, 0.9177, 0.9080, 0.9071, 0.8371,
            0.9224, 0.9568, 0.8985, 0.8956, 0.8316,
            0.9423, 0.9102, 0.9170, 0.8479,
            0.9124, 0.9098, 0.8386,
            0.8945, 0.8412,
            0.8598,
        ),
        tolerance=0.005,
        source=(
            "facebookresearch/Detic @ 436cda2a2347, datasets/metadata/oid_clip_a+cname.npy "
            "(Apache-2.0)"
        ),
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SelfCheck:
    """What a self-check found: this encoder's cosines, beside the record's."""

    found: np.ndarray
    recorded: Recorded

    @property
    def passed(self) -> bool:
        """Whether every cosine agrees within the record's tolerance."""
        return bool(self._errors.max() <= self.recorded.tolerance)

    @property
    def worst(self) -> int:
        """Number of the pair whose cosine is farthest from its record."""
        return int(self._errors.argmax())

    @property
    def _errors(self) -> np.ndarray:
        return np.abs(self.found - np.array(self.recorded.cosines))

    def __str__(self) -> str:
        said, at = self.recorded, self.worst
        first, second = (ends[at] for ends in np.triu_indices(len(said.texts), k=1))
        return (
            f"self-check {'passed' if self.passed else 'failed'}: {len(self.found)} cosines; "
            f"farthest from its record is cos({said.texts[first]}, {said.texts[second]}) = "
            f"{self.found[at]:.4f}, recorded {said.cosines[at]:.4f} "
            f"(tolerance {said.tolerance}; {said.source})"
        )


def self_check(encoder: Encoder, *, recorded: Recorded | None = None) -> SelfCheck:
    """Compare an encoder's cosines with recorded ones.

    Parameters
    ----------
    encoder
        A CLIP model read from a file. Published weights are compared with the record of their tag,
        unknown ones with that of their model.
    recorded
        The record; by default the one in `RECORDED` that fits.

    Raises
    ------
    InputError
        When nothing was recorded for these weights.
    """
    recorded = recorded or _record_of(encoder)
    rows = encoder.encode_text(recorded.texts).double()
    first, second = np.triu_indices(len(recorded.texts), k=1)
    return SelfCheck(found=(rows[first] * rows[second]).sum(1).numpy(), recorded=recorded)


def _record_of(encoder: Encoder) -> Recorded:
    build = getattr(encoder, "build", None)
    for (model, tag), one in RECORDED.items():
        if build is not None and (build.weights or (build.model, tag)) == (model, tag):
            return one
    known = ", ".join(f"open_clip:{model}/{tag}" for model, tag in RECORDED)
    raise InputError(f"nothing was recorded for encoder {encoder.name!r}; known are: {known}.")
