"""`bbb study collect`: exports become ratings, labels, counts and a report (human study)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from bbb_core import checks as check
from bbb_core.balance.shares import NONE
from bbb_core.errors import InputError
from bbb_core.io.cells import csv_text, table_text
from bbb_core.rng import generator
from bbb_core.stats import Estimate, binomial_interval
from bbb_core.study.aggregation import (
    Aggregate,
    CantTell,
    aggregate,
    alpha_interval,
    reading_counts,
)
from bbb_core.study.balance import balance_table, counts_by_prompt
from bbb_core.study.design import UNCLEAR, Study
from bbb_core.study.errors import REASONS
from bbb_core.study.exports import FileNote, Pile, read_exports
from bbb_core.study.screening import DROPPED, Rules, participant_table, ratings_table, screen

__all__ = ["Collected", "collect", "collect_pile", "report", "tables"]


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What `collect` found.

    Attributes
    ----------
    ratings, participants, screening, counts, balance : pandas.DataFrame
        All answers; all participants; counts of reasons; labels per prompt; balance per prompt.
    labels : Aggregate
        One label per image, from the participants who were kept.
    agreement : dict
        ``missing`` and ``label``: Krippendorff's alpha with "can't tell" left out or counted,
        None where agreement says nothing.
    cant_tell : Estimate
        Share of "can't tell" among the readings that count, exact interval *per reading*.
    simulated : bool
        True if no person gave the answers.
    """

    study: Study
    rules: Rules
    files: tuple[FileNote, ...]
    ratings: pd.DataFrame
    participants: pd.DataFrame
    screening: pd.DataFrame
    labels: Aggregate
    counts: pd.DataFrame
    balance: pd.DataFrame
    agreement: dict[str, Estimate | None]
    cant_tell: Estimate
    simulated: bool
    confidence: float


def collect(
    paths: Iterable[str | Path], study: Study, rules: Rules | None = None, **options: Any
) -> Collected:
    """Read, check, screen and aggregate exports; the options are those of `collect_pile`."""
    return collect_pile(read_exports(paths, study), study, rules, **options)


def collect_pile(
    pile: Pile,
    study: Study,
    rules: Rules | None = None,
    *,
    cant_tell: CantTell = "missing",
    n_resamples: int = 999,
    confidence: float = 0.95,
    seed: int = 0,
) -> Collected:
    """Screen and aggregate the exports of a study.

    Only first readings count; second ones serve to see whether a participant is consistent.

    Parameters
    ----------
    rules
        When a participant is kept; fix them before the first answer.
    cant_tell
        Whether "can't tell" is no reading (``missing``) or one like the others (``label``).
    n_resamples, confidence, seed
        Of the bootstrap over images, of all intervals, and of the random streams.

    Raises
    ------
    InputError
        If the rules keep nobody, or nothing was read.
    """
    rules = rules or Rules()
    level = check.confidence_level(confidence)
    ratings = ratings_table(pile.exports, study)
    people = participant_table(pile.exports, study, rules)
    counted = screen(people)
    kept = people.loc[people["kept"], "participant"]
    if kept.empty:
        told = ", ".join(f"{r}: {n}" for r, n in counted["failed"].items() if r in DROPPED and n)
        raise InputError(f"the rules keep none of {len(people)} participants ({told}).")
    counts = ratings["participant"].isin(kept) & (ratings["role"] == "rated")
    used = ratings[counts & (ratings["showing"] == 1)]
    labels = aggregate(used, options=study.options, cant_tell=cant_tell)
    order = [image.id for image in study.images if image.id in labels.labels.index]
    labels = replace(labels, labels=labels.labels.loc[order])
    prompts = used.drop_duplicates("image").set_index("image")["prompt"]
    prompts = prompts.reindex(labels.labels.index)
    outcomes = (*study.groups, NONE) if study.offer_none else study.groups
    read = reading_counts(used, options=study.options)
    agreement = {
        how: alpha_interval(
            read,
            cant_tell=how,
            n_resamples=n_resamples,
            confidence=level,
            rng=generator(seed, "alpha", how),
        )
        for how in ("missing", "label")
    }
    unclear, total = int(read[UNCLEAR].sum()), int(read.to_numpy().sum())
    low, high = binomial_interval(unclear, total, confidence=level)
    return Collected(
        study=study,
        rules=rules,
        files=pile.files,
        ratings=ratings,
        participants=people,
        screening=counted,
        labels=labels,
        counts=counts_by_prompt(labels.labels["label"], prompts, outcomes=outcomes),
        balance=balance_table(
            labels.labels,
            labels.posterior,
            prompts,
            groups=study.groups,
            outcomes=outcomes,
            confidence=level,
            rng=generator(seed, "posterior"),
        ),
        agreement=agreement,
        cant_tell=Estimate(unclear / total, low, high, level),
        simulated=pile.simulated,
        confidence=level,
    )


