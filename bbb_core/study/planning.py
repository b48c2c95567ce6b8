"""The plan of a study: from a wanted precision to images and people (human study)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bbb_core import checks as check
from bbb_core.errors import InputError
from bbb_core.study.power import (
    Readers,
    design_effect,
    detection_power,
    expected_half_width,
    images_for_half_width,
    images_for_power,
)

__all__ = ["Plan", "plan_study"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How large a study must be.

    Attributes
    ----------
    images : int
        Per prompt.
    people : int
        To invite, those who will be dropped included.
    half_width, power : float
        Of the result: expected half-width at balance, and probability of detecting `imbalance`
        (NaN if none was given).
    unread : float
        Probability that an image is read by nobody, as each participant gets a random part.
    """

    images: int
    people: int
    prompts: int
    per_participant: int
    readers: Readers
    half_width: float
    imbalance: float | int | None
    power: float
    effect: float
    unread: float
    confidence: float | int

    def __str__(self) -> str:
        right, wrong, none = self.readers.label_rates()
        lines = [
            f"Images: {self.images} per prompt, {self.images * self.prompts} in all",
            f"People: {self.people}, each reading {self.per_participant} images "
            f"({self.readers.readings} readings per image)",
            f"Labels: {right:.3f} right, {wrong:.3f} wrong, {none:.3f} none",
            f"Half-width of a share, expected: {self.half_width:.3f} "
            f"({self.confidence:.0%}, all prompts together)",
        ]
        if self.imbalance is not None:
            lines.append(f"Power to detect an imbalance of {self.imbalance:g}: {self.power:.3f}")
        lines.append(f"Design effect of the readings: {self.effect:.2f}")
        lines.append(f"Chance that an image is read by nobody: {self.unread:.2g}")
        return "\n".join(lines)


def plan_study(
    readers: Readers,
    *,
    half_width: float | int | None = None,
    imbalance: float | int | None = None,
    power: float | int = 0.9,
    per_participant: int = 60,
    dropped: float | int = 0.2,
    prompts: int = 1,
    confidence: float | int = 0.95,
) -> Plan:
    """Return how many images and people a half-width, or the detection of an imbalance, takes.

    Parameters
    ----------
    half_width, imbalance
        One of the two.
    dropped : float
        Share of participants that the screening is expected to drop, in [0, 1).
    prompts : int
        Prompts judged together: intervals are simultaneous (Bonferroni).

    Raises
    ------
    InputError
        If not exactly one aim is given, or it takes more than 20,000 images per prompt.
    """
    if (half_width is None) == (imbalance is None):
        raise InputError("give one of half_width and imbalance.")
    prompts = check.integer("prompts", prompts, low=1, high=10_000)
    each = check.integer("per_participant", per_participant, low=1)
    lost = check.number("dropped", dropped, low=0, high=0.99)
    level = 1 - (1 - check.confidence_level(confidence)) / prompts
    if half_width is not None:
        images = images_for_half_width(half_width, readers, confidence=level)
    else:
        images = images_for_power(imbalance or 0.0, readers, power=power, confidence=level)
    total = images * prompts
    each = min(each, total)
    staying = math.ceil(total * readers.readings / each)
    reached = math.nan
    if imbalance is not None:
        reached = detection_power(images, imbalance, readers, confidence=level)
    return Plan(
        images=images,
        people=math.ceil(staying / (1 - lost)),
        prompts=prompts,
        per_participant=each,
        readers=readers,
        half_width=expected_half_width(images, readers, confidence=level),
        imbalance=imbalance,
        power=reached,
        effect=design_effect(readers, imbalance or 0.0),
        unread=(1 - each / total) ** staying,
        confidence=confidence,
    )
