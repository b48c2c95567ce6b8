"""Whatever bytes a file holds, a reader returns or raises one `InputError`: fuzzing, derandomised.

Arbitrary bytes, and whole files with bytes changed, cut out or repeated.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbb_core.balance.count_files import read_confusion, read_counts
from bbb_core.errors import InputError
from bbb_core.io.files import read_text
from bbb_core.io.sources import open_table, read_table

FUZZ = settings(max_examples=120, derandomize=True, deadline=None, database=None)

CSV = 'prompt,group,score\nnurse,NA,0.5\n"a, b",wöman,1e-3\n,None,\n'.encode()
COUNTS = b"prompt,man,woman\nnurse,3,5\njudge,1,0\n"
CONFUSION = b"true,man,woman\nman,9,1\nwoman,0,7\n"
PUBLISHED = b"baker\nman: 30, woman: 10, except: 0\ncook\nman: 20, woman: 20, except: 1\n"


def whole_parquet(compression):
    frame = pd.DataFrame(
        {
            "prompt": ["nurse", None, "judge"] * 20,
            "group": pd.Categorical(["NA", "a", None] * 20),
            "score": np.arange(60) / 7,
        }
    )
    buffer = io.BytesIO()
    frame.to_parquet(buffer, compression=compression, row_group_size=25)
    return buffer.getvalue()


@st.composite
def mutated(draw, *wholes):
    """Draw a whole file with up to four pieces changed, cut out or repeated; or any bytes."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    data = bytearray(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, max(len(data) - 1, 0)))
        length = draw(st.integers(0, 8))
        how = draw(st.sampled_from(["change", "cut", "repeat", "end"]))
        piece = bytes(data[start : start + length])
        if how == "change":
            data[start : start + length] = draw(st.binary(min_size=length, max_size=length))
        elif how == "cut":
            del data[start : start + length]
        elif how == "repeat":
            data[start:start] = piece * draw(st.integers(1, 50))
        else:
            del data[len(data) - length :]
    return bytes(data)


def attempt(reader, data, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"f{suffix}"
        path.write_bytes(data)
        with contextlib.suppress(InputError):
            return reader(path)
    return None


def table(path):
    return read_table(path, labels=["prompt", "group"], numbers=["score"])


def everything(path):
    file = open_table(path)
    read = file.read(labels=file.columns)
    assert all(len(column) == len(read) for column in read.labels.values())
    assert "".join(read.notes).isprintable()
    return read


def text(path):
    return read_text(path, name="FILE", most=10_000)


TEXTS = {
    "table": (table, ".csv", (CSV, CSV.decode().encode("utf-16"), b"\xef\xbb\xbf" + CSV)),
    "gzip": (
        table,
        ".csv.gz",
        (gzip.compress(CSV, mtime=0), gzip.compress(CSV + CSV.partition(b"\n")[2] * 50, mtime=0)),
    ),
    "everything": (everything, ".tsv", (CSV, COUNTS.replace(b",", b"\t"))),
    "text": (text, ".txt", (b"nurse\r\njudge\n", "zoë\n".encode("utf-16"))),
    "counts": (read_counts, ".csv", (COUNTS, CSV)),
    "published": (read_counts, ".txt", (PUBLISHED,)),
    "confusion": (read_confusion, ".csv", (CONFUSION,)),
}


@pytest.mark.parametrize("name", TEXTS)
@FUZZ
@given(data=st.data())
def test_text_files_end_in_a_value_or_one_line(name, data):
    reader, suffix, wholes = TEXTS[name]
    attempt(reader, data.draw(mutated(*wholes)), suffix)


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
@FUZZ
@given(data=st.data())
def test_parquet_files_end_in_a_value_or_one_line(compression, data):
    whole = whole_parquet(compression)
    attempt(table, data.draw(mutated(whole)), ".parquet")


@pytest.mark.parametrize("name", TEXTS)
def test_the_whole_files_are_read(name):
    reader, suffix, wholes = TEXTS[name]
    assert all(attempt(reader, whole, suffix) is not None for whole in wholes)
    assert attempt(table, whole_parquet("snappy"), ".parquet") is not None
