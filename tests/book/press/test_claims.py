"""The register, records and how they are collected and compared."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bbb_book import results
from bbb_book.results.collect import (
    NO_DATA,
    broken,
    claims_of,
    collect,
    read_claims,
    states,
)
from bbb_book.results.comparison import Comparison, absent, compare
from bbb_book.results.register import load_register
from bbb_core.errors import InputError

GOOD = """
[a-claim]
origin = "ours"
role = "claim"
statement = "So it is."
measure = "something"
unit = "ratio"
units = "things"
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
        ('role = "claim"', "", "exactly the keys"),
        ('"claim"', '"guess"', "role must be 'claim' or 'check'"),
        ('units = "things"', "", "exactly the keys"),
        ('"things"', '" "', "units must be a non-empty text"),
        ('"things"', '"none"', "units without replication read 'none: exact'"),
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


def test_the_book_has_few_claims_and_all_of_the_papers(monkeypatch):
    monkeypatch.delenv("BBB_REGISTER")
    register = load_register().values()
    claims = [found for found in register if found.role == "claim"]
    assert 20 <= len(claims) <= 40
    assert all(found.role == "claim" for found in register if found.origin == "paper")
    assert len({found.chapter for found in claims}) > 10


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


@pytest.mark.parametrize(
    ("low", "high", "state"),
    [(0.40, 0.50, "holds"), (0.50, 0.60, "open"), (0.55, 0.60, "fails")],
)
def test_a_check_holds_fails_or_is_open_and_is_never_supported(low, high, state):
    record = results.record("sample-level", value=(low + high) / 2, low=low, high=high, n=40)
    assert record.verdict == record.as_dict()["verdict"] == state
    assert record.texts()["sample-level-verdict"] == state
    assert str(record).endswith(f"below 0.52; {state}")
    assert states([record.as_dict()])[state] == ["sample-level"]


def test_an_exact_check_that_fails_is_broken_and_no_other():
    wrong = results.record("sample-whole", value=0.9).as_dict()
    (said,) = broken([wrong, results.record("sample-level", value=0.9, n=4).as_dict()])
    assert said.startswith("check 'sample-whole' of chapter 'sample' fails: 0.9 is not between")
    assert broken([results.record("sample-whole", value=1.0).as_dict()]) == []
    assert broken([results.record("sample-largest", value=2.0).as_dict()]) == []  # a claim


def test_a_range_is_called_one(tmp_path, monkeypatch):
    (tmp_path / "toy").mkdir()
    text = GOOD.replace('"things"', '"range: seeds"')
    (tmp_path / "toy" / "claims.toml").write_text(text)
    monkeypatch.setenv("BBB_REGISTER", str(tmp_path))
    said = str(results.record("a-claim", value=0.5, low=0.4, high=0.6, n=3))
    assert said == "a-claim: 0.50 [0.40, 0.60] (range) ratio, n = 3; rule: below 1; supported"


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
        {"value": 0.5, "p": 1.5},
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
    claims, checks = table.split("\n\n")
    assert claims.count("\n") == 4
    assert "between 0.4 and 0.6 (share)" in claims
    assert checks.splitlines()[0] == "| Check | Holds when |"
    assert checks.splitlines()[2] == (
        "| Heads and tails are all tosses. *Measured:* share of heads plus share of tails "
        "| between 0.999 and 1.001 (share) |"
    )
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
        "sample-whole",
        "sample-level",
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
    assert found["sample-later"]["role"] == "claim"
    assert found["sample-level"]["units"] == "tosses"
    assert states(found.values()) == {
        "holds": ["sample-whole"], "open": ["sample-level"], "fails": [], "not measured": []
    }  # fmt: skip


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


CLAIM = {"id": "a", "digits": 2, "n": 3, "verdict": "supported", "units": "things"}
OLD = {**CLAIM, "value": 0.5049, "low": 0.45, "high": 0.56}


def test_differences_within_rounding_do_not_count():
    assert compare([OLD], [{**OLD, "value": 0.5051}]) == Comparison()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"value": 0.5149}, "value was 0.5049, is 0.5149"),
        ({"high": 0.6}, "high was 0.56, is 0.6"),
        ({"n": 4}, "n was 3, is 4"),
    ],
)
def test_a_value_within_the_interval_agrees(change, said):
    found = compare([OLD], [{**OLD, **change}])
    assert found == Comparison(within=[f"a: agrees within its interval; {said}"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"value": 0.57}, "value was 0.5049, is 0.57"),
        ({"verdict": "mixed"}, "verdict was supported, is mixed"),
        ({"value": 0.52, "verdict": "mixed"}, "value was 0.5049, is 0.52"),
    ],
)
def test_another_verdict_or_a_value_outside_differs(change, said):
    found = compare([OLD], [{**OLD, **change}])
    assert found.within == []
    assert found.differs[0].startswith(f"a: {said}")


def test_what_is_exact_must_be_equal_and_a_count_must_have_its_verdict():
    point = {**OLD, "low": 0.5049, "high": 0.5049}
    other = {**point, "value": 0.6, "low": 0.6, "high": 0.6}
    assert compare([point], [other]).within == [
        "a: agrees in its verdict; value was 0.5049, is 0.6, low was 0.5049, is 0.6, "
        "high was 0.5049, is 0.6"
    ]
    exact = {"units": "none: exact"}
    assert len(compare([point | exact], [other | exact]).differs) == 1
    assert len(compare([point], [{**other, "verdict": "mixed"}]).differs) == 1


def test_records_that_are_missing_on_one_side():
    none = dict.fromkeys(("value", "low", "high"))
    unread = {**CLAIM, **none, "verdict": "not measured"}
    assert "verdict was supported, is not measured" in compare([OLD], [unread]).differs[0]
    assert compare([unread], [OLD]) == Comparison(within=["a: measured here, not in the reference"])
    for reason in (NO_DATA, "the run has no such encoder"):
        assert compare([OLD], [{**unread, "reason": reason}]) == Comparison()
        assert absent([OLD, {**unread, "id": "b", "reason": reason}]) == {"b": reason}
    assert compare([OLD], []).differs == ["a: in the reference, not in this run"]
    assert compare([], [OLD]).differs == ["a: in this run, not in the reference"]
