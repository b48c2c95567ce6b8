"""Prompt families: a neutral prompt and one prompt per group (definition D4, embedding chapter)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from bbb_core.errors import InputError

__all__ = ["PromptFamily", "families", "families_from_templates", "fill", "word_pair"]

#: Sentence templates. ``{}`` is the place of the noun phrase; ``a {}`` becomes ``an {}`` on need.
TEMPLATES: tuple[str, ...] = (
    "a photo of a {}",
    "a picture of a {}",
    "a portrait of a {}",
    "a photo of the face of a {}",
    "a close-up photo of a {}",
    "an image of a {} at work",
    "this person is a {}",
    "a drawing of a {}",
)

#: The template of word-level encoders, in which a sentence would drown the noun.
BARE_TEMPLATE = "{}"

#: Word pairs that can stand before an occupation: "a female doctor", "a woman doctor".
GENDER_PAIRS: tuple[str, ...] = (
    "female/male",
    "woman/man",
    "lady/gentleman",
    "girl/boy",
    "feminine/masculine",
    "womanly/manly",
)

#: Pairs of nouns that stand alone: "doctor" against "woman" and "man".
GENDER_NOUN_PAIRS: tuple[str, ...] = (
    "female/male",
    "woman/man",
    "girl/boy",
    "sister/brother",
    "she/he",
    "her/his",
    "daughter/son",
    "mother/father",
)

#: The sixty occupations of the Winogender schemas (`rudinger2018`).
OCCUPATIONS: tuple[str, ...] = (
    "accountant", "administrator", "advisor", "appraiser", "architect", "auditor",
    "baker", "bartender", "broker", "carpenter", "cashier", "chef",
    "chemist", "clerk", "counselor", "dietitian", "dispatcher", "doctor",
    "educator", "electrician", "engineer", "examiner", "firefighter", "hairdresser",
    "hygienist", "inspector", "instructor", "investigator", "janitor", "lawyer",
    "librarian", "machinist", "manager", "mechanic", "nurse", "nutritionist",
    "officer", "painter", "paralegal", "paramedic", "pathologist", "pharmacist",
    "physician", "planner", "plumber", "practitioner", "programmer", "psychologist",
    "receptionist", "salesperson", "scientist", "secretary", "specialist", "supervisor",
    "surgeon", "teacher", "technician", "therapist", "veterinarian", "worker",
)  # fmt: skip

#: Nouns for a person of no stated work: the baseline that occupations are compared with.
PERSON_NOUNS: tuple[str, ...] = ("person", "individual", "human", "adult", "citizen")

_SLOT = "{}"
_ARTICLE = re.compile(r"\b([Aa])n? \{\}")
_VOWEL_LETTER_CONSONANT_SOUND = re.compile(
    r"(uni([^nm]|$)|eu|one\b|once\b|ur[aeiou]|us[aeu])", re.IGNORECASE
)
_SILENT_H = re.compile(r"(honest|hour|heir|honou?r)", re.IGNORECASE)


@dataclass(frozen=True)
class PromptFamily:
    """One neutral prompt and the prompts that name each group.

    Parameters
    ----------
    neutral
        The prompt p that names no group, such as "a photo of a doctor".
    groups
        The prompts p_a by the name of the group a; at least two, all distinct.

    Raises
    ------
    InputError
        When a prompt or name is empty, fewer than two groups are given, or prompts coincide.

    Examples
    --------
    >>> family = PromptFamily(neutral="a doctor", groups={"woman": "a female doctor",
    ...                                                   "man": "a male doctor"})
    >>> family.names
    ('woman', 'man')
    """

    neutral: str
    groups: Mapping[str, str]

    def __post_init__(self) -> None:
        if not isinstance(self.groups, Mapping):
            raise InputError("groups must map the name of each group to its prompt.")
        named = {"neutral": self.neutral} | {f"groups[{n!r}]": p for n, p in self.groups.items()}
        for place, prompt in named.items():
            if not isinstance(prompt, str) or not prompt.strip():
                raise InputError(f"{place} must be a non-empty prompt, not {prompt!r}.")
            if not prompt.isascii() and any("\ud800" <= c <= "\udfff" for c in prompt):
                raise InputError(f"{place} is no valid Unicode: {prompt!r}; write it anew.")
        for name in self.groups:
            if not isinstance(name, str) or not name.strip():
                raise InputError(f"groups needs a non-empty name for each group, not {name!r}.")
        if len(self.groups) < 2:
            raise InputError(f"groups must name at least two groups, not {list(self.groups)}.")
        seen: dict[str, str] = {}
        for place, prompt in named.items():
            if prompt in seen:
                raise InputError(
                    f"{place} and {seen[prompt]} are the same prompt {prompt!r}; "
                    "give each group a prompt of its own."
                )
            seen[prompt] = place
        object.__setattr__(self, "groups", MappingProxyType(dict(self.groups)))

    def __hash__(self) -> int:
        return hash((self.neutral, tuple(self.groups.items())))

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.neutral, dict(self.groups)))

    def __iter__(self) -> Iterator[str]:
        """Go through the neutral prompt, then the group prompts in their order."""
        return iter((self.neutral, *self.groups.values()))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the groups, in the order given."""
        return tuple(self.groups)


