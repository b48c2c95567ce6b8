"""Simulated annotators: answers that no person gave, and that say so everywhere (human study).

They serve to test the instrument and to see what the analysis can recover. Every export carries
``"simulated": true``; `bbb study collect` puts ``simulated-`` before the name of every file made
from them and refuses to mix them with people's answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bbb_core import checks as check
from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.study.dealing import deal
from bbb_core.study.design import UNCLEAR, Image, Study, repeats_for
from bbb_core.study.exports import Export, FileNote, Pile, parse_export

__all__ = [
    "CAREFUL",
    "CARELESS",
    "Annotator",
    "simulated_code",
    "simulated_export",
    "simulated_pile",
    "simulated_study",
]


@dataclass(frozen=True, kw_only=True)
class Annotator:
    """How one simulated annotator answers.

    Parameters
    ----------
    error : float
        Probability of reading an image as another outcome than its own, each equally likely.
    cant_tell : float
        Probability of "can't tell".
    careless : float
        Probability of answering without looking: a random group, whatever is shown.
    seconds : float
        Median time per picture; times are lognormal.
    """

    error: float | int = 0.1
    cant_tell: float | int = 0.05
    careless: float | int = 0.0
    seconds: float | int = 3.0

    def __post_init__(self) -> None:
        for name in ("error", "cant_tell", "careless"):
            check.probability(name, check.number(name, getattr(self, name)))
        check.number("seconds", self.seconds, low=0)


CAREFUL = Annotator()
"""Reads one image in ten wrongly and cannot tell one in twenty."""
CARELESS = Annotator(careless=1.0, cant_tell=0.0, seconds=1.0)
"""Clicks on a random group, slowly enough not to be caught by the clock."""


def simulated_export(
    study: Study,
    truth: Mapping[str, str],
    annotator: Annotator,
    *,
    rng: np.random.Generator,
    stop_after: int | None = None,
) -> dict[str, Any]:
    """Return the export that the page would save, with simulated answers.

    Parameters
    ----------
    truth
        Image id to the outcome that the image shows (one of the groups, or ``none``). A value
        ``"?"`` marks an image in which everybody guesses among the groups.
    stop_after
        Number of pictures after which the annotator stops; None: never.

    Raises
    ------
    InputError
        If a rated image has no truth, or one that is no outcome.
    """
    code = rng.bytes(8).hex()
    outcomes = [option for option in study.options if option != UNCLEAR]
    first: dict[str, str] = {}
    answers = []
    images = deal(study, code).images[:stop_after]
    for image in images:
        known = study.by_id[image]
        shown = known.answer or truth.get(image, "")
        if shown not in (*study.options, "?"):
            raise InputError(f"truth[{image!r}] is {shown!r}; give one of the outcomes.")
        chosen = _choose(annotator, shown, bool(known.answer), study.groups, outcomes, rng)
        if image in first and rng.random() < 0.7 and not annotator.careless:
            chosen = first[image]  # people remember, or see the same thing again
        first.setdefault(image, chosen)
        seconds = annotator.seconds * float(np.exp(0.4 * rng.standard_normal()))
        answers.append({"image": image, "answer": chosen, "ms": int(1000 * seconds), "changes": 0})
    return {
        "format": "bbb-study-answers",
        "version": 1,
        "study": study.id,
        "participant": code,
        "simulated": True,
        "complete": len(answers) == study.shown,
        "answers": answers,
    }


def _choose(
    annotator: Annotator,
    shown: str,
    is_check: bool,
    groups: Sequence[str],
    outcomes: Sequence[str],
    rng: np.random.Generator,
) -> str:
    if rng.random() < annotator.careless:
        return groups[int(rng.integers(len(groups)))]
    if is_check:
        return shown if rng.random() > 0.02 else outcomes[int(rng.integers(len(outcomes)))]
    if rng.random() < annotator.cant_tell:
        return UNCLEAR
    if shown == "?":
        return groups[int(rng.integers(len(groups)))]
    if rng.random() < annotator.error:
        others = [group for group in groups if group != shown]
        return others[int(rng.integers(len(others)))]
    return shown


def simulated_code(seed: int, number: int) -> str:
    """Return the code of the annotator with that number in `simulated_pile`."""
    return generator(seed, "annotator", number).bytes(8).hex()


def simulated_pile(
    study: Study, truth: Mapping[str, str], annotators: Sequence[Annotator], *, seed: int
) -> Pile:
    """Return the exports as `read_exports` would, without files."""
    exports: list[Export] = [
        parse_export(
            simulated_export(study, truth, annotator, rng=generator(seed, "annotator", i)), study
        )
        for i, annotator in enumerate(annotators)
    ]
    exports.sort(key=lambda export: export.participant)
    notes = tuple(FileNote(f"simulated {e.participant}", "used") for e in exports)
    return Pile(exports=tuple(exports), files=notes, simulated=True)


def simulated_study(
    prompts: Mapping[str, int],
    *,
    groups: tuple[str, ...] = ("man", "woman"),
    per_participant: int | None = None,
    checks: int = 4,
    repeat_share: float | int = 0.1,
    offer_none: str = "",
    seed: int = 0,
) -> Study:
    """Return a study without pixels: so many images per prompt, and drawn checks.

    Its images have no files, so it cannot be shown to people; it can be dealt, answered by
    simulated annotators and collected.
    """
    import hashlib

    def mark(*keys: object) -> str:
        return hashlib.sha256(repr((seed, *keys)).encode()).hexdigest()

    images = []
    for prompt, number in prompts.items():
        for i in range(check.integer(f"prompts[{prompt!r}]", number, low=1)):
            sha = mark("image", prompt, i)
            images.append(Image(id=sha[:12], file=f"simulated {i}", sha256=sha, prompt=prompt))
    rated = len(images)
    options = (*groups, *(("none",) if offer_none else ()), UNCLEAR)
    for i in range(checks):
        sha = mark("check", i)
        answer = options[i % len(options)]
        images.append(Image(id=sha[:12], file="", sha256=sha, role="check", answer=answer))
    each = rated if per_participant is None else per_participant
    return Study(
        groups=groups,
        question="Simulated: how is this image read?",
        images=tuple(images),
        per_participant=each,
        checks=checks,
        repeats=repeats_for(each, repeat_share),
        offer_none=offer_none,
        seed=seed,
    )
