"""Tables of embeddings: three formats agree, and hostile files are refused."""

from __future__ import annotations

import io
import json
import os
import tracemalloc
import warnings
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from bbb_core.embedding import load_encoder
from bbb_core.embedding.table_rows import MAX_VALUES
from bbb_core.errors import InputError

TEXTS = ["a", "b", "c"]
ROWS = np.array([[3.0, 4.0], [1.0, 0.0], [0.0, -2.0]], dtype=np.float32)


def write(folder, kind, texts=TEXTS, rows=ROWS):
    path = folder / f"t.{kind}"
    if kind == "npz":
        np.savez(path, texts=np.array(texts), embeddings=rows)
    elif kind == "safetensors":
        tensors = {"embeddings": torch.tensor(rows).contiguous()}
        save_file(tensors, path, metadata={"texts": json.dumps(texts)})
    else:
        pq.write_table(pa.table({"text": texts, "embedding": [list(r) for r in rows]}), path)
    return path


KINDS = ["npz", "safetensors", "parquet"]


@pytest.mark.parametrize("kind", KINDS)
def test_formats_agree(tmp_path, kind):
    encoder = load_encoder(f"table:{write(tmp_path, kind)}")
    assert encoder.dim == 2
    assert encoder.encode_text(["c", "a"]).tolist() == [[0.0, -1.0], pytest.approx([0.6, 0.8])]
    with pytest.raises(InputError, match=r"no row for 'x', 'y', 'z' and 1 more"):
        encoder.encode_text(["a", "x", "y", "z", "w"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([np.nan, 0.0], "row 1 .* no finite number"),
        ([np.inf, 0.0], "row 1 .* no finite number"),
        ([0.0, 0.0], "row 1 .* norm zero"),
    ],
)
def test_bad_rows_are_named(tmp_path, kind, row, message):
    rows = ROWS.copy()
    rows[1] = row
    with pytest.raises(InputError, match=message):
        load_encoder(f"table:{write(tmp_path, kind, rows=rows)}")


@pytest.mark.parametrize("kind", KINDS)
def test_duplicates_are_named(tmp_path, kind):
    with pytest.raises(InputError, match=r"row 2 .* repeats row 0"):
        load_encoder(f"table:{write(tmp_path, kind, texts=['a', 'b', 'a'])}")


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_shapes_are_checked(tmp_path, kind):
    with pytest.raises(InputError, match="2 texts but 3 rows"):
        load_encoder(f"table:{write(tmp_path, kind, texts=['a', 'b'])}")
    with pytest.raises(InputError, match="shape"):
        load_encoder(f"table:{write(tmp_path, kind, rows=ROWS[:, 0])}")
    with pytest.raises(InputError, match="floating"):
        load_encoder(f"table:{write(tmp_path, kind, rows=ROWS.astype(np.int64))}")


def test_a_text_that_stands_twice_with_one_embedding_is_read(tmp_path):
    rows = np.array([[3.0, 4.0], [1.0, 0.0], [6.0, 8.0]])
    table = load_encoder(f"table:{write(tmp_path, 'npz', texts=['a', 'b', 'a'], rows=rows)}")
    assert table.encode_text(["a"]).tolist() == [pytest.approx([0.6, 0.8])]


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('ran')",))


def test_pickled_npz_is_refused_unread(tmp_path):
    for texts, rows in [
        (np.array(TEXTS, dtype=object), ROWS),
        (np.array(TEXTS), np.array([Bomb()] * 3, dtype=object)),
    ]:
        np.savez(tmp_path / "p.npz", texts=texts, embeddings=rows)
        with pytest.raises(InputError, match="pickled"):
            load_encoder(f"table:{tmp_path / 'p.npz'}")


def test_ragged_parquet_names_the_row(tmp_path):
    lists = [[1.0, 0.0], [1.0], [0.0, 1.0]]
    pq.write_table(pa.table({"text": TEXTS, "embedding": lists}), tmp_path / "r.parquet")
    with pytest.raises(InputError, match="row 1 has 1 values but rows before have 2"):
        load_encoder(f"table:{tmp_path / 'r.parquet'}")


