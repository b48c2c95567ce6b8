"""Every format and every folder gives the same table; hostile files end in one line."""

from __future__ import annotations

import contextlib
import gzip
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbb_core.errors import InputError
from bbb_core.io import arrow, records
from bbb_core.io.labels import crossed, likely, matched, merged, pattern
from bbb_core.io.sources import open_table, source_files

FRAME = pd.DataFrame({
    "g": ["a", None, "NA", "wöman, x"] * 2, "x": [1, 2.5, None, -4] * 2, "n": range(8),
    "b": [True, False] * 4,
})  # fmt: skip


def stream(frame, path):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    coded = table.set_column(0, "g", table["g"].combine_chunks().dictionary_encode())
    with pa.ipc.new_stream(path, coded.schema) as writer:
        writer.write_table(coded, max_chunksize=3)


def packed(frame, path):
    path.write_bytes(gzip.compress(frame.to_json(orient="records").encode()))


WRITERS = {
    "csv": lambda f, p: f.to_csv(p, index=False),
    "tsv": lambda f, p: f.to_csv(p, index=False, sep="\t"),
    "json": lambda f, p: f.to_json(p, orient="records"),
    "jsonl": lambda f, p: f.to_json(p, orient="records", lines=True),
    "json.gz": packed,
    "parquet": lambda f, p: f.to_parquet(p),
    "feather": lambda f, p: f.to_feather(p),
    "arrow": stream,
}
COLUMN_WISE = {"lists": lambda f: f.to_json(), "split by name": lambda f: json.dumps(
    {c: json.loads(f[c].to_json(orient="values")) for c in f})}  # fmt: skip


def cells(table):
    labels = {n: [None if k < 0 else c.categories[k] for k in c.codes]
              for n, c in table.labels.items()}  # fmt: skip
    return labels, table.numbers["x"].tolist(), table.counts["n"].tolist()


def read(path, **options):
    roles = {"labels": ["g", "b"], "numbers": ["x"], "counts": ["n"]}
    return open_table(path, needs=["g"], **options).read(**roles)


def expected(frame=FRAME):
    return (
        {"g": [x if isinstance(x, str) else None for x in frame["g"]],
         "b": [str(value) for value in frame["b"]]},
        pytest.approx(frame["x"].tolist(), nan_ok=True), frame["n"].tolist(),
    )  # fmt: skip


@pytest.mark.parametrize("ending", WRITERS)
def test_every_format_alone_and_in_shards_gives_the_same_table(tmp_path, ending):
    one, folder = tmp_path / f"t.{ending}", tmp_path / "shards"
    folder.mkdir()
    WRITERS[ending](FRAME, one)
    for start, number in ((0, 2), (3, 10), (5, 11)):  # in the order of their numbers
        stop = {0: 3, 3: 5, 5: 8}[start]
        part = FRAME[start:stop].reset_index(drop=True)
        WRITERS[ending](part, folder / f"part-{number}.{ending}")
    (folder / "_SUCCESS").touch()
    assert cells(read(one)) == expected()
    whole = read(folder)
    assert cells(whole) == expected()
    assert whole.place(4).endswith(f"{read(one).places[1]} of part-10.{ending}")
    assert len(source_files(folder)) == 3


@pytest.mark.parametrize("form", COLUMN_WISE)
def test_json_by_columns(tmp_path, form):
    path = tmp_path / "t.json"
    path.write_text(COLUMN_WISE[form](FRAME))
    assert cells(read(path)) == expected()


@pytest.mark.parametrize(
    ("text", "keys", "values"),
    [
        ('{"a.png": {"x": {"y": 1}}, "b.png": {"x": {"y": 2}}}', ["a.png", "b.png"], [1, 2]),
        ('{"a": [{"x": {"y": 1}}, {"x": {"y": 2}}], "b": []}', ["a", "a", "b"], [1, 2, np.nan]),
        ('[[{"x": {"y": 1}}], {"x": {"y": 2}}]', ["1", "2"], [1, 2]),
    ],
)
def test_json_of_records_by_name(tmp_path, text, keys, values):
    path = tmp_path / "t.json"
    path.write_text(text)
    table = open_table(path).read(labels=["key"], numbers=["x.y"])
    assert list(table.labels["key"]) == keys
    np.testing.assert_array_equal(table.numbers["x.y"], values)


def test_numbers_of_json_are_its_own_whatever_the_notation(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"x": 1.200}\n{"x": "1.200"}\n')
    numbers = open_table(path, notation="1.234,5").read(numbers=["x"]).numbers["x"]
    assert numbers.tolist() == [1.2, 1200.0]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("t.json", b"", "no valid JSON"),
        ("t.json", b"[]", "is empty"),
        ("t.json", b"[1, 2]", "record 1 is no object"),
        ("t.json", b'{"nurse": 3}', "record 1 is no object"),
        ("t.json", b'[{"g": Infinity}]', "no valid JSON"),
        ("t.json", b'[{"g": 1, "g": 2}]', "twice in one object"),
        ("t.json", b'[{"g": {"h": 1}, "g.h": 2}]', "two cells 'g.h'"),
        ("t.json", b"[" * 100_000, "no valid JSON"),
        ("t.json", b"\xff[]", "no valid JSON"),
        ("t.json", b'[{"g": [1]}]', "record 1, column 'g': a list is no cell"),
        ("t.json", b"\x1f\x8b\x08abc", "no whole gzip"),
        ("t.jsonl", b'{"g": 1}\n\n[2]\n', "line 3 is no object"),
        ("t.jsonl", b'{"g": 1}\n{"g"', "no valid JSON"),
        ("t.feather", b"", "cannot be read as Arrow"),
        ("t.feather", b"ARROW1\0\0" + b"x" * 50, "cannot be read as Arrow"),
        ("t.arrow", b"\xff\xff\xff\xff\xff\xff\xff\x7f", "cannot be read as Arrow"),
    ],
)
def test_what_is_no_table_gets_one_line(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message):
        open_table(tmp_path / name).read(labels=["g"])