def fill(template: str, phrase: str) -> str:
    """Put a noun phrase into a template and make the article before it agree.

    Raises
    ------
    InputError
        When the template does not hold ``{}`` exactly once or the phrase is empty.

    Examples
    --------
    >>> fill("a photo of a {}", "engineer")
    'a photo of an engineer'
    """
    if not isinstance(template, str) or template.count(_SLOT) != 1:
        raise InputError(f"template {template!r} must hold {{}} exactly once, where the noun goes.")
    if not isinstance(phrase, str) or not phrase.strip():
        raise InputError(f"phrase must be a non-empty word, not {phrase!r}.")
    article = "an" if _needs_an(phrase) else "a"
    agreed = _ARTICLE.sub(lambda m: m[1] + article[1:] + " " + _SLOT, template)
    return agreed.replace(_SLOT, phrase)


def _needs_an(phrase: str) -> bool:
    if _SILENT_H.match(phrase):
        return True
    return phrase[0].lower() in "aeiou" and not _VOWEL_LETTER_CONSONANT_SOUND.match(phrase)


def word_pair(pair: str) -> tuple[str, str]:
    """Split ``"female/male"`` into its two words.

    Examples
    --------
    >>> word_pair("woman/man")
    ('woman', 'man')
    """
    words = tuple(word.strip() for word in pair.split("/"))
    if len(words) != 2 or not all(words) or words[0] == words[1]:
        raise InputError(f"pair {pair!r} must be two different words like 'female/male'.")
    return words[0], words[1]


def families(
    occupations: Sequence[str],
    *,
    template: str = TEMPLATES[0],
    groups: Mapping[str, str],
    place: Literal["before", "alone"] = "before",
) -> dict[str, PromptFamily]:
    """Build one prompt family per occupation from a template and the words of the groups.

    Parameters
    ----------
    occupations
        Distinct nouns; they are the keys of the result.
    template
        Sentence with one ``{}``.
    groups
        Word (or words) that name each group, such as ``{"woman": "female", "man": "male"}``.
    place
        ``"before"``: the word stands before the occupation, "a female doctor" (definition D4).
        ``"alone"``: it stands in its place, "a woman"; then all families share their group
        prompts.

    Examples
    --------
    >>> both = families(["engineer"], groups={"woman": "female", "man": "male"})
    >>> both["engineer"].groups["woman"]
    'a photo of a female engineer'
    """
    if place not in ("before", "alone"):
        raise InputError(f"place must be 'before' or 'alone', not {place!r}.")
    shape = "{word} {noun}" if place == "before" else "{word}"
    return {
        noun: PromptFamily(
            neutral=fill(template, noun),
            groups={
                name: fill(template, shape.format(word=word, noun=noun))
                for name, word in groups.items()
            },
        )
        for noun in _distinct("occupations", occupations)
    }


def families_from_templates(
    occupations: Sequence[str], *, neutral: str, groups: Mapping[str, str]
) -> dict[str, PromptFamily]:
    """Build one prompt family per occupation from whole templates, one for each group.

    Examples
    --------
    >>> made = families_from_templates(["judge"], neutral="a {}", groups={
    ...     "woman": "a {} who is a woman", "man": "a {} who is a man"})
    >>> made["judge"].groups["man"]
    'a judge who is a man'
    """
    return {
        noun: PromptFamily(
            neutral=fill(neutral, noun), groups={n: fill(t, noun) for n, t in groups.items()}
        )
        for noun in _distinct("occupations", occupations)
    }


def _distinct(name: str, values: Sequence[str]) -> list[str]:
    if isinstance(values, str):
        raise InputError(f"{name} must be a list of words, not the single text {values!r}.")
    found = list(values)
    if not found:
        raise InputError(f"{name} is empty; give at least one.")
    seen: set[str] = set()
    for value in found:
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"{name} must be non-empty words, not {value!r}.")
        if value in seen:
            raise InputError(f"{name} names {value!r} more than once; give it once.")
        seen.add(value)
    return found
