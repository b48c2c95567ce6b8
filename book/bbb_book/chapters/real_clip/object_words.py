r"""Words for things in real CLIP: gaps towards words for women, and an object WEAT.

The vectors are published rows without texts; the names of their classes, in the order of the rows,
lie beside this module (the list ``categories`` of Detic's ``oid.py``, sorted by id).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bbb_core import checks
from bbb_core.embedding.association import association_test
from bbb_core.embedding.encoder import Encoder
from bbb_core.embedding.gaps import bias_gap
from bbb_core.errors import InputError
from bbb_core.stats.correlations import correlation
from bbb_core.stats.multiplicity import holm

__all__ = ["NAMES", "WordSets", "measure_objects", "read_word_sets", "things"]

NAMES = Path(__file__).with_name("openimages_classes.txt")
"""Names of the 500 OpenImages classes, one a line, in the order of the published rows."""
PEOPLE = ("Woman", "Man", "Girl", "Boy", "Person")
POLES = {"adults": ("Woman", "Man"), "children": ("Girl", "Boy")}


@dataclass(frozen=True, kw_only=True)
class WordSets:
    """Published word sets and which of their words are at hand.

    Attributes
    ----------
    members : mapping of str to tuple of str
        Names of classes that belong to each set.
    published : mapping of str to tuple of str
        The words of each set as published.
    titles, sources : mapping of str to str
        How the source calls a set; its key in ``book/references.bib``.
    tests : tuple of (str, str)
        Pairs of sets; the first is expected nearer to the words for women.
    women, men : tuple of str
        The attribute words.
    """

    members: Mapping[str, tuple[str, ...]]
    published: Mapping[str, tuple[str, ...]]
    titles: Mapping[str, str]
    sources: Mapping[str, str]
    tests: tuple[tuple[str, str], ...]
    women: tuple[str, ...]
    men: tuple[str, ...]


def read_word_sets(names: Sequence[str]) -> WordSets:
    """Return the word sets of ``word_sets.toml``, cut to the names that are at hand.

    Raises
    ------
    InputError
        If an attribute word is missing, or a set has no member.

    Examples
    --------
    >>> found = read_word_sets(NAMES.read_text(encoding="utf-8").splitlines())
    >>> found.members["flowers"], len(found.published["flowers"])
    (('Rose', 'Lily'), 25)
    """
    text = Path(__file__).with_name("word_sets.toml").read_text(encoding="utf-8")
    fixed = tomllib.loads(text)
    known = {name.casefold(): name for name in names}
    aliases = fixed["aliases"]
    members = {
        key: tuple(
            known[word.casefold()]
            for word in (aliases.get(one, one) for one in entry["words"])
            if word.casefold() in known
        )
        for key, entry in fixed["sets"].items()
    }
    for key, found in {**members, **fixed["attributes"]}.items():
        lacking = [word for word in found if word.casefold() not in known]
        if lacking or not found:
            what = f"{lacking[0]!r} of the set {key!r}" if lacking else f"any word of {key!r}"
            raise InputError(f"names lacks {what}; embed it too.")
    sets = fixed["sets"]
    return WordSets(
        members=members,
        published={key: tuple(entry["words"]) for key, entry in sets.items()},
        titles={key: entry["name"] for key, entry in sets.items()},
        sources={key: entry["source"] for key, entry in sets.items()},
        tests=tuple((one["women"], one["men"]) for one in fixed["tests"]),
        women=tuple(fixed["attributes"]["women"]),
        men=tuple(fixed["attributes"]["men"]),
    )


def things(names: Sequence[str]) -> list[str]:
    """Return the names that stand for no person, each once, in their order."""
    return [name for name in dict.fromkeys(names) if name not in PEOPLE]


def measure_objects(
    encoders: Mapping[str, Encoder],
    *,
    names: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Measure gaps of things and the WEATs of ``word_sets.toml`` in several encoders.

    Parameters
    ----------
    encoders
        By name; each knows every name.
    names
        Words at hand, by default the classes of `NAMES`.

    Returns
    -------
    dict
        ``things``: index ``thing``, one column ``MODEL adults`` and ``MODEL children`` per
        encoder: cosine with the word for women minus cosine with that for men. ``tests``: one row
        per model and pair of sets, with ``effect``, ``p_value``, ``splits``, ``least`` (the
        smallest p-value that these sets allow), effects with either pole alone, and ``p_holm``
        over all rows. ``summary``: ``poles`` (cosines of the pole words), ``person`` (gaps of
        *Person*), ``agreement`` (Spearman's between the first two encoders, by pole, with
        XX

    Raises
    ------
    InputError
        If fewer than two encoders are given, or a name is unknown to one.
    """
    if len(encoders) < 2:
        raise InputError(f"encoders holds {len(encoders)}; pass at least two.")
    level = checks.confidence_level(confidence)
    known = NAMES.read_text(encoding="utf-8").splitlines() if names is None else names
    sets, nouns = read_word_sets(known), things(known)
    columns, rows, cosines, person = {}, [], {}, {}
    for model, encoder in encoders.items():
        for pole, (woman, man) in POLES.items():
            w, m = encoder.encode_text([woman, man]).double()
            both = encoder.encode_text([*nouns, "Person"]).double()
            gaps = bias_gap(both, w.expand_as(both), m.expand_as(both)).numpy()
            columns[f"{model} {pole}"] = gaps[:-1]
            person[f"{model} {pole}"] = float(gaps[-1])
            cosines[f"{model} {pole}"] = float(w @ m)
        rows += [_weat(encoder, sets, pair) | {"model": model} for pair in sets.tests]
    tests = pd.DataFrame(rows)
    tests["p_holm"] = holm(tests["p_value"].to_numpy())
    first, second = list(encoders)[:2]
    compared = {pole: (f"{first} {pole}", f"{second} {pole}") for pole in POLES}
    compared |= {model: (f"{model} adults", f"{model} children") for model in encoders}
    agreement = {}
    for name, (one, other) in compared.items():
        r = correlation(columns[one], columns[other], method="spearman", confidence=level)
        agreement[name] = {"value": r.value, "low": r.low, "high": r.high, "n": len(nouns)}
    standing = [
        " and ".join(pair) for pair in sets.tests if _stands(tests, *pair, alpha=1 - level)
    ]  # fmt: skip
    return {
        "things": pd.DataFrame(columns, index=pd.Index(nouns, name="thing")),
        "tests": tests,
        "summary": {
            "poles": cosines, "person": person, "agreement": agreement, "standing": standing
        },
    }  # fmt: skip


def _stands(tests: pd.DataFrame, women: str, men: str, *, alpha: float) -> bool:
    mine = tests[(tests["women"] == women) & (tests["men"] == men)]
    return bool((mine["p_holm"] <= alpha).all() and mine["effect"].gt(0).nunique() == 1)


def _weat(encoder: Encoder, sets: WordSets, pair: tuple[str, str]) -> dict[str, Any]:
    x, y = (encoder.encode_text(list(sets.members[one])) for one in pair)
    a, b = (encoder.encode_text(list(words)) for words in (sets.women, sets.men))
    test = association_test(x, y, a, b)
    alone = {
        pole: association_test(x, y, a[i : i + 1], b[i : i + 1]).effect_size
        for i, pole in enumerate(POLES)
    }
    return {
        "women": pair[0], "men": pair[1], "n_women": len(x), "n_men": len(y),
        "effect": test.effect_size, "p_value": test.p_value, "splits": test.n_permutations,
        "least": 1 / test.n_permutations, **{f"effect_{k}": v for k, v in alone.items()},
    }  # fmt: skip