def tables(found: Collected) -> dict[str, str]:
    """Return all files by name; every name begins with ``simulated-`` if no person answered.

    ``counts.csv`` has the form that ``bbb audit generations`` reads.
    """
    study = found.study
    labels = found.labels.labels.join(found.labels.posterior.add_prefix("p "))
    labels.insert(0, "file", [study.by_id[image].file for image in labels.index])
    labels.insert(1, "prompt", [study.by_id[image].prompt for image in labels.index])
    counted = found.counts.drop(columns=UNCLEAR)
    counted = counted[counted.sum(axis=1) > 0]
    files = pd.DataFrame([asdict(note) for note in found.files])
    files["meaning"] = [REASONS.get(status, "used") for status in files["status"]]
    frames = {
        "ratings.csv": found.ratings.set_index("participant"),
        "participants.csv": found.participants.set_index("participant"),
        "screening.csv": found.screening,
        "files.csv": files.set_index("file"),
        "labels.csv": labels,
        "readers.csv": found.labels.errors,
        "balance.csv": found.balance,
        "counts.csv": counted,
    }
    if found.simulated:
        for name in ("labels.csv", "readers.csv", "balance.csv"):
            frames[name] = frames[name].assign(simulated=True)
    texts = {name: csv_text(frame.reset_index()) for name, frame in frames.items()}
    texts["report.txt"] = report(found) + "\n"
    texts["collect.json"] = json.dumps(_summary(found), indent=1, allow_nan=False) + "\n"
    prefix = "simulated-" if found.simulated else ""
    return {prefix + name: text for name, text in texts.items()}


def _summary(found: Collected) -> dict[str, Any]:
    people = found.participants
    return {
        "simulated": found.simulated,
        "study": found.study.id,
        "confidence": found.confidence,
        "rules": asdict(found.rules),
        "files": pd.Series([note.status for note in found.files]).value_counts().to_dict(),
        "participants": {"handed in": len(people), "kept": int(people["kept"].sum())},
        "dropped": found.screening["failed"].to_dict(),
        "cant_tell": {"treated_as": found.labels.cant_tell, "share": _ends(found.cant_tell)},
        "agreement": {how: e and _ends(e) for how, e in found.agreement.items()},
        "images": len(found.labels.labels),
        "unclear": int((found.labels.labels["label"] == UNCLEAR).sum()),
        "balance": json.loads(found.balance.reset_index().to_json(orient="records")),
    }


def _ends(e: Estimate) -> dict[str, float]:
    return {"value": float(e.value), "low": float(e.low), "high": float(e.high)}


def report(found: Collected) -> str:
    """Say in plain text what was collected."""
    people, images = found.participants, found.labels.labels
    kept = int(people["kept"].sum())
    lines = []
    if found.simulated:
        lines += ["SIMULATED ANSWERS: no person looked at these images.", ""]
    used = sum(note.status == "used" for note in found.files)
    lines.append(f"Files: {used} used of {len(found.files)}")
    aside = pd.Series([n.status for n in found.files if n.status != "used"], dtype=object)
    lines += [f"  {n} set aside: {REASONS[reason]}" for reason, n in aside.value_counts().items()]
    lines.append(f"Participants: {kept} kept of {len(people)}")
    for reason, words in DROPPED.items():
        n, alone = found.screening.loc[reason]
        if n:
            lines.append(f"  {n} {words} ({alone} for this reason alone)")
    counted = images["readings"]
    lines.append(
        f"Images: {len(images)} read, {counted.min()} to {counted.max()} readings each; "
        f"{int((images['label'] == UNCLEAR).sum())} without a label"
    )
    if not found.labels.converged:
        lines.append("Labels of Dawid and Skene had not settled: read them with care.")
    e = found.cant_tell
    lines.append(
        f'"Can\'t tell": {e.value:.3f} of the readings [{e.low:.3f}, {e.high:.3f}], treated as '
        + ("no reading" if found.labels.cant_tell == "missing" else "an answer like the others")
    )
    treated = {"missing": "left out", "label": "counted as an answer"}
    for how, alpha in found.agreement.items():
        value = (
            "says nothing here (one answer only)"
            if alpha is None
            else f"{alpha.value:.3f} [{alpha.low:.3f}, {alpha.high:.3f}]"
        )
        lines.append(f"Krippendorff's alpha, \"can't tell\" {treated[how]}: {value}")
    table = table_text(found.balance, float_format=lambda x: f"{x:.3f}")
    lines += [
        "",
        "Balance of each prompt, by labels of Dawid and Skene. low, high: exact interval over",
        "images, all prompts together. labels low, high: labels drawn from their posteriors.",
        "any low, high: interval that holds whatever the images without a label show.",
        table,
        "",
        "Labels say how these participants read the images. They are no identities of anybody.",
    ]
    return "\n".join(lines)
