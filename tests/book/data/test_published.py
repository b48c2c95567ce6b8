"""Published data: addresses, hashes, folders, networks that fail, and strict parsers."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import json
import threading

import pytest

from bbb_book.data import published
from bbb_book.data.published_parsers import parse_mj_bench
from bbb_book.data.recorded import origin, recorded, tables
from bbb_core.balance.fair_diffusion import parse_counts
from bbb_core.errors import InputError

GOOD = "baker\nman: 3, woman: 1, except: 0\ncook\nman: 0, woman: 7, except: 2\n"
RECORD = {
    "demographic": "old_female_middle eastern",
    "occupation": "Nurse",
    "images_dir": "a/b.jpg",
    "prompt": "A Nurse.",
    "age": True,
    "gender": True,
    "race": False,
    "nationality": False,
    "religion": False,
    "clipscore_v2": 0.25,
    "pickscore_v1": 1.0,
    "hps_v2.1": 0.2,
    "aesthetics": 5.0,
    "blipscore": -0.5,
    "ImageReward": 1.5,
    "gpt-4o": 5,
    "analysis": 0,
}


@pytest.fixture
def source(monkeypatch, tmp_path):
    """A small source with the right hash, an empty cache and no data folder."""
    made = published.Source(
        file="small.txt",
        repository="somebody/something",
        commit="0" * 40,
        location="results/small.txt",
        digest=hashlib.sha256(GOOD.encode()).hexdigest(),
        licence="MIT",
        citation="nobody",
        content="Two occupations.",
    )
    monkeypatch.setitem(published.SOURCES, "small", made)
    monkeypatch.setenv("BBB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("BBB_DATA_DIR", raising=False)
    return made


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A local server that holds a folder; the pinned addresses point to it."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=folder)
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(published, "HOST", f"http://127.0.0.1:{running.server_address[1]}")
    yield folder
    running.shutdown()
    running.server_close()
    thread.join()


def put(folder, source, text):
    file = folder / source.repository / source.commit / source.location
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_sources_are_pinned():
    for name, source in published.SOURCES.items():
        assert (len(source.commit), len(source.digest)) == (40, 64), name
        assert source.address.startswith("https://raw.githubusercontent.com/"), name
        assert source.commit in source.address, name
        assert source.licence, name


def test_fetch_verify_and_cache(source, server, capfd):
    served = put(server, source, GOOD)
    first = published.path("small")
    assert first.read_text() == GOOD
    served.unlink()
    assert published.path("small") == first
    assert capfd.readouterr() == ("", "")


def test_damaged_cache_is_fetched_again(source, server):
    put(server, source, GOOD)
    published.path("small").write_text("damaged")
    assert published.path("small").read_text() == GOOD


def test_altered_download_is_refused(source, server, tmp_path):
    put(server, source, GOOD + "more\n")
    with pytest.raises(InputError, match="SHA-256") as caught:
        published.path("small")
    assert not isinstance(caught.value, published.DataUnavailable)
    assert not list((tmp_path / "cache").rglob("small.txt"))


def test_absent_address_is_unavailable(source, server):
    with pytest.raises(published.DataUnavailable) as caught:
        published.path("small")
    for words in ("small.txt", source.address, "BBB_DATA_DIR"):
        assert words in str(caught.value)
    assert not published.available("small")


def test_no_network_is_unavailable(source, monkeypatch):
    monkeypatch.setattr(published, "HOST", "http://127.0.0.1:9")  # the discard port: nobody there
    with pytest.raises(published.DataUnavailable, match="BBB_DATA_DIR"):
        published.path("small")


def test_folder_is_read_instead_of_the_network(source, monkeypatch, tmp_path):
    monkeypatch.setattr(published, "HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("BBB_DATA_DIR", str(tmp_path))
    with pytest.raises(published.DataUnavailable, match="not in BBB_DATA_DIR"):
        published.path("small")
    (tmp_path / "small.txt").write_text(GOOD)
    assert published.load("small").loc["cook", "woman"] == 7
    (tmp_path / "small.txt").write_text(GOOD.replace("3", "4"))
    with pytest.raises(InputError, match="has SHA-256") as caught:
        published.available("small")
    assert not isinstance(caught.value, published.DataUnavailable)


def test_unknown_name():
    with pytest.raises(InputError, match="fair-diffusion-edited"):
        published.path("fair")


def test_counts_are_parsed():
    table = parse_counts(GOOD, name="x")
    assert table.loc["cook"].tolist() == [0, 7, 2]
    assert list(table.columns) == ["man", "woman", "except"]
    assert table.index.name == "occupation"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "empty"),
        ("baker\n", "line 1"),
        ("baker", "line 1"),
        ("\nman: 3, woman: 1, except: 0\n", "line 1"),
        ("man: 3, woman: 1, except: 0\n", "line 1"),
        ("baker \nman: 3, woman: 1, except: 0\n", "line 1"),
        ("baker\nman: 3, woman: 1\n", "line 2"),
        ("baker\nman: -3, woman: 1, except: 0\n", "line 2"),
        ("baker\nman: 3.5, woman: 1, except: 0\n", "line 2"),
        ("baker\nman: ٣, woman: 1, except: 0\n", "line 2"),
        ("baker\nman: 3, woman: 1, except: 0 \n", "line 2"),
        ("baker\nman: 0, woman: 0, except: 0\n", "line 2"),
        ("baker\nman: 99999999999999999999, woman: 0, except: 0\n", "line 2"),
        (GOOD + "\n", "line 5"),
        (GOOD + GOOD, "line 5"),
        (GOOD + "maid\nnurse\n", "line 6"),
        ("baker\r\nman: 3, woman: 1, except: 0\r\n", "line 1"),
    ],
)
def test_malformed_counts_name_the_line(text, line):
    with pytest.raises(InputError, match=line):
        parse_counts(text, name="file")


def test_mj_bench_is_parsed():
    table = parse_mj_bench(json.dumps([RECORD, RECORD | {"images_dir": "c"}], indent=2), name="x")
    assert table["requested_gender"].tolist() == ["female", "female"]
    assert table["requested_other"].iloc[0] == "middle eastern"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON list"),
        ("{}", "no JSON list"),
        ("[]", "no image"),
        ("[1]", "line 1: 1 is no record"),
        ("[" + json.dumps(RECORD), "not closed"),
        ("[" + json.dumps(RECORD) + ",]", "line 1: no valid JSON"),
        ("[\n" + json.dumps(RECORD) + "\n" + json.dumps(RECORD) + "]", "line 3.*not closed"),
        ("[\n" + json.dumps(RECORD) + ",\n" + json.dumps(RECORD) + "]", "line 3.*line 2 already"),
        ("[\n\n" + json.dumps(RECORD) + "]\nx", "line 4: there is text"),
        ("[" * 100_000, "nested|no valid JSON|no record"),
        ("[\n" + json.dumps(RECORD | {"age": 1}) + "]", "line 2: age is 1"),
        ("[\n" + json.dumps(RECORD | {"gpt-4o": True}) + "]", "line 2: gpt-4o"),
        ("[\n" + json.dumps(RECORD | {"clipscore_v2": "x"}) + "]", "line 2: clipscore_v2"),
        ("[\n" + json.dumps(RECORD | {"demographic": "old_man"}) + "]", "line 2: demographic"),
        ("[\n" + json.dumps(RECORD | {"new": 1}) + "]", "line 2: 'new'"),
        ("[\n" + json.dumps({k: v for k, v in RECORD.items() if k != "race"}) + "]", "'race'"),
        ("[" + json.dumps(RECORD).replace("0.25", "NaN") + "]", "NaN"),
        ("[" + json.dumps(RECORD).replace("0.25", "1e999") + "]", "inf"),
    ],
)
def test_malformed_mj_bench_names_the_line(text, words):
    with pytest.raises(InputError, match=words):
        parse_mj_bench(text, name="file")


@pytest.mark.parametrize("name", sorted(published.SOURCES))
def test_published_files_parse(name):
    if not published.available(name):
        pytest.skip("the published files are not at hand (no network, no BBB_DATA_DIR)")
    if published.SOURCES[name].file.endswith(".npy"):
        with pytest.raises(InputError, match="holds vectors"):
            published.load(name)
        return
    table = published.load(name)
    assert len(table) == (1548 if name == "mj-bench-bias" else 153)


def test_mj_bench_gaps():
    """Female minus male in within-occupation standard deviations, by plain arithmetic."""
    if not published.available("mj-bench-bias"):
        pytest.skip("the published files are not at hand (no network, no BBB_DATA_DIR)")
    table = published.load("mj-bench-bias")
    assert table["pickscore_v1"].nunique() == 1
    gaps = {}
    for column in ("clipscore_v2", "ImageReward", "hps_v2.1"):
        scores = table[column] - table.groupby("occupation")[column].transform("mean")
        scores = scores / scores.std()
        by_gender = scores.groupby(table["requested_gender"]).mean()
        gaps[column] = by_gender["female"] - by_gender["male"]
    assert gaps["clipscore_v2"] == pytest.approx(-0.248, abs=0.03)
    assert gaps["ImageReward"] == pytest.approx(-0.469, abs=0.03)
    assert gaps["hps_v2.1"] == pytest.approx(-0.087, abs=0.03)


def total(counts, factor, extra=0):
    """A result of a published table, as chapters record them."""
    return {"total": int(counts[["man", "woman"]].to_numpy().sum()) * factor + extra}


def test_what_was_made_of_a_file_outlives_it(source, monkeypatch, tmp_path):
    ask = functools.partial(
        recorded, "small-total", total, sources={"counts": "small"}, parameters={"factor": 2}
    )
    monkeypatch.setenv("BBB_DATA_DIR", str(tmp_path))
    assert ask(source="published") is None  # neither a record nor the file
    (tmp_path / "small.txt").write_text(GOOD)
    first = ask(source="published")
    assert (first["total"], first.source) == (22, "computed")
    (tmp_path / "small.txt").unlink()
    again = ask(source="published")
    assert (again["total"], again.key) == (22, first.key)
    assert origin(first, absent="no") != origin(first, again, absent="no")
    assert origin(None, absent="no") == "no"
    assert ask(source="none") is None
    with pytest.raises(InputError, match="published"):
        ask(source="elsewhere")


def test_a_record_knows_the_files_by_their_bytes_and_takes_what_is_read(
    source, monkeypatch, tmp_path
):
    monkeypatch.setenv("BBB_DATA_DIR", str(tmp_path))
    (tmp_path / "small.txt").write_text(GOOD)
    ask = functools.partial(
        recorded, "small-total", total, source="published", sources={"counts": "small"},
        parameters={"factor": 1}, inputs={"extra": 5},
    )  # fmt: skip
    found = ask(read=lambda: {**tables({"counts": "small"}), "extra": 5})
    assert found["total"] == 16
    assert set(found.manifest["inputs"]) == {"counts", "extra"}
    other = dataclasses.replace(source, digest=hashlib.sha256(b"other").hexdigest())
    monkeypatch.setitem(published.SOURCES, "small", other)
    with pytest.raises(InputError, match="SHA-256"):
        ask()  # another hash is another record, and the file is not that one
