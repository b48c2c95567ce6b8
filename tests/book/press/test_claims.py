"""The register, records and how they are collected and compared."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bbb_book import results
from bbb_book.results.collect import (
    NO_DATA,
    absent,
    claims_of,
    collect,
    differences,
    read_claims,
)
from bbb_book.results.register import load_register
from bbb_core.errors import InputError

GOOD = """
[a-claim]
origin = "ours"
statement = "So it is."
measure = "something"
unit = "ratio"
digits = 2
rule = { kind = "below", threshold = 1 }
"""


def test_the_register_of_the_package_is_valid(monkeypatch):
    monkeypatch.delenv("BBB_REGISTER")
    for key, claim in load_register().items():
        assert claim.id == key
        assert claim.statement.rstrip().endswith((".", "?"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("a-claim", "A_claim", "kebab-case"),
        ('"ours"', '"theirs"', "origin"),
        ("digits = 2", "digits = 2.5", "digits"),
        ("digits = 2", "digits = 99", "digits"),
        ('unit = "ratio"', "", "exactly the keys"),
        ('unit = "ratio"', 'unit = ""', "non-empty"),
        ("threshold = 1", "treshold = 1", "rule must be a table"),
        ('kind = "below"', 'kind = "under"', "kind"),
        ("digits = 2", "digits 2", "not valid TOML"),
    ],
)
def test_bad_registers_are_refused(tmp_path, old, new, said):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "claims.toml").write_text(GOOD.replace(old, new))
    with pytest.raises(InputError, match=said):
        load_register(tmp_path)


def test_an_id_stands_in_one_register_only(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "claims.toml").write_text(GOOD)
    with pytest.raises(InputError, match="'one' and 'two'"):
        load_register(tmp_path)


def test_a_record_is_silent_outside_ipython(capsys):
    record = results.record("sample-mean", value=0.5, low=0.45, high=0.55, n=40)
    assert capsys.readouterr() == ("", "")
    assert record.verdict == "supported"
    assert record.texts() == {
        "sample-mean": "0.50",
        "sample-mean-low": "0.45",
        "sample-mean-high": "0.55",
        "sample-mean-interval": "[0.45, 0.55]",
        "sample-mean-verdict": "supported",
        "sample-mean-n": "40",
    }


def test_numpy_numbers_are_taken_and_stored_as_plain_ones():
    record = results.record("sample-mean", value=np.float32(0.5), n=np.int64(3))
    assert type(record.value) is float
    assert type(record.n) is int
    assert json.loads(json.dumps(record.as_dict(), allow_nan=False))["low"] == 0.5


@pytest.mark.parametrize(
    "fields",
    [
        {"value": float("nan")},
        {"value": 0.5, "low": 0.4},
        {"value": 0.5, "low": 0.6, "high": 0.7},
        {"value": 0.5, "low": -float("inf"), "high": 1.0},
        {"value": 0.5, "n": -1},
    ],
)
def test_bad_records_are_refused(fields):
    with pytest.raises(InputError):
        results.record("sample-mean", **fields)


def test_an_unknown_claim_proposes_the_nearest():
    with pytest.raises(InputError, match="did you mean 'sample-mean'"):
        results.record("sample-maen", value=1.0)


def test_no_negative_zero_reaches_a_page():
    assert results.show_number("x", -0.0004, digits=2) == "0.00"


def test_the_table_of_a_chapter_holds_its_rules():
    table = results.register_table("sample")
    assert table.count("\n") == 4
    assert "between 0.4 and 0.6 (share)" in table
    with pytest.raises(InputError, match="no claim is registered"):
        results.register_table("nothing")


def test_outputs_carry_rounded_texts_and_the_full_record(executed):
    cells = json.loads(executed.read_text())["cells"]
    outputs = [o for c in cells for o in c.get("outputs", []) if "bbb" in o.get("metadata", {})]
    glued = [o for c in cells for o in c.get("outputs", []) if "scrapbook" in o["metadata"]]
    assert [output["metadata"]["bbb"]["id"] for output in outputs] == [
        "sample-mean",
        "sample-largest",
        "sample-later",
    ]
    assert outputs[1]["metadata"]["bbb"]["value"] == 0.9871234
    assert "0.9871234" not in json.dumps([o["data"] for o in outputs + glued])
    names = {output["metadata"]["scrapbook"]["name"] for output in glued}
    assert {"sample-mean", "sample-mean-interval", "sample-largest-verdict"} <= names


def test_claims_are_collected_with_their_run(executed):
    found = {claim["id"]: claim for claim in collect([executed])}
    assert found["sample-mean"]["preset"] == "ci"
    assert found["sample-mean"]["parameters"]["tosses"] == 100
    assert found["sample-mean"]["n"] == 100
    assert found["sample-later"]["verdict"] == "not measured"
    assert found["sample-later"]["value"] is None


def test_a_claim_recorded_twice_is_refused(executed):
    with pytest.raises(InputError, match="recorded twice"):
        collect([executed, executed])


def test_a_record_without_a_register_entry_is_refused(executed, tmp_path, monkeypatch):
    monkeypatch.setenv("BBB_REGISTER", str(tmp_path))
    with pytest.raises(InputError, match="stands in no register"):
        collect([executed])


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "\x00"])
def test_files_that_are_no_notebooks_are_refused(tmp_path, text):
    path = tmp_path / "broken.ipynb"
    path.write_text(text)
    with pytest.raises(InputError, match="not a notebook"):
        claims_of(path)


def test_claims_files_are_checked(tmp_path):
    with pytest.raises(InputError, match="make reference"):
        read_claims(tmp_path / "claims.json")
    (tmp_path / "claims.json").write_text("[]")
    with pytest.raises(InputError, match="not a file of claims"):
        read_claims(tmp_path / "claims.json")


def test_differences_within_rounding_do_not_count():
    claim = {"id": "a", "digits": 2, "n": 3, "verdict": "supported", "high": None}
    old = {**claim, "value": 0.5049, "low": 0.5}
    assert differences([old], [{**old, "value": 0.5051}]) == []
    assert differences([old], [{**old, "value": 0.5149}]) == ["a: value was 0.5049, is 0.5149"]
    assert differences([old], [{**old, "n": 4}]) == ["a: n was 3, is 4"]
    assert differences([old], [{**old, "verdict": "mixed"}]) == [
        "a: verdict was supported, is mixed"
    ]
    unread = {**claim, "value": None, "verdict": "not measured"}
    assert "a: verdict was supported, is not measured" in differences([old], [unread])
    for reason in (NO_DATA, "the run has no such encoder"):
        assert differences([old], [{**unread, "reason": reason}]) == []
        assert absent([old, {**unread, "id": "b", "reason": reason}]) == {"b": reason}
    assert differences([old], []) == ["a: in the reference, not in this run"]
    assert differences([], [old]) == ["a: in this run, not in the reference"]
    assert differences([old], [{**old, "low": None}]) == ["a: low was 0.5, is None"]
