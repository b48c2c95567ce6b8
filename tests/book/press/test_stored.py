"""The committed artefacts: exactly what is asked for, and current."""

from __future__ import annotations

import json

import pytest

from bbb_book import results
from bbb_book.press import stored
from bbb_book.results import artefacts
from bbb_book.results.artefacts import committed_dir
from bbb_core.errors import InputError
from bbb_core.stats.multiplicity import holm


def double(x):
    return {"twice": 2 * x}


def nested(x):
    return {"four": 2 * results.artefact("inner", double, parameters={"x": x})["twice"]}


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("BBB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv(artefacts.LOG, str(tmp_path / "log.txt"))
    for module in (artefacts, stored):
        monkeypatch.setattr(module, "committed_dir", lambda: tmp_path / "committed")
    (tmp_path / "committed").mkdir()
    return tmp_path


def test_the_log_names_what_was_asked_for_and_not_what_that_needed(places):
    made = results.artefact("outer", nested, parameters={"x": 1})
    assert made["four"] == 4
    results.artefact("outer", nested, parameters={"x": 1})
    label = f"outer-{made.key[:16]}"
    assert (places / "log.txt").read_text().split() == [label, label]


def test_the_folder_holds_exactly_what_is_asked_for(places):
    one, two = (results.artefact("double", double, parameters={"x": x}) for x in (1, 2))
    labels = [f"double-{made.key[:16]}" for made in (one, two)]
    assert stored.keep(labels[:1], places / "committed") == [f"stored {labels[0]}"]
    assert stored.keep(labels[1:], places / "committed") == [
        f"stored {labels[1]}",
        f"removed {labels[0]}",
    ]
    assert [path.name for path in (places / "committed").iterdir()] == labels[1:]
    with pytest.raises(InputError, match="unknown-0 is not in the cache"):
        stored.keep(["unknown-0"], places / "committed")
    assert [path.name for path in (places / "committed").iterdir()] == labels[1:]


def test_an_artefact_of_other_code_is_stale(places):
    made = results.artefact("double", double, parameters={"x": 1})
    stored.keep([f"double-{made.key[:16]}"], places / "committed")
    assert stored.stale() == []
    manifest = places / "committed" / f"double-{made.key[:16]}" / "manifest.json"
    whole = manifest.read_text()
    for damaged in ("", "[]", "{}", "[" * 100_000, '{"function": 5}'):
        manifest.write_text(damaged)
        assert stored.stale() == [manifest.parent.name]
    manifest.write_text(whole)
    path = next((places / "committed").glob("*/manifest.json"))
    manifest = json.loads(path.read_text())
    for change in ({"code": "other"}, {"function": "bbb_core.gone:f"}, {"function": "json:gone"}):
        path.write_text(json.dumps(manifest | change))
        assert stored.stale() == [path.parent.name]
    path.write_text(json.dumps(manifest | {"function": f"{holm.__module__}:holm"}))
    assert stored.stale() == [path.parent.name]


def test_the_artefacts_of_this_repository_are_whole_and_current():
    """What the chapters of preset book asked for is there, and made by the code at hand."""
    text = (committed_dir().parent / "book" / "reference" / "claims.json").read_text()
    wanted = json.loads(text)["artefacts"]
    assert len(wanted) > 50
    there = sorted(path.parent.name for path in committed_dir().glob("*/manifest.json"))
    assert there == wanted, "run `make reference` and commit the artefacts"
    assert stored.stale() == [], "run `make reference` and commit the artefacts"
