"""Tables as JSON: the same values as in CSV, whatever the notation, and refusals with a place."""

from __future__ import annotations

import pytest

from bbb_core.errors import InputError
from bbb_core.io.json_rows import JsonRows
from bbb_core.io.tables import TableFile


def read_table(path, *, notation="1234.5", **columns):
    return TableFile(JsonRows(path, name="FILE"), notation=notation).read(**columns)


@pytest.fixture
def file(tmp_path):
    def write(text: str, name: str = "a.json"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_records_become_columns(file):
    text = '[{"who": "NA", "x": 1.2, "n": 3}, {"who": null, "n": 4, "other": {}}]'
    found = read_table(file(text), labels=["who"], numbers=["x"], counts=["n"])
    assert found.labels["who"].codes.tolist() == [0, -1]
    assert list(found.labels["who"].categories) == ["NA"]
    assert found.numbers["x"][0] == 1.2
    assert found.missing == {"who": 1, "x": 1}
    assert found.counts["n"].tolist() == [3, 4]
    assert found.place(1).endswith("record 2")


def test_lines_and_lists_say_the_same_and_numbers_need_no_notation(file):
    lines = file('{"x": 1.2, "who": 1}\n\n{"x": "1,5", "who": true}\n', "a.jsonl")
    found = read_table(lines, numbers=["x"], labels=["who"], notation="1.234,5")
    assert found.numbers["x"].tolist() == [1.2, 1.5]
    assert list(found.labels["who"]) == ["1", "true"]


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("", "a.json", "no valid JSON"),
        ('{"n": 1}', "a.json", "no list of records"),
        ("[1]", "a.json", "no list of records"),
        ('[{"n": 1}', "a.json", "no valid JSON"),
        ('{"n": 1}\n{"n": }', "a.jsonl", "no valid JSON"),
        ('[{"n": NaN}]', "a.json", "NaN is no number"),
        ("[" * 100_000, "a.json", "no valid JSON"),
        ('[{"n": 1}, {"n": 1.5}]', "a.json", "record 2, column 'n': 1.5 is no whole number"),
        ('[{"n": 1}, {"n": -1}]', "a.json", "record 2, column 'n'"),
        ('[{"n": 1}, {"n": null}]', "a.json", "record 2, column 'n'"),
        ('[{"n": 1}, {"n": 1' + "0" * 400 + "}]", "a.json", "record 2, column 'n'"),
        ('[{"n": {"a": 1}}]', "a.json", "record 1, column 'n': a list or an object"),
        ('[{"m": 1}]', "a.json", "no column 'n'"),
        ("[]", "a.json", "no column 'n'"),
    ],
)
def test_what_is_no_table_is_refused(file, text, name, words):
    with pytest.raises(InputError, match=words):
        read_table(file(text, name), counts=["n"])
