"""Prompt families: articles, templates and every kind of bad input."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbb_core.errors import InputError
from bbb_core.prompts import (
    BARE_TEMPLATE,
    GENDER_NOUN_PAIRS,
    GENDER_PAIRS,
    OCCUPATIONS,
    PERSON_NOUNS,
    TEMPLATES,
    PromptFamily,
    families,
    families_from_templates,
    fill,
    word_pair,
)

GENDER = {"woman": "female", "man": "male"}


@pytest.mark.parametrize(
    ("phrase", "article"),
    [
        ("doctor", "a"),
        ("engineer", "an"),
        ("female engineer", "a"),
        ("honest baker", "an"),
        ("heiress", "an"),
        ("housekeeper", "a"),
        ("university teacher", "a"),
        ("unicyclist", "a"),
        ("European judge", "a"),
        ("uninsured worker", "an"),
        ("usher", "an"),
        ("user", "a"),
        ("umpire", "an"),
    ],
)
def test_article_agrees(phrase, article):
    assert fill("a photo of a {}", phrase) == f"a photo of {article} {phrase}"
    assert fill("A {} at work", phrase) == f"{article.capitalize()} {phrase} at work"
    assert fill("an {}", phrase) == f"{article} {phrase}"


def test_a_word_that_ends_in_a_is_no_article():
    assert fill("pizza {}", "engineer") == "pizza engineer"


@pytest.mark.parametrize("template", ["a photo", "{} and {}", "", "a {0}"])
def test_template_without_one_slot_is_refused(template):
    with pytest.raises(InputError, match="exactly once"):
        fill(template, "judge")


@given(st.sampled_from(TEMPLATES), st.sampled_from(OCCUPATIONS))
def test_every_template_keeps_the_noun(template, noun):
    text = fill(template, noun)
    assert noun in text
    assert "{" not in text
    assert f" a {noun}" not in text or noun[0] not in "aeiou"


def test_lists_are_distinct():
    assert len(set(OCCUPATIONS)) == 60
    assert len({*PERSON_NOUNS, *OCCUPATIONS}) == len(PERSON_NOUNS) + 60
    assert {fill(BARE_TEMPLATE, noun) for noun in PERSON_NOUNS} == set(PERSON_NOUNS)
    for pairs in (GENDER_PAIRS, GENDER_NOUN_PAIRS):
        words = [word for pair in pairs for word in word_pair(pair)]
        assert len(set(words)) == len(words)


def test_families_before_and_alone():
    before = families(["doctor"], template="a {}", groups=GENDER)["doctor"]
    assert list(before) == ["a doctor", "a female doctor", "a male doctor"]
    alone = families(["doctor"], template="a {}", groups=GENDER, place="alone")["doctor"]
    assert dict(alone.groups) == {"woman": "a female", "man": "a male"}


def test_families_from_templates():
    made = families_from_templates(
        ["engineer"], neutral="a {}", groups={"w": "a woman: {}", "m": "a man: {}"}
    )
    assert list(made["engineer"]) == ["an engineer", "a woman: engineer", "a man: engineer"]


@pytest.mark.parametrize(
    ("neutral", "groups", "message"),
    [
        ("", {"a": "x", "b": "y"}, "non-empty"),
        ("p", {}, "at least two"),
        ("p", {"a": "x"}, "at least two"),
        ("p", {"a": "x", "b": "x"}, "same prompt"),
        ("p", {"a": "x", "b": "p"}, "same prompt"),
        ("p", {"a": "x", "b": " "}, "non-empty"),
        ("p", {"": "x", "b": "y"}, "name"),
        ("p", {"a": "x\udcff", "b": "y"}, "Unicode"),
    ],
)
def test_bad_families_are_refused(neutral, groups, message):
    with pytest.raises(InputError, match=message):
        PromptFamily(neutral=neutral, groups=groups)


@pytest.mark.parametrize(
    ("occupations", "message"),
    [
        ([], "empty"),
        ("judge", "single text"),
        (["judge", "judge"], "more than once"),
        (["", "x"], "non"),
    ],
)
def test_bad_occupations_are_refused(occupations, message):
    with pytest.raises(InputError, match=message):
        families(occupations, groups=GENDER)


@pytest.mark.parametrize("pair", ["female", "a/b/c", "/male", "x/x"])
def test_bad_pairs_are_refused(pair):
    with pytest.raises(InputError, match="two different words"):
        word_pair(pair)


def test_family_is_a_value():
    groups = {"woman": "w", "man": "m"}
    family = PromptFamily(neutral="p", groups=groups)
    groups["woman"] = "changed"
    assert family.groups["woman"] == "w"
    with pytest.raises(TypeError):
        family.groups["woman"] = "x"
    for twin in (pickle.loads(pickle.dumps(family)), copy.deepcopy(family)):
        assert twin == family
        assert hash(twin) == hash(family)


class Counted(str):
    """A word that counts how often it is compared with another."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other):
        Counted.compared += 1
        return str.__eq__(self, other)


def test_the_work_grows_with_the_number_of_nouns_not_with_its_square():
    nouns = [Counted(f"noun {number}") for number in range(1000)]
    assert len(families(nouns, groups=GENDER)) == 1000
    assert Counted.compared < 10_000  # one comparison with every other would be a million
