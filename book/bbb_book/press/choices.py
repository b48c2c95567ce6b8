"""What the chapters know: the values that their parameters of text may take (every chapter).

A value that a chapter does not know would at best fail after minutes, at worst drop a claim. So
each is held against the lists and functions that the chapter itself goes by, before anything runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["CHOICES", "free", "known"]

Check = Callable[[Any, Mapping[str, Any]], Any]
"""From a value and all values of the run to the value that the run gets."""


def known(chapter: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a run once the chapter knows each of them; files become absolute.

    Raises
    ------
    InputError
        If it does not; the message names the parameter and what there is to choose from.
    """
    found = dict(values)
    for name, check in CHOICES.get(chapter, {}).items():
        try:
            found[name] = check(values[name], values)
        except InputError as error:
            raise InputError(f"parameter '{name}': {error}") from None
    return found


def free(value: Any, values: Mapping[str, Any]) -> Any:
    """Let everything pass: words that no list holds."""
    return value


def _one_of(*allowed: str) -> Check:
    return lambda value, values: checks.choice("value", value, allowed)


def _each(check: Check, *, least: int = 1) -> Check:
    """Check every item of a list, and that none stands there twice."""

    def each(items: Any, values: Mapping[str, Any]) -> Any:
        if len(items) < least:
            raise InputError(f"the list is empty; name at least {least}.")
        twice = next((item for item in items if items.count(item) > 1), None)
        if twice is not None:
            raise InputError(f"{twice!r} stands there twice; name each once.")
        return [check(item, values) for item in items]

    return each


def _encoder(spec: str, values: Mapping[str, Any]) -> str:
    from bbb_core.embedding.load import ENCODER_SPECS

    kind, colon, rest = spec.partition(":")
    forms = dict(form.partition(":")[::2] for form in ENCODER_SPECS)
    if kind not in forms or bool(colon) != bool(forms[kind]) or bool(rest) != bool(colon):
        raise InputError(f"there is no encoder {spec!r}; choose {', '.join(ENCODER_SPECS)}.")
    return f"{kind}:{_file(rest)}" if kind == "table" else spec


def _chain_encoder(spec: str, values: Mapping[str, Any]) -> str:
    from bbb_book.chapters.generalisation.chain_encoders import split_spec

    return _encoder(spec, values) if split_spec(spec) is None else spec


def _kind_of_scorer(value: str, values: Mapping[str, Any]) -> str:
    from bbb_book.scorers.caption_bias import ENCODERS

    return str(checks.choice("value", value, ENCODERS))


def _caption_bias(value: str, values: Mapping[str, Any]) -> str:
    from bbb_book.scorers.caption_bias import shares_of_men

    shares_of_men(value)
    return value


def _scorer(value: str, values: Mapping[str, Any]) -> str:
    from bbb_book.scorers.models import SMALL_CLIP

    if value != SMALL_CLIP and not value.startswith("open_clip:"):
        raise InputError(f"there is no scorer {value!r}; choose {SMALL_CLIP} or open_clip:...")
    return value if value == SMALL_CLIP else _encoder(value, values)


def _occupation(value: str, values: Mapping[str, Any]) -> str:
    from bbb_book.data.emoji import OCCUPATIONS

    return str(checks.choice("value", value, OCCUPATIONS))


def _template(value: str, values: Mapping[str, Any]) -> str:
    from bbb_core.prompts import fill

    fill(value, "noun")
    if set("{}") & set(value.replace("{}", "")):
        raise InputError(f"template {value!r} has braces besides {{}}; leave them out.")
    return value


def _pair(value: str, values: Mapping[str, Any]) -> str:
    from bbb_core.prompts import word_pair

    word_pair(value)
    return value


def _flipping(value: str, values: Mapping[str, Any]) -> str:
    from bbb_core.prompts import GENDER_NOUN_PAIRS

    if "glove" not in values["encoders"]:
        return value
    return str(checks.choice("value", value, values["noun_pairs"] or GENDER_NOUN_PAIRS))


def _generators(value: str, values: Mapping[str, Any]) -> str:
    return value if value == "synthetic" else _file(value)


def _file(value: str) -> str:
    """Return a file's absolute path, for chapters run in a folder of their own."""
    if not os.path.isfile(value):
        raise InputError(f"there is no file {value!r}; name one.")
    return os.path.abspath(value)


_SOURCE: dict[str, Check] = {"source": _one_of("published", "none")}
_SCORERS: dict[str, Check] = {
    "biases": _each(_caption_bias),
    "encoders": _each(_kind_of_scorer),
    "seeds": _each(free),
}
_GENERATOR: dict[str, Check] = {"encoder": _encoder, "template": _template}
_GENERATORS: dict[str, Check] = {"encoders": _each(_encoder), "template": _template}

CHOICES: Mapping[str, Mapping[str, Check]] = {
    "alignment_auditing": {**_SCORERS, "scorer": _scorer},
    "alignment_mitigation": _SCORERS,
    "audit_your_own": _SOURCE,
    "embedding_bias": {
        "encoders": _each(_encoder),
        "occupations": _each(free, least=0),
        "templates": _each(_template, least=0),
        "pairs": _each(_pair, least=0),
        "noun_pairs": _each(_pair, least=0),
        "flipping": _flipping,
    },
    "emoji_model": _GENERATOR,
    "generalisation": {"encoders": _each(_chain_encoder), "seeds": _each(free)},
    "generation_mitigations": {**_GENERATOR, "pictured": _each(_occupation)},
    "imbalanced_generations": {**_GENERATORS, "swept": _each(_occupation)},
    "inheritance": {"walk_encoders": _each(_one_of("minilm", "e5", "glove", "clip:labour"))},
    "intersections": {
        **_GENERATORS,
        **_SOURCE,
        "certified": _occupation,
        "biases": _each(_caption_bias),
        "score_seeds": _each(free),
        "cell_seeds": _each(free),
    },
    "published_generations": {**_SOURCE, "encoders": _each(_encoder), "pairs": _each(_pair)},
    "real_alignment_scores": _SOURCE,
    "real_clip": {**_SOURCE, "encoders": _each(_encoder), "template": _template},
    "reward_for_imbalance": {**_SCORERS, "encoder": _encoder, "generators": _generators},
    "sufficient_condition_at_work": {"encoder": _encoder},
}
"""For each chapter its parameters of text (and lists that must not repeat), with their checks."""