def test_a_header_that_announces_too_much_is_refused_before_reading(tmp_path):
    path = write(tmp_path, "npz")
    with zipfile.ZipFile(tmp_path / "huge.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with zipfile.ZipFile(path) as good:
            archive.writestr("texts.npy", good.read("texts.npy"))
        with archive.open("embeddings.npy", "w") as stream:
            shape = (MAX_VALUES, 4)
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
    with pytest.raises(InputError, match="more than"):
        load_encoder(f"table:{tmp_path / 'huge.npz'}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [b"", b"garbage" * 50, b"\xff" * 64])
def test_garbage_is_refused(tmp_path, kind, content):
    path = tmp_path / f"g.{kind}"
    path.write_bytes(content)
    with pytest.raises(InputError, match="table"):
        load_encoder(f"table:{path}")


@pytest.mark.parametrize("kind", KINDS)
def test_truncated_files_are_refused(tmp_path, kind):
    path = write(tmp_path, kind)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="table"):
        load_encoder(f"table:{path}")


def test_missing_parts_are_named(tmp_path):
    save_file({"other": torch.ones(1, 2)}, tmp_path / "o.safetensors")
    with pytest.raises(InputError, match="no tensor 'embeddings'"):
        load_encoder(f"table:{tmp_path / 'o.safetensors'}")
    save_file({"embeddings": torch.ones(1, 2)}, tmp_path / "n.safetensors")
    with pytest.raises(InputError, match="texts must be a list"):
        load_encoder(f"table:{tmp_path / 'n.safetensors'}")
    np.savez(tmp_path / "o.npz", embeddings=ROWS)
    with pytest.raises(InputError, match="must hold the arrays"):
        load_encoder(f"table:{tmp_path / 'o.npz'}")
    pq.write_table(pa.table({"text": TEXTS}), tmp_path / "o.parquet")
    with pytest.raises(InputError, match="columns"):
        load_encoder(f"table:{tmp_path / 'o.parquet'}")
    with pytest.raises(InputError, match="No such file"):
        load_encoder(f"table:{tmp_path / 'none.npz'}")
    with pytest.raises(InputError, match="end in"):
        load_encoder("table:rows.csv")


LISTS = [[3.0, 4.0], [1.0, 0.0], [0.0, -2.0]]
TEXT_TYPES = {
    "string": pa.string(),
    "large": pa.large_string(),
    "view": pa.string_view(),
    "dictionary": pa.dictionary(pa.int8(), pa.string()),
    "large dictionary": pa.dictionary(pa.uint32(), pa.large_string()),
}
ROW_TYPES = {
    "half": pa.list_(pa.float16()),
    "single": pa.list_(pa.float32()),
    "double": pa.large_list(pa.float64()),
    "fixed": pa.list_(pa.float32(), 2),
    "fixed half": pa.list_(pa.float16(), 2),
}


@pytest.mark.parametrize("text", TEXT_TYPES)
@pytest.mark.parametrize("row", ROW_TYPES)
def test_parquet_in_the_shapes_that_pandas_and_polars_write(tmp_path, text, row):
    columns = {
        "text": pa.array(TEXTS, TEXT_TYPES[text]),
        "embedding": pa.array(LISTS, ROW_TYPES[row]),
        "__index_level_0__": pa.array([7, 8, 9]),
        "comment": pa.array(["x", None, "y"]),
    }
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=2)
    rows = load_encoder(f"table:{path}").encode_text(["c", "a"])
    assert torch.allclose(rows, torch.tensor([[0.0, -1.0], [0.6, 0.8]]))


def test_parquet_that_pandas_wrote(tmp_path):
    frame = pd.DataFrame({"text": TEXTS, "embedding": list(ROWS)}, index=["x", "y", "z"])
    frame.to_parquet(tmp_path / "t.parquet")
    rows = load_encoder(f"table:{tmp_path / 't.parquet'}").encode_text(["a"])
    assert rows.tolist() == [pytest.approx([0.6, 0.8])]


@pytest.mark.parametrize("names", [["0", "1"], ["dim_2", "dim_1"], ["e01", "e00"]])
def test_one_column_per_dimension(tmp_path, names):
    columns = dict(zip(names, ROWS.T, strict=True)) | {"text": TEXTS}
    columns["__index_level_0__"] = [5, 6, 7]
    pq.write_table(pa.table(columns), tmp_path / "w.parquet")
    ordered = ROWS if names[0] == "0" else ROWS[:, ::-1]
    rows = load_encoder(f"table:{tmp_path / 'w.parquet'}").encode_text(TEXTS).numpy()
    assert np.allclose(rows, ordered / np.linalg.norm(ordered, axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"0": [1.0], "1": [1.0], "score": [1.0]}, "numbered"),
        ({"0": [1.0], "2": [1.0]}, "numbered"),
        ({"a0": [1.0], "b1": [1.0]}, "numbered"),
        ({"0": [1.0], "00": [1.0]}, "numbered"),
        ({"0": [1], "1": [1]}, "numbered"),
        ({"embedding": [1.0]}, "lists of floats"),
        ({"embedding": [[1]]}, "lists of floats"),
        ({"embedding": [["x"]]}, "lists of floats"),
        ({"embedding": [[[1.0]]]}, "lists of floats"),
        ({"embedding": [[1.0, None]]}, "row 0 .* no finite number"),
        ({"embedding": pa.array([None], pa.list_(pa.float32()))}, "row 0 has no embedding"),
        ({"embedding": pa.array([None], pa.list_(pa.float32(), 2))}, "row 0 has no embedding"),
    ],
)
def test_parquet_that_says_too_little_is_refused(tmp_path, columns, message):
    pq.write_table(pa.table({"text": ["a"]} | columns), tmp_path / "b.parquet")
    with pytest.raises(InputError, match=message):
        load_encoder(f"table:{tmp_path / 'b.parquet'}")


