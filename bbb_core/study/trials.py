"""Simulated studies from end to end: what the analysis recovers, and where it breaks (human study).

Nobody answers here. A study is dealt, answered by simulated annotators, screened and collected by
the very functions that collect people's answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from bbb_core import checks as check
from bbb_core.rng import generator
from bbb_core.stats import binomial_interval
from bbb_core.study.collecting import Collected, collect_pile
from bbb_core.study.design import UNCLEAR, Study
from bbb_core.study.power import Readers, detection_power
from bbb_core.study.screening import Rules
from bbb_core.study.simulate import (
    CARELESS,
    Annotator,
    simulated_code,
    simulated_pile,
    simulated_study,
)

__all__ = ["EVERYBODY", "World", "one_study", "power_trials", "simulated_studies", "truths"]

World = Literal["plain", "unreadable", "misread"]
EVERYBODY = Rules(finished=0, passed=0, consistent=0, fastest=0)
"""Rules that drop nobody."""
BLOCK = 500
"""Simulated studies of a power trial held at one time."""


def truths(
    study: Study, share: float | int, *, world: World, rate: float | int, rng: np.random.Generator
) -> tuple[dict[str, str], dict[str, str]]:
    """Draw what the images show, and what readers can see of it.

    Parameters
    ----------
    share
        Probability that an image shows the second group of the study.
    world
        ``plain``: readers see what is shown. ``unreadable``: a share `rate` of the second group's
        images can be read by nobody. ``misread``: that share is read as the first group by all.

    Returns
    -------
    shown, seen
        Outcome per image id; `seen` is what `simulated_pile` takes.
    """
    check.choice("world", world, ("plain", "unreadable", "misread"))
    first, second = study.groups[:2]
    instead = {"plain": second, "unreadable": UNCLEAR, "misread": first}[world]
    shown, seen = {}, {}
    for image in study.rated_ids:
        shown[image] = second if rng.random() < share else first
        hidden = rng.random() < rate
        seen[image] = instead if shown[image] == second and hidden else shown[image]
    return shown, seen


def one_study(
    *,
    shares: dict[str, float],
    images: int,
    people: int,
    careless: int,
    per_participant: int,
    error: float | int,
    cant_tell: float | int,
    n_resamples: int,
    seed: int,
) -> tuple[Collected, pd.Series]:
    """Simulate one study of several prompts; return it with the planted imbalance per prompt."""
    study = simulated_study(dict.fromkeys(shares, images), per_participant=per_participant)
    rng = generator(seed, "one study")
    shown = {
        image: study.groups[int(rng.random() < shares[study.by_id[image].prompt])]
        for image in study.rated_ids
    }
    reader = Annotator(error=error, cant_tell=cant_tell)
    pile = simulated_pile(study, shown, [reader] * people + [CARELESS] * careless, seed=seed)
    found = collect_pile(pile, study, n_resamples=n_resamples, seed=seed)
    planted = pd.Series({name: abs(share - 0.5) for name, share in shares.items()})
    return found, planted


def simulated_studies(
    *,
    studies: int,
    shares: Sequence[float],
    images: int,
    people: int,
    careless: int,
    per_participant: int,
    error: float,
    cant_tell: float,
    world: World,
    rate: float,
    screened: Literal["yes", "no"],
    treat: Literal["missing", "label"],
    seed: int,
) -> dict[str, Any]:
    """Simulate studies of one prompt each; the planted shares take turns.

    Returns
    -------
    dict
        ``studies``: one row per study with the planted imbalance, the intervals, the shares of
        right labels, the counts of dropped annotators and Krippendorff's alpha.
    """
    rows = []
    for i in range(studies):
        share = shares[i % len(shares)]
        study = simulated_study({"simulated prompt": images}, per_participant=per_participant)
        shown, seen = truths(
            study, share, world=world, rate=rate, rng=generator(seed, "truth", world, i)
        )
        reader = Annotator(error=error, cant_tell=cant_tell)
        people_seed = int(generator(seed, "people", i).integers(2**31))
        pile = simulated_pile(
            study, seen, [reader] * people + [CARELESS] * careless, seed=people_seed
        )
        found = collect_pile(
            pile,
            study,
            Rules() if screened == "yes" else EVERYBODY,
            cant_tell=treat,
            n_resamples=1,
            seed=people_seed,
        )
        lazy = [simulated_code(people_seed, people + j) for j in range(careless)]
        rows.append(_row(found, shown, abs(share - 0.5), lazy))
    return {"studies": pd.DataFrame(rows)}


def _row(
    found: Collected, shown: dict[str, str], planted: float, lazy: Sequence[str]
) -> dict[str, Any]:
    balance = found.balance.iloc[0]
    labels = found.labels.labels
    truth = pd.Series(shown)[labels.index]
    people = found.participants.set_index("participant")
    kept = people["kept"]
    alpha = found.agreement["missing"]
    counted = labels["label"] != UNCLEAR
    return {
        "planted": planted,
        "imbalance": balance["imbalance"],
        "low": balance["low"],
        "high": balance["high"],
        "any low": balance["any low"],
        "any high": balance["any high"],
        "unclear": int(balance["unclear"]),
        "right": _right(labels["label"], truth),
        "right by majority": _right(labels["majority"], truth),
        "posterior": float(labels.loc[counted, "posterior"].mean()),
        "right of labelled": float((labels["label"] == truth)[counted].mean()),
        "careless": len(lazy),
        "careless dropped": int((~kept[list(lazy)]).sum()),
        "careful": len(people) - len(lazy),
        "careful dropped": int((~kept.drop(list(lazy))).sum()),
        "alpha": np.nan if alpha is None else float(alpha.value),
        "cant_tell": float(found.cant_tell.value),
        "simulated": found.simulated,
    }


def _right(labels: pd.Series, truth: pd.Series) -> float:
    """Return the share of right labels; an image without a label counts one half, as a guess."""
    return float(((labels == truth) + 0.5 * (labels == UNCLEAR)).mean())


def power_trials(
    *,
    designs: Sequence[tuple[int, float, int, float, float, float]],
    trials: int,
    confidence: float,
    seed: int,
) -> dict[str, Any]:
    """Hold the power calculation against studies simulated reading by reading.

    Parameters
    ----------
    designs
        (images, imbalance, readings, error, cant_tell, ambiguous) each.

    Returns
    -------
    dict
        ``power``: one row per design with the calculated and the simulated power, and an exact
        interval of the latter; all intervals hold together at `confidence`.
    """
    each = 1 - (1 - check.confidence_level(confidence)) / len(designs)
    rows = []
    for i, (images, imbalance, readings, error, cant_tell, ambiguous) in enumerate(designs):
        readers = Readers(readings=readings, error=error, cant_tell=cant_tell, ambiguous=ambiguous)
        rng = generator(seed, "power", i)
        hits = 0
        for start in range(0, trials, BLOCK):
            hits += _detections(min(BLOCK, trials - start), images, imbalance, readers, rng)
        low, high = binomial_interval(hits, trials, confidence=each)
        rows.append(
            {
                "images": images,
                "imbalance": imbalance,
                "readings": readings,
                "error": error,
                "can't tell": cant_tell,
                "ambiguous": ambiguous,
                "calculated": detection_power(images, imbalance, readers),
                "simulated": hits / trials,
                "low": low,
                "high": high,
            }
        )
    return {"power": pd.DataFrame(rows)}


def _detections(
    n: int, images: int, imbalance: float, readers: Readers, rng: np.random.Generator
) -> int:
    """Count among `n` simulated studies those whose interval leaves out balance."""
    truth = rng.random((n, images, 1)) < 0.5 + imbalance
    guess = rng.random((n, images, 1)) < readers.ambiguous
    wrong = rng.random((n, images, readers.readings)) < np.where(guess, 0.5, readers.error)
    tells = rng.random(wrong.shape) >= readers.cant_tell
    votes = (np.where(truth ^ wrong, 1, -1) * tells).sum(axis=2)
    larger, labelled = (votes > 0).sum(axis=1), (votes != 0).sum(axis=1)
    seen = labelled > 0
    low, high = binomial_interval(larger[seen], labelled[seen])
    return int(((low > 0.5) | (high < 0.5)).sum())
