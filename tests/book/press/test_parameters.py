"""Parameters: read from a cell, parsed from words, checked; presets checked against chapters."""

from __future__ import annotations

import pytest

from bbb_book.cli.chapter import overrides
from bbb_book.press.chapters import chapter, chapters, find_book, preset
from bbb_book.press.choices import CHOICES, known
from bbb_book.press.parameters import Parameter, check, checked, parse, read_parameters
from bbb_core.errors import InputError


def one(kind: str) -> Parameter:
    return Parameter(name="x", type=kind, default=None, help="")


def test_types_defaults_and_help_are_read(book):
    found = {p.name: p for p in chapter(book, "sample").parameters}
    assert list(found) == ["tosses", "bias", "name", "words", "exact"]
    assert found["tosses"] == Parameter(
        name="tosses", type="int", default=400, help="number of tosses"
    )
    assert found["words"].default == ["heads", "tails"]
    assert found["exact"].default is False


def test_a_literal_over_several_lines_is_read():
    (found,) = read_parameters('w: list[str] = [  # what\n    "a#b",\n    "c",\n]\n', chapter="toy")
    assert (found.default, found.help) == (["a#b", "c"], "what")


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        "x: int = y",
        "x: int = 2 + 3j",
        "x: dict = {}",
        "x: int",
        "x: int = 1.5",
        "x: int = True",
        "x: float = 1e999",
        "x: int = 1\nx: int = 2",
        "x: int =",
        "import os",
    ],
)
def test_bad_parameter_cells_are_refused(source):
    with pytest.raises(InputError):
        read_parameters(source, chapter="toy")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "-3", -3),
        ("float", "2", 2.0),
        ("float", "1e-3", 0.001),
        ("str", "a,b = c", "a,b = c"),
        ("str", "", ""),
        ("bool", "yes", True),
        ("bool", "False", False),
        ("list[str]", "a, b", ["a", "b"]),
        ("list[str]", '["a, b", "c"]', ["a, b", "c"]),
        ("list[str]", "", []),
        ("list[float]", "1,2.5", [1.0, 2.5]),
        ("list[int]", "[1, 2]", [1, 2]),
    ],
)
def test_words_are_parsed_by_the_declared_type(kind, text, value):
    assert parse(one(kind), text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("int", "2.5"),
        ("int", ""),
        ("int", "two"),
        ("float", "nan"),
        ("float", "inf"),
        ("bool", "maybe"),
        ("list[int]", "1,,2"),
        ("list[int]", "[1, 2.5]"),
        ("list[int]", "[true]"),
        ("list[str]", '["a"'),
        ("list[str]", '[["a"]]'),
        ("list[float]", "[NaN]"),
    ],
)
def test_ill_typed_words_are_refused(kind, text):
    with pytest.raises(InputError, match="'x'"):
        parse(one(kind), text)


def test_a_bool_is_no_number():
    for kind in ("int", "float"):
        with pytest.raises(InputError):
            check(one(kind), True)


def test_overrides_are_checked_by_name_and_type(book):
    parameters = chapter(book, "sample").parameters
    assert checked(parameters, {"bias": 1}, chapter="sample")["bias"] == 1.0
    with pytest.raises(InputError, match="did you mean 'tosses'"):
        checked(parameters, {"toses": 1}, chapter="sample")
    with pytest.raises(InputError, match="must be a whole number"):
        checked(parameters, {"tosses": "many"}, chapter="sample")


def test_presets_give_every_chapter_its_whole_set(book):
    assert preset(book, "ci")["sample"]["tosses"] == 100
    assert preset(book, "book")["sample"]["tosses"] == 400


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[sampel]\n", "did you mean 'sample'"),
        ("[sample]\ntosse = 1\n", "did you mean 'tosses'"),
        ("[sample]\ntosses = 0.5\n", "whole number"),
        ("tosses = 1\n", "outside a chapter's table"),
        ("[sample\n", "not valid TOML"),
    ],
)
def test_presets_are_checked_against_the_chapters(book, text, said):
    (book / "presets" / "ci.toml").write_text(text)
    with pytest.raises(InputError, match=said):
        preset(book, "ci")


def test_the_preset_book_may_not_differ_from_the_defaults(book):
    (book / "presets" / "book.toml").write_text("[sample]\ntosses = 400\n")
    assert preset(book, "book")["sample"]["tosses"] == 400
    (book / "presets" / "book.toml").write_text("[sample]\ntosses = 401\n")
    with pytest.raises(InputError, match="not the chapter's default"):
        preset(book, "book")