def test_a_column_that_stands_twice(tmp_path):
    double = pa.table([pa.array(TEXTS), pa.array(TEXTS), pa.array(LISTS)],
                      names=["text", "text", "embedding"])  # fmt: skip
    pq.write_table(double, tmp_path / "d.parquet")
    with pytest.raises(InputError, match="'text' twice"):
        load_encoder(f"table:{tmp_path / 'd.parquet'}")


def test_a_missing_text_is_named(tmp_path):
    for kind in TEXT_TYPES.values():
        texts = pa.array(["a", None, "c"], kind)
        pq.write_table(pa.table({"text": texts, "embedding": LISTS}), tmp_path / "m.parquet")
        with pytest.raises(InputError, match="row 1 has no text"):
            load_encoder(f"table:{tmp_path / 'm.parquet'}")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_with_names(tmp_path, dtype, order):
    np.save(tmp_path / "rows.npy", np.array(ROWS, dtype=dtype, order=order))
    (tmp_path / "rows.txt").write_bytes("a\r\nb \r\nc\r\n".encode("utf-8-sig"))
    (tmp_path / "other.names").write_text("x\ny\nz")
    beside = load_encoder(f"table:{tmp_path / 'rows.npy'}")
    assert beside.texts == ("a", "b", "c")
    named = load_encoder(f"table:{tmp_path / 'rows.npy'}:{tmp_path / 'other.names'}")
    assert torch.equal(named.encode_text(["z", "x"]), beside.encode_text(["c", "a"]))
    assert named.fingerprint != beside.fingerprint
    (tmp_path / "rows.txt").write_text("a\nb\n")
    with pytest.raises(InputError, match="2 texts but 3 rows"):
        load_encoder(f"table:{tmp_path / 'rows.npy'}")
    (tmp_path / "rows.txt").unlink()
    with pytest.raises(InputError, match=r"rows\.txt cannot be read"):
        load_encoder(f"table:{tmp_path / 'rows.npy'}")


def test_safetensors_in_bfloat16(tmp_path):
    tensors = {"embeddings": torch.tensor(ROWS, dtype=torch.bfloat16)}
    save_file(tensors, tmp_path / "b.safetensors", metadata={"texts": json.dumps(TEXTS)})
    rows = load_encoder(f"table:{tmp_path / 'b.safetensors'}").encode_text(TEXTS)
    assert torch.allclose(rows[0], torch.tensor([0.6, 0.8]))


def test_bfloat16_has_no_name_in_numpy_files(tmp_path):
    np.savez(tmp_path / "v.npz", texts=np.array(TEXTS), embeddings=np.zeros((3, 2), "V2"))
    with pytest.raises(InputError, match="bfloat16 has no name"):
        load_encoder(f"table:{tmp_path / 'v.npz'}")


@pytest.mark.parametrize("size", [1e-300, 1e-40, 1e40, 1e300])
def test_rows_of_any_length_have_a_direction(tmp_path, size):
    rows = ROWS.astype(np.float64) * size
    np.savez(tmp_path / "l.npz", texts=np.array(TEXTS), embeddings=rows)
    found = load_encoder(f"table:{tmp_path / 'l.npz'}").encode_text(TEXTS)
    assert torch.allclose(found, torch.tensor([[0.6, 0.8], [1.0, 0.0], [0.0, -1.0]]))


def test_a_member_that_shadows_another_is_refused_unread(tmp_path):
    good = write(tmp_path, "npz")
    huge = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (2**40, 2)}
    np.lib.format.write_array_header_1_0(huge, header)
    for shadow in ("embeddings", "embeddings.npy", "texts"):
        path = tmp_path / "shadow.npz"
        path.write_bytes(good.read_bytes())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # zipfile sees the second name
            with zipfile.ZipFile(path, "a") as archive:
                archive.writestr(shadow, huge.getvalue())
        with pytest.raises(InputError, match="once"):
            load_encoder(f"table:{path}")


