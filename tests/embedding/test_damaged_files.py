"""Fuzz targets of this room's readers: whatever a file holds, it is a value or one line."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
import zipfile
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from bbb_core.cli.nouns import nouns_of_file
from bbb_core.embedding.cache import EmbeddingCache
from bbb_core.embedding.clip_folder import read_folder
from bbb_core.embedding.table import load_table
from bbb_core.errors import InputError

bounded = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")

TEXTS, ROWS = ["a", "b", "\u00e9"], np.array([[3.0, 4.0], [1.0, 0.0], [0.0, -2.0]], np.float32)


def _npz() -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, texts=np.array(TEXTS), embeddings=ROWS)
    return stream.getvalue()


def _npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, ROWS)
    return stream.getvalue()


def _parquet() -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table({"text": TEXTS, "embedding": ROWS.tolist()}), stream)
    return stream.getvalue()


def _safetensors() -> bytes:
    return save({"embeddings": torch.tensor(ROWS)}, metadata={"texts": json.dumps(TEXTS)})


GOOD = {"npz": _npz(), "npy": _npy(), "parquet": _parquet(), "safetensors": _safetensors()}
CONFIG = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8},
        "text_cfg": {"context_length": 16, "width": 32, "heads": 2, "layers": 2},
    },
    "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3},
}


@st.composite
def damaged(draw, content: bytes):
    """Change, cut, repeat or move some bytes of a good file."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["set", "cut", "insert", "end"]))
        size = draw(st.integers(1, 16))
        if kind == "set":
            data[at : at + size] = draw(st.binary(min_size=size, max_size=size))
        elif kind == "cut":
            del data[at : at + size]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=size, max_size=size))
        else:
            del data[at:]
    return bytes(data)


def outcome(call):
    """Return what a reader made of a file, None for an `InputError`; all else fails the test."""
    with contextlib.suppress(InputError):
        return call()
    return None


def is_a_table(found):
    if found is not None:
        rows = found.encode_text(list(found.texts))
        assert torch.isfinite(rows).all()
        assert torch.allclose(rows.norm(dim=1), torch.ones(len(rows)), atol=1e-5)


@pytest.mark.parametrize("kind", GOOD)
@bounded
@given(data=st.data())
def test_damaged_tables(tmp_path, kind, data):
    (tmp_path / "t.txt").write_text("\n".join(TEXTS))
    path = tmp_path / f"t.{kind}"
    path.write_bytes(data.draw(damaged(GOOD[kind])))
    is_a_table(outcome(lambda: load_table(path)))


@bounded
@given(
    header=st.fixed_dictionaries(
        {
            "descr": st.sampled_from(["<f4", "<f8", "|O", "<U9", "|V2", "<f2", "|S4", "<i4", "x"]),
            "fortran_order": st.booleans(),
            "shape": st.lists(st.integers(-3, 2**62), max_size=3).map(tuple),
        }
    ),
    name=st.sampled_from(["embeddings", "embeddings.npy", "texts", "texts.npy", "other.npy"]),
)
def test_npz_headers_of_any_shape(tmp_path, header, name):
    path = tmp_path / "h.npz"
    member = b"\x93NUMPY\x01\x00" + len(repr(header)).to_bytes(2, "little") + repr(header).encode()
    with zipfile.ZipFile(path, "w") as archive:
        with zipfile.ZipFile(io.BytesIO(GOOD["npz"])) as good:
            for one in good.namelist():
                if one != name:
                    archive.writestr(one, good.read(one))
        archive.writestr(name, member + b"\0" * 24)
    is_a_table(outcome(lambda: load_table(path)))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=True)
    | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@bounded
@given(
    place=st.sampled_from(["", "model_cfg", "preprocess_cfg", "vision_cfg", "text_cfg"]),
    key=st.sampled_from(
        ["model_cfg", "vision_cfg", "text_cfg", "layers", "width", "mean", "size", "act_kwargs",
         "tokenizer_kwargs", "context_length", "hf_model_name", "trust_remote_code", "clean"]
    ),
    value=json_values,
)  # fmt: skip
def test_configurations_of_any_kind(tmp_path, monkeypatch, place, key, value):
    said = json.loads(json.dumps(CONFIG))
    within = {"": said, **said, **said["model_cfg"]}[place]
    within[key] = value
    (tmp_path / "open_clip_config.json").write_text(json.dumps(said))
    monkeypatch.setattr("open_clip.SimpleTokenizer", SimpleNamespace)  # it takes a while
    found = outcome(lambda: read_folder(tmp_path))
    if found is not None:
        assert "hf_model_name" not in found.network["text_cfg"]
        assert "trust_remote_code" not in str(found.network)


@bounded
@given(content=st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode()))
def test_lists_of_nouns(tmp_path, content):
    path = tmp_path / "nouns.txt"
    path.write_bytes(content)
    nouns = outcome(lambda: nouns_of_file(path))
    if nouns is not None:
        assert len({noun.casefold() for noun in nouns}) == len(nouns) > 0
        assert all(noun == noun.strip() and "\ufeff" not in noun[:1] for noun in nouns)


@settings(parent=bounded, max_examples=30)
@given(data=st.data())
def test_damaged_caches(tmp_path, data):
    path = tmp_path / "cache.sqlite"
    for file in tmp_path.iterdir():
        file.unlink()
    rows = {f"text {i}": np.eye(4, dtype=np.float32)[i % 4] for i in range(60)}
    EmbeddingCache("e", 4, path=path).put(rows)
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    cache = EmbeddingCache("e", 4, path=path)
    for text, row in cache.get(list(rows)).items():
        assert np.array_equal(row, rows[text])  # what is read is what was written
    cache.put(rows)
    sqlite3.connect(path).close()