@pytest.mark.parametrize("value", ["1e400", "9" * 400, "-1", "0.5", '"x"', "null"])
def test_counts_of_json_are_whole(tmp_path, value):
    path = tmp_path / "t.jsonl"
    path.write_text(f'{{"n": 3}}\n{{"n": {value}}}\n')
    with pytest.raises(InputError, match=r"line 2, column 'n'|no valid JSON"):
        open_table(path).read(counts=["n"])


def test_sizes_are_bounded(tmp_path, monkeypatch):
    """A column of equal values: kilobytes in the file, eight megabytes unpacked."""
    table = pa.table({"g": pa.array(np.zeros(1_000_000))})
    pa.feather.write_feather(table, tmp_path / "t.feather", compression="zstd", chunksize=1_000_000)
    assert (tmp_path / "t.feather").stat().st_size < 10_000
    assert len(open_table(tmp_path / "t.feather").read(numbers=["g"])) == 1_000_000
    monkeypatch.setattr(arrow, "MOST_UNPACKED", 7_000_000)
    with pytest.raises(InputError, match="unpacks to more than 7000000 bytes"):
        open_table(tmp_path / "t.feather").read(numbers=["g"])
    monkeypatch.setattr(records, "MOST_WHOLE", 1000)
    for name, data in (("t.json", b" " * 1001), ("t.json.gz", gzip.compress(b" " * 1001))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match="more than 1000 bytes"):
            open_table(tmp_path / name)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no table"),
        ({"a.txt": "x\n", "b.png": "x"}, "holds no table"),
        ({"a.csv": "g\n1\n", "b.json": "[]"}, r"several formats \(csv, json\)"),
        ({"a.csv": "g,x\n1,2\n", "b.csv": "g\n1\n"}, "other columns than its neighbours"),
    ],
)
def test_folders_that_are_no_table(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        open_table(tmp_path)


def test_a_list_beside_images_and_records_that_lack_what_is_empty(tmp_path):
    (tmp_path / "a.csv").write_text("other\n1\n")
    (tmp_path / "metadata.jsonl").write_text('{"g": "a"}\n')
    assert open_table(tmp_path).columns == ("g",)
    shards = tmp_path / "shards"
    shards.mkdir()
    (shards / "1.jsonl").write_text('{"g": "a"}\n')
    (shards / "2.jsonl").write_text('{"x": 1}\n')
    table = open_table(shards).read(labels=["g"], numbers=["x"])
    assert table.missing == {"g": 1, "x": 1}


def test_a_folder_of_img2dataset(tmp_path):
    for shard in ("00000", "00001"):
        pd.DataFrame({"caption": ["a", "b"]}).to_parquet(tmp_path / f"{shard}.parquet")
        (tmp_path / f"{shard}.tar").write_bytes(b"images")
        (tmp_path / f"{shard}_stats.json").write_text('{"count": 2}')
    table = open_table(tmp_path).read(labels=["caption"])
    assert table.labels["caption"].tolist() == ["a", "b", "a", "b"]


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(data=st.data())
def test_damaged_arrow_and_json_end_in_a_value_or_one_line(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    ending = data.draw(st.sampled_from(["feather", "arrow", "json", "json.gz"]))
    path = folder / f"t.{ending}"
    WRITERS[ending](FRAME, path)
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    path.write_bytes(whole)
    with contextlib.suppress(InputError):
        open_table(path).read(labels=["g", "b"], numbers=["x"], counts=["n"])


def test_labels_are_merged_crossed_and_cut():
    column = pd.Categorical(["b", None, "a", "c", "a"])
    made = merged(column, {"a": "x", "b": "x"}, ["c"])
    assert [*made.categories] == ["x"]
    assert made.codes.tolist() == [0, -1, 0, -1, 0]
    swapped = merged(column, {"a": "b", "b": "a"})
    assert [None if k < 0 else swapped.categories[k] for k in swapped.codes] == [
        "a", None, "b", "c", "b",
    ]  # fmt: skip
    both = crossed([column, pd.Categorical(["1", "1", None, "2", "2"])])
    assert both.tolist()[0] == "b & 1"
    assert both.codes.tolist() == [0, -1, -1, 1, 2]
    paths = pd.Categorical(["o/nurse/1.png", "nurse.png"])
    assert matched(paths, pattern(r".*/(.+)/[^/]+", name="--p"), 1).codes.tolist() == [0, -1]
    for text in ("(", "nurse", "*"):
        with pytest.raises(InputError, match="--p"):
            pattern(text, name="--p")
    assert likely(["image", "x.gender", "dominant_gender", "age"], "group") == [
        "dominant_gender", "age", "x.gender",
    ]  # fmt: skip
