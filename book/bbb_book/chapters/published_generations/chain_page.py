"""The chain on the page: artefacts of several encoders, claims, words and the table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bbb_book.chapters.published_generations.chain_measures import measure_chain
from bbb_book.chapters.published_generations.published_audit import ABSENT, NAMES
from bbb_book.data.recorded import recorded, tables
from bbb_book.results.artefacts import Artefact
from bbb_book.results.collect import NO_DATA
from bbb_book.results.rules import NOT_MEASURED
from bbb_book.results.unmeasured import record_or_say, say, show_or_say
from bbb_core import checks
from bbb_core.embedding import load_encoder
from bbb_core.embedding.e5 import e5_available
from bbb_core.errors import InputError
from bbb_core.prompts import GENDER_NOUN_PAIRS, TEMPLATES
from bbb_core.stats import Estimate

__all__ = ["chain_table", "chains", "labour_table", "record_chain", "show_chain", "weakest"]

SPECS = ("minilm", "e5", "glove")
CLAIMS = {
    "chain-drawn": ("ranks", "drawn"),
    "chain-beyond": ("chain", "embedding"),
    "chain-first": ("chain", "first"),
}
"""Where the quantity of each claim lies in the results of an encoder."""
NO_SENTENCES = "the run has no sentence encoder"


def chains(
    source: str,
    encoders: Sequence[str],
    *,
    pairs: Sequence[str],
    minimum: int,
    n_resamples: int,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Artefact]:
    """Return the chain of every encoder that runs here, by its spec; empty without data.

    Intervals hold for all encoders asked for together (Bonferroni). Templates and the noun pairs
    of word encoders are the complete lists of `bbb_core.prompts`.

    Raises
    ------
    InputError
        If no encoder is named, one twice, or one cannot be loaded: the message says what is
        missing. E5 alone is left out where its package does not exist.
    """
    checks.choice("source", source, ("published", "none"))
    specs = list(encoders)
    if not specs or len(set(specs)) < len(specs):
        raise InputError(f"encoders is {specs}; name at least one, each once.")
    level = 1 - (1 - checks.confidence_level(confidence)) / len(specs)
    found = {}
    for spec in specs if source == "published" else ():
        if spec == "e5" and not e5_available():
            continue
        encoder = load_encoder(spec)
        names = {key: NAMES[key] for key in ("generated", "training")}
        made = recorded(
            f"published-chain-{spec}",
            measure_chain,
            source=source,
            sources=names,
            read=lambda names=names, encoder=encoder: {**tables(names), "encoder": encoder},
            inputs={"encoder": encoder.fingerprint},
            parameters={
                "templates": list(TEMPLATES), "pairs": list(pairs),
                "noun_pairs": list(GENDER_NOUN_PAIRS), "minimum": minimum, "confidence": level,
                "n_resamples": n_resamples, "seed": seed,
            },
        )  # fmt: skip
        if made is None:
            return {}
        found[spec] = made
    return found


def weakest(
    found: Mapping[str, Mapping[str, Any]], room: str, name: str
) -> tuple[Estimate, int] | None:
    """Return the least value over sentence encoders, with an interval, and the occupations.

    The least of several true values lies between the least lower and the least upper limit of
    intervals that hold together.
    """
    rows = [one for one in found.values() if one["facts"]["level"] == "sentence"]
    if not rows:
        return None
    values, lows, highs = zip(*(one[room][name] for one in rows), strict=True)
    return Estimate(min(values), min(lows), min(highs)), min(one["facts"]["n"] for one in rows)


def record_chain(found: Mapping[str, Mapping[str, Any]], claim: str) -> Any:
    """Record one of `CLAIMS`, or say why it is not measured."""
    least = weakest(found, *CLAIMS[claim])
    if least is None:
        return record_or_say(claim, None, reason=NO_SENTENCES if found else NO_DATA)
    return record_or_say(claim, *least)


def show_chain(found: Mapping[str, Mapping[str, Any]]) -> None:
    """Glue the numbers and words of the first encoder, and of each of `SPECS`."""
    first = next(iter(found.values()), None)
    numbers: dict[str, tuple[float | None, int]] = dict.fromkeys(_NUMBERS, (None, 0))
    words = dict.fromkeys(_WORDS, NOT_MEASURED)
    if first is not None:
        chain, facts = first["chain"], first["facts"]
        numbers["chain-n"] = (facts["n"], 0)
        numbers["chain-nouns"] = (facts["nouns"], 0)
        numbers["chain-reliability"] = (facts["reliability"], 2)
        numbers["chain-wording-least"] = (first["wordings"]["drawn"].min(), 2)
        numbers["chain-wording-most"] = (first["wordings"]["drawn"].max(), 2)
        for key in _PARTS:
            words[f"chain-{key.replace('_', '-')}"] = _interval(chain[key], 2)
        for key in ("training_sd", "embedding"):
            words[f"chain-odds-{key.replace('_', '-')}"] = _interval(map(math.exp, chain[key]), 1)
        words["chain-slope"] = _interval(chain["training"], 2)
        words["chain-gamma"] = _interval(chain["embedding"], 2)
        words["chain-partial"] = _interval(chain["partial"], 2)
        words["chain-labour"] = _interval(first["ranks"]["labour"], 2)
        words["chain-excess"] = _interval(first["ranks"]["excess"], 2)
        words["chain-encoder"] = facts["encoder"]
        words["chain-gendered"] = ", ".join(facts["gendered"]) or "none"
        words["chain-few"] = ", ".join(facts["few"]) or "none"
        words["chain-level"] = f"{100 * facts['confidence']:.1f} %"
    for spec in SPECS:
        if spec in found:
            words[f"chain-{spec}-drawn"] = _interval(found[spec]["ranks"]["drawn"], 2)
            words[f"chain-{spec}-beyond"] = _interval(found[spec]["chain"]["embedding"], 2)
    for name, (value, digits) in numbers.items():
        show_or_say(name, value, digits=digits)
    for name, text in words.items():
        say(name, text)


_PARTS = ("r2_training", "r2_both", "shared", "only_embedding")
"""Shares of variance that the page says."""
_NUMBERS = (
    *("chain-n", "chain-nouns", "chain-reliability"),
    *("chain-wording-least", "chain-wording-most"),
)
_WORDS = (
    *(f"chain-{key.replace('_', '-')}" for key in _PARTS),
    *("chain-odds-training-sd", "chain-odds-embedding", "chain-slope", "chain-gamma"),
    *("chain-partial", "chain-labour", "chain-excess", "chain-encoder", "chain-gendered"),
    *("chain-few", "chain-level"),
    *(f"chain-{spec}-{what}" for spec in SPECS for what in ("drawn", "beyond")),
)
_ROWS = (
    ("rank correlation of the position with: share drawn", "ranks", "drawn"),
    ("... share in training", "ranks", "training"),
    ("... drawn minus training", "ranks", "excess"),
    ("... US labour share", "ranks", "labour"),
    ("slope of training log-odds", "chain", "training"),
    ("log-odds per SD of training log-odds", "chain", "training_sd"),
    ("log-odds per SD of position", "chain", "embedding"),
    ("partial correlation, drawn and position", "chain", "partial"),
    ("explained by training", "chain", "r2_training"),
    ("explained by position", "chain", "r2_embedding"),
    ("explained by both", "chain", "r2_both"),
)


def chain_table(found: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame | str:
    """Return the chain of every encoder as text, one column each."""
    if not found:
        return ABSENT
    columns = {}
    for spec, one in found.items():
        facts = one["facts"]
        head = {
            "reads": facts["level"] + "s",
            "occupations": str(facts["n"]),
            "agreement of wordings": f"{facts['reliability']:.2f}",
        }
        columns[spec] = head | {words: _interval(one[room][key], 2) for words, room, key in _ROWS}
    return pd.DataFrame(columns)


def labour_table(found: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame | str:
    """Return which occupation took which US labour share, by exact name or head noun."""
    if not found:
        return ABSENT
    table = next(iter(found.values()))["occupations"]
    rows = []
    for noun, part in table[table["match"] != ""].groupby("noun"):
        same = part.index[part["match"] == "same name"]
        heads = part.index[part["match"] == "head noun"]
        share = f"{part['labour'].iloc[0]:.2f}"
        rows.append((noun, share, ", ".join(same), ", ".join(heads)))
    columns = ["labour table", "share of women", "same name", "by head noun only"]
    return pd.DataFrame(rows, columns=columns).set_index("labour table")


def _interval(values: Any, digits: int) -> str:
    value, low, high = (f"{x:.{digits}f}" for x in values)
    return f"{value} [{low}, {high}]"
