"""The reader of tables: labels as written, numbers strict, sizes bounded, places named."""

from __future__ import annotations

import gzip
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bbb_core.errors import InputError
from bbb_core.io import columns, delimited, parquet
from bbb_core.io.columns import NOTATIONS, Notation, Unreadable
from bbb_core.io.sources import open_table, read_table


@pytest.fixture
def file(tmp_path):
    def write(text, name="t.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
        return path

    return write


def labels(column):
    return [None if code < 0 else column.categories[code] for code in column.codes]


def test_only_an_empty_cell_is_missing(file):
    path = file('g,x\nNA,1\nNone,\n,2\n" ",3\nnan,-4e2\n null ,True\n')
    table = read_table(path, labels=["g"], numbers=["x"])
    assert labels(table.labels["g"]) == ["NA", "None", None, None, "nan", "null"]
    np.testing.assert_array_equal(table.numbers["x"], [1, np.nan, 2, 3, -400, 1])
    assert table.missing == {"g": 2, "x": 1}
    assert table.place(4).endswith("t.csv, line 6")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_separators_line_ends_and_encodings(file, separator, end, encoding):
    rows = [["g", "x"], ["zoë", "1"], ["'a, b'; c".replace("'", '"'), "2"], ["", ""], ["é", "3"]]
    text = end.join(separator.join(row) for row in rows).replace('"a, b"; c', '"a, b; c"') + end
    table = read_table(file(text, encoding=encoding), labels=["g"], numbers=["x"])
    assert labels(table.labels["g"]) == ["zoë", "a, b; c", "é"]
    assert table.places[-1] == 5


def test_gzip_and_parquet_give_the_same_table(file, tmp_path):
    text = "g,x,other\na,1,z\n,2,z\nNA,,z\n"
    frame = pd.DataFrame({"g": ["a", None, "NA"], "x": [1, 2, None], "other": "z"})
    frame.to_parquet(tmp_path / "t.parquet")
    paths = (file(text), file(gzip.compress(text.encode()), "t.csv.gz"), tmp_path / "t.parquet")
    tables = [read_table(path, labels=["g"], numbers=["x"]) for path in paths]
    for table in tables:
        assert labels(table.labels["g"]) == ["a", None, "NA"]
        np.testing.assert_array_equal(table.numbers["x"], [1, 2, np.nan])
        assert len(table) == 3


TYPES = {
    "string": pa.string(), "large": pa.large_string(), "view": pa.string_view(),
    "dictionary": pa.dictionary(pa.int8(), pa.string()), "bool": pa.bool_(), "int": pa.int64(),
    "uint8": pa.uint8(), "float": pa.float64(), "half": pa.float16(),
    "codes": pa.dictionary(pa.int8(), pa.int64()),
}  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
def test_parquet_columns_of_every_type(tmp_path, kind):
    text = kind in ("string", "large", "view", "dictionary")
    values = {"bool": [True, None, False]}.get(kind, ["1", None, "0"] if text else [1, None, 0])
    if kind in ("dictionary", "codes"):
        array = pa.array(values, TYPES[kind].value_type).dictionary_encode().cast(TYPES[kind])
    elif kind == "half":
        array = pa.array([np.float16(1), None, np.float16(0)], pa.float16())
    else:
        array = pa.array(values, TYPES[kind])
    pq.write_table(pa.table({"g": array}), tmp_path / "t.parquet", row_group_size=2)
    found = read_table(tmp_path / "t.parquet", labels=["g"], numbers=["g"])
    names = {"bool": ["True", None, "False"], "float": ["1.0", None, "0.0"]}
    names["half"] = names["float"]
    assert labels(found.labels["g"]) == names.get(kind, ["1", None, "0"])
    np.testing.assert_array_equal(found.numbers["g"], [1, np.nan, 0])


@pytest.mark.parametrize(
    "array",
    [
        pa.array([["a"], ["b"]]),
        pa.array([{"x": 1}, None]),
        pa.array([b"a", b"b"]),
        pa.array([1, 2], pa.timestamp("s")),
    ],
    ids=lambda array: str(array.type),
)
def test_columns_of_no_labels_get_one_line(tmp_path, array):
    pq.write_table(pa.table({"g": array}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"column 'g' holds .*; pass text, numbers"):
        read_table(tmp_path / "t.parquet", labels=["g"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n \n,\n", "is empty"),
        ("a,b\n1,2\n", "no column 'g'; it has 'a', 'b'"),
        ("G,x\na,1\n", r"no column 'g' \(did you mean 'G'\?\)"),
        ("g,x,g\na,1,b\n", "two columns 'g'"),
        ("g, g ,x\na,b,1\n", "two columns 'g'"),
        ("g,x\na\n", "line 2: 1 cells, but the header has 2"),
        ("g,x\n\n\na,1\nb,1,2\n", "line 5: 3 cells"),
        ('g,x\n"a,1\n', "no valid CSV"),
        ('g,x\n"a"b,1\n', "line 2: no valid CSV"),
        ("g,x\n" + "a" * 200_000 + ",1\n", "no valid CSV"),
        ("g,x\na,one\n", "line 2, column 'x': 'one' is no number; write numbers like"),
        ("g,x\na,1\nb,NA\n", "line 3, column 'x': 'NA' is no number; leave the cell empty"),
        ("g,x\na,1e308\n", "larger than 1e\\+100"),
        ("g,x\na," + "9" * 5000 + "\n", "larger than"),
    ],
)
def test_bad_text_tables_are_named(file, text, message):
    with pytest.raises(InputError, match=message):
        read_table(file(text), labels=["g"], numbers=["x"])


def test_bad_values_in_parquet_are_named(tmp_path):
    frame = pd.DataFrame({"x": [1.0, 2.0, np.inf], "n": [1, 2, -3], "t": ["1", "2", "three"]})
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=1)
    for options, message in (
        ({"numbers": ["x"]}, "row 3, column 'x': inf is no finite number"),
        ({"counts": ["n"]}, "row 3, column 'n': -3 is no whole number"),
        ({"numbers": ["t"]}, "row 3, column 't': 'three' is no number"),
    ):
        with pytest.raises(InputError, match=message):
            read_table(tmp_path / "t.parquet", **options)
    for data in (b"", b"PAR1", (tmp_path / "t.parquet").read_bytes()[:-20]):
        (tmp_path / "bad.parquet").write_bytes(data)
        with pytest.raises(InputError, match="cannot be read as parquet"):
            read_table(tmp_path / "bad.parquet", numbers=["x"])


def test_only_named_columns_are_read(tmp_path):
    """A list column of 4e7 values in a kilobyte costs nothing unless it is asked for."""
    many = pa.array(np.zeros(10_000_000, np.float32))
    lists = pa.ListArray.from_arrays(pa.array([0, len(many)], pa.int32()), many)
    pq.write_table(pa.table({"g": ["a"], "v": lists}), tmp_path / "t.parquet")
    before = pa.total_allocated_bytes()
    assert labels(read_table(tmp_path / "t.parquet", labels=["g"]).labels["g"]) == ["a"]
    with pytest.raises(InputError, match="holds list"):
        read_table(tmp_path / "t.parquet", labels=["v"])
    assert pa.total_allocated_bytes() <= before + 1e6


def test_equal_values_take_their_memory_once(tmp_path):
    """A long label repeated a million times: 1 GB as text, 4 MB as codes."""
    codes = pa.array(np.zeros(1_000_000, np.int32))
    column = pa.DictionaryArray.from_arrays(codes, pa.array(["x" * 1000]))
    pq.write_table(pa.table({"g": column}), tmp_path / "t.parquet", store_schema=False)
    pool = pa.default_memory_pool()
    before, tracked = pool.max_memory(), pool.bytes_allocated()
    table = read_table(tmp_path / "t.parquet", labels=["g"])
    assert len(table) == 1_000_000
    assert pool.max_memory() <= max(before, tracked + 100e6)


def test_cells_and_bytes_are_bounded(tmp_path, file, monkeypatch):
    frame = pd.DataFrame({"g": ["a"] * 1001, "x": 1.0})
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    monkeypatch.setattr(columns, "MOST_CELLS", 2000)
    for name in ("t.parquet", "t.csv"):
        assert len(read_table(tmp_path / name, labels=["g"])) == 1001
        with pytest.raises(InputError, match="more than 2000 cells in 2 columns"):
            read_table(tmp_path / name, labels=["g"], numbers=["x"])
    monkeypatch.setattr(parquet, "MOST_UNPACKED", 10)
    with pytest.raises(InputError, match="unpacks to"):
        read_table(tmp_path / "t.parquet", labels=["g"])
    monkeypatch.setattr(delimited, "MOST_BYTES", 100)
    with pytest.raises(InputError, match="more than 100 bytes"):
        read_table(tmp_path / "t.csv", labels=["g"])
    packed = file(gzip.compress((tmp_path / "t.csv").read_bytes()), "t.csv.gz")
    assert packed.stat().st_size < 100
    with pytest.raises(InputError, match="more than 100 bytes"):
        read_table(packed, labels=["g"])
    monkeypatch.setattr(columns, "MOST_TEXT", 5)
    with pytest.raises(InputError, match="characters of labels"):
        read_table(file("g\nabc\nabcd\n"), labels=["g"])


def test_a_packed_table_streams(file):
    """40 MB of text in 50 kB of gzip: memory for the cells that are read, not for the text."""
    row = b"a,0.5," + b"z" * 20_000 + b"\n"
    path = file(gzip.compress(b"g,x,y\n" + row * 2000), "t.csv.gz")
    tracemalloc.start()
    table = read_table(path, labels=["g"], numbers=["x"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(table) == 2000
    assert peak < 4e6


def test_the_header_decides_the_separator(file):
    path = file("prompt;a, b;c, d\nnurse;1;2\n")
    assert open_table(path, needs=["prompt"]).columns == ("prompt", "a, b", "c, d")
    assert open_table(path, separator="comma").columns == ("prompt;a", "b;c", "d")
    with pytest.raises(InputError, match="separator is"):
        open_table(path, separator=";")


def test_names_are_compared_as_people_read_them(file):
    path = file(" g ,cafe\u0301\nzoe\u0308,1\nzoë,2\nZoë,3\n")
    table = read_table(path, labels=["g"], numbers=["café"])
    assert labels(table.labels["g"]) == ["zoë", "zoë", "Zoë"]
    assert table.notes == ["g: 'zoë' and 'Zoë' are written differently, so they are two labels"]
    with pytest.raises(InputError, match="line 3: g 'zoë' stands twice"):
        table.keys("g")
    with pytest.raises(InputError, match="line 3: g is empty"):
        read_table(file("g,x\na,1\n,2\n"), labels=["g"]).keys("g")


VALUES = {
    "1234.5": {"1234.5": 1234.5, "-.5": -0.5, "1e3": 1000.0, "+2.": 2.0, "1.200": 1.2},
    "1,234.5": {"1,234.5": 1234.5, "1234": 1234.0, "1,234,567": 1234567.0, "0.5": 0.5},
    "1.234,5": {"1.234,5": 1234.5, "0,5": 0.5, "1.200": 1200.0},
    "1234,5": {"1234,5": 1234.5, "1e-2": 0.01},
    "1 234,5": {"1 234,5": 1234.5, "1\u202f234\u00a0567": 1234567.0},
}
REFUSED = {
    "1234.5": ["1,200", "1_000", "0x1", "inf", "nan", "١٢", "1.2.3", "--1", "1e", "½"],
    "1,234.5": ["1,20", "12,34", "1,2345", ",123", "0,123", "1,234.5,6"],
    "1.234,5": ["1.20", "1.234.5"],
    "1234,5": ["1.5", "1.234,5"],
    "1 234,5": ["1 23", "1  234"],
}


@pytest.mark.parametrize("name", NOTATIONS)
def test_notations(name):
    notation = Notation(name)
    for text, value in VALUES[name].items():
        assert notation.number(text) == value
    for text in REFUSED[name]:
        with pytest.raises(Unreadable, match="no number"):
            notation.number(text)


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("1234.5", "12", 12), ("1234.5", "3.0", 3), ("1,234.5", "1,200", 1200),
        ("1.234,5", "1.200", 1200), ("1.234,5", "3,0", 3), ("1234.5", "1.200", None),
        ("1234.5", "1.5", None), ("1234.5", "-1", None), ("1234.5", "1e3", None),
        ("1234.5", "True", None), ("1234.5", "", None), ("1234.5", "9" * 13, None),
        ("1234.5", "٣", None),
    ],
)  # fmt: skip
def test_counts_are_whole(name, text, count):
    if count is not None:
        assert Notation(name).count(text) == count
        return
    with pytest.raises(Unreadable, match="no whole number"):
        Notation(name).count(text)


@pytest.mark.parametrize(("cell", "how"), [("", "is empty"), ("a", "'a' stands twice")])
def test_keys_stand_once(file, cell, how):
    table = read_table(file(f"g,x\na,1\nb,2\n{cell},3\n"), labels=["g"])
    with pytest.raises(InputError, match=f"line 4: g {how}; mend that row"):
        table.keys("g")