def test_an_unknown_preset_is_refused(book):
    with pytest.raises(InputError, match="there are book, ci, paper"):
        preset(book, "tiny")


def test_a_lost_tag_is_noticed(book):
    path = book / "sample.md"
    path.write_text(path.read_text().replace(":tags: [parameters]", ""))
    with pytest.raises(InputError, match="must carry the tag 'parameters'"):
        chapters(book)["sample"].notebook()


def test_a_folder_without_a_book_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("BBB_BOOK", str(tmp_path))
    with pytest.raises(InputError, match="set BBB_BOOK"):
        find_book()


def test_every_real_chapter_and_preset_is_valid(monkeypatch):
    monkeypatch.delenv("BBB_REGISTER")
    place = find_book()
    for name in ("ci", "book", "paper"):
        assert set(preset(place, name)) == set(chapters(place))
    for found in chapters(place).values():
        assert all(parameter.help for parameter in found.parameters)


def test_every_parameter_of_text_is_checked_and_every_default_is_known(monkeypatch):
    monkeypatch.delenv("BBB_REGISTER")
    real = chapters(find_book())
    assert set(CHOICES) <= set(real)
    for name, found in real.items():
        defaults = {p.name: p.default for p in found.parameters}
        texts = {p.name for p in found.parameters if "str" in p.type or "seeds" in p.name}
        assert texts == set(CHOICES.get(name, {})), name
        assert known(name, defaults) == defaults


@pytest.mark.parametrize(
    ("name", "word", "said"),
    [
        ("embedding_bias", "flipping=no", "'no'; choose one of female/male, woman/man"),
        ("embedding_bias", "noun_pairs=woman/man", "'female/male'; choose one of woman/man"),
        ("embedding_bias", "pairs=female", "'female'"),
        ("embedding_bias", "templates=a photo", "must hold {} exactly once"),
        ("embedding_bias", "encoders=minilmm", "no encoder 'minilmm'; choose minilm, e5, glove"),
        ("embedding_bias", "encoders=", "the list is empty"),
        ("embedding_bias", "encoders=glove,glove", "'glove' stands there twice"),
        ("embedding_bias", "encoders=open_clip:", "no encoder 'open_clip:'"),
        ("embedding_bias", "encoders=table:nowhere.npz", "no file 'nowhere.npz'"),
        ("generalisation", "encoders=clip:mostly", "'mostly'; pass balanced, labour"),
        ("generalisation", "encoders=clip:labour@wide", "width 'wide'"),
        ("generalisation", "seeds=0,0", "0 stands there twice"),
        ("alignment_auditing", "encoders=minilm", "'minilm'; choose one of clip, prototype"),
        ("alignment_auditing", "biases=men:2", "probabilities between 0 and 1"),
        ("alignment_auditing", "scorer=big-clip", "no scorer 'big-clip'"),
        ("emoji_model", "template={} {x}", "braces besides"),
        ("generation_mitigations", "pictured=nurse", "'nurse'; choose one of health worker"),
        ("imbalanced_generations", "swept=cok", "'cok'; choose one of"),
        ("intersections", "certified=nobody", "'nobody'; choose one of"),
        ("published_generations", "source=publishd", "choose one of published, none"),
        ("reward_for_imbalance", "generators=counts.csv", "no file 'counts.csv'"),
    ],
)
def test_a_chapter_refuses_what_it_does_not_know(monkeypatch, name, word, said):
    monkeypatch.delenv("BBB_REGISTER")
    found = chapter(find_book(), name)
    with pytest.raises(InputError) as caught:
        checked(found.parameters, overrides(found, [word]), chapter=name)
    key = word.partition("=")[0]
    assert str(caught.value).startswith(
        f"parameter '{'flipping' if 'noun_pairs' in word else key}': "
    )
    assert said in str(caught.value)


def test_a_file_is_named_from_where_the_user_stands(monkeypatch, tmp_path):
    monkeypatch.delenv("BBB_REGISTER")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.npz").touch()
    found = chapter(find_book(), "embedding_bias")
    values = checked(found.parameters, {"encoders": ["table:mine.npz"]}, chapter=found.name)
    assert values["encoders"] == [f"table:{tmp_path / 'mine.npz'}"]


@pytest.mark.parametrize(("kind", "text"), [("int", "9" * 30), ("list[float]", "[1" + "0" * 400)])
def test_a_number_that_no_library_can_hold_is_refused(kind, text):
    text += "]" if text.startswith("[") else ""
    with pytest.raises(InputError, match="parameter 'x' must be"):
        parse(one(kind), text)