@pytest.mark.parametrize("ending", ["npz", "npy", "parquet", "safetensors"])
def test_only_regular_files_are_read(tmp_path, ending):
    path = tmp_path / f"t.{ending}"
    for make, message in [
        (lambda: path.symlink_to("/dev/zero"), "device"),
        (lambda: os.mkfifo(path), "pipe"),
        (lambda: path.mkdir(), "directory|folder|holds 0 files"),
    ]:
        make()
        with pytest.raises(InputError, match=message):
            load_encoder(f"table:{path}")
        path.rmdir() if path.is_dir() else path.unlink()


def test_sizes_are_bounded_before_anything_is_made(tmp_path, monkeypatch):
    """A kilobyte of parquet announces more numbers, or more text, than may be read."""
    n = 100_000
    repeated = pa.array([1.0] * n).dictionary_encode()
    offsets = pa.array(np.arange(0, n + 1, 2, dtype=np.int32))
    lists = pa.ListArray.from_arrays(offsets, repeated.dictionary_decode())
    pq.write_table(pa.table({"text": ["x"] * (n // 2), "embedding": lists}), tmp_path / "n.parquet")
    assert (tmp_path / "n.parquet").stat().st_size < 20_000
    monkeypatch.setattr("bbb_core.embedding.table_rows.MAX_VALUES", n - 1)
    with pytest.raises(InputError, match="more than 99999 numbers"):
        load_encoder(f"table:{tmp_path / 'n.parquet'}")
    monkeypatch.setattr("bbb_core.embedding.table_rows.MAX_TEXT", 1000)
    texts = {"text": ["long " * 300, "b"], "embedding": LISTS[:2]}
    pq.write_table(pa.table(texts), tmp_path / "t.parquet")
    np.savez(tmp_path / "t.npz", texts=np.array(texts["text"]), embeddings=ROWS[:2])
    for kind in ("parquet", "npz"):
        with pytest.raises(InputError, match="more than 1000 characters"):
            load_encoder(f"table:{tmp_path / f't.{kind}'}")


def test_one_text_in_every_row_takes_its_memory_once(tmp_path):
    """20,000 rows of one text of 100 kB are 2 GB when each is a string of its own."""
    column = pa.DictionaryArray.from_arrays(np.zeros(20_000, np.int32), ["x" * 100_000])
    rows = np.ones(20_000, np.float32)
    pq.write_table(
        pa.table({"text": column, "0": rows, "1": np.arange(20_000.0)}), tmp_path / "r.parquet"
    )
    tracemalloc.start()
    with pytest.raises(InputError, match=r"row 1 .* repeats row 0"):
        load_encoder(f"table:{tmp_path / 'r.parquet'}")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000_000


def clip_retrieval(folder, rows, captions):
    """Write a folder as clip-retrieval does, in half precision and in two parts."""
    for name in ("text_emb", "metadata"):
        (folder / name).mkdir()
    for part, (start, stop) in enumerate(((0, 2), (2, len(rows)))):
        np.save(folder / "text_emb" / f"text_emb_{part}.npy", rows[start:stop].astype(np.float16))
        pd.DataFrame({"image_path": "x", "caption": captions[start:stop]}).to_parquet(
            folder / "metadata" / f"metadata_{part}.parquet"
        )


def test_a_folder_of_clip_retrieval(tmp_path):
    clip_retrieval(tmp_path, ROWS, TEXTS)
    found = load_encoder(f"table:{tmp_path}")
    half = np.asarray(ROWS, np.float16).astype(np.float64)
    wanted = half / np.linalg.norm(half, axis=1, keepdims=True)
    np.testing.assert_allclose(found.encode_text(TEXTS), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda at: (at / "metadata" / "metadata_1.parquet").unlink(), "2 files text_emb"),
        (lambda at: np.save(at / "text_emb" / "text_emb_1.npy", np.ones((5, 2))), "has 5;"),
        (
            lambda folder: np.save(folder / "text_emb" / "text_emb_1.npy", np.ones((1, 7))),
            "7 values",
        ),
    ],
)
def test_odd_folders_are_refused(tmp_path, spoil, message):
    clip_retrieval(tmp_path, ROWS, TEXTS)
    spoil(tmp_path)
    with pytest.raises(InputError, match=message):
        load_encoder(f"table:{tmp_path}")
    with pytest.raises(InputError, match="0 files text_emb"):
        load_encoder(f"table:{tmp_path / 'metadata'}")
