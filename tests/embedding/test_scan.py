"""The one-pass scan against a computation with everything in memory."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from bbb_core.embedding import scan
from bbb_core.errors import InputError
from bbb_core.rng import generator


def data(n=1000, d=12, p=5):
    rng = generator(0)
    prompts = torch.from_numpy(rng.normal(size=(p, d))).float()
    return rng.normal(size=(n, d)).astype(np.float32), prompts / prompts.norm(dim=1, keepdim=True)


def write(folder, rows, kind):
    path = folder / f"rows.{kind}"
    if kind == "npy":
        np.save(path, rows)
    else:
        save_file({"embeddings": torch.from_numpy(rows)}, path)
    return path


@pytest.mark.parametrize("chunk_rows", [1, 7, 64, 5000])
@pytest.mark.parametrize("kind", ["array", "tensor", "npy", "safetensors"])
def test_agrees_with_the_computation_in_memory(tmp_path, kind, chunk_rows):
    rows, prompts = data(n=130)
    source = {"array": rows, "tensor": torch.from_numpy(rows)}.get(kind)
    if source is None:
        source = write(tmp_path, rows, kind)
    found = scan(source, prompts, k=4, pairs=[(0, 1), (3, 2)], chunk_rows=chunk_rows)
    unit = rows.astype(np.float64) / np.linalg.norm(rows.astype(np.float64), axis=1)[:, None]
    cosines = unit @ prompts.numpy().astype(np.float64).T
    order = np.argsort(-cosines, axis=0)[:4].T
    assert found.n == 130
    assert np.array_equal(found.nearest_rows, order)
    assert np.allclose(found.nearest, np.take_along_axis(cosines.T, order, 1), atol=1e-6)
    assert np.allclose(found.mean, cosines.mean(0), atol=1e-7)
    assert np.allclose(found.sd, cosines.std(0, ddof=1), atol=1e-6)
    gaps = cosines[:, [0, 3]] - cosines[:, [1, 2]]
    assert np.allclose(found.gap_mean, gaps.mean(0), atol=1e-7)
    assert np.allclose(found.gap_sd, gaps.std(0, ddof=1), atol=1e-6)


@pytest.mark.parametrize("kind", ["npy", "safetensors"])
def test_half_precision(tmp_path, kind):
    rows, prompts = data(n=50)
    found = scan(write(tmp_path, rows.astype(np.float16), kind), prompts, chunk_rows=16)
    assert np.allclose(found.mean, scan(rows, prompts).mean, atol=1e-3)


def test_fewer_rows_than_asked():
    rows, prompts = data(n=3)
    assert scan(rows, prompts, k=10).nearest.shape == (5, 3)


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "row 37 is not finite"), (0.0, "row 37 is zero")]
)
def test_bad_rows_are_numbered_over_chunks(value, message):
    rows, prompts = data(n=50)
    rows[37] = value
    with pytest.raises(InputError, match=message):
        scan(rows, prompts, chunk_rows=10)


def test_hostile_and_wrong_files(tmp_path):
    rows, prompts = data(n=5)
    np.save(tmp_path / "p.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "g.npy").write_bytes(b"garbage")
    (tmp_path / "device.npy").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.safetensors")
    np.save(tmp_path / "short.npy", rows)
    with open(tmp_path / "short.npy", "r+b") as stream:
        stream.truncate(150)
    (tmp_path / "g.safetensors").write_bytes(b"garbage" * 9)
    save_file({"other": torch.ones(2, 2)}, tmp_path / "o.safetensors")
    for source, message in [
        (tmp_path / "p.npy", "plain"),
        (tmp_path / "g.npy", "plain"),
        (tmp_path / "none.npy", "No such file"),
        (tmp_path / "device.npy", "device"),
        (tmp_path / "pipe.safetensors", "pipe"),
        (tmp_path / "short.npy", "plain"),
        (tmp_path / "g.safetensors", "no safetensors"),
        (tmp_path / "o.safetensors", "no tensor"),
        (tmp_path / "x.csv", "must end"),
        (rows[:, :3], "3 columns but prompts have 12"),
        (rows[0], "matrix"),
        (rows[:0], "at least one row"),
        (np.ones((2, 12), dtype=np.int32), "floating"),
    ]:
        with pytest.raises(InputError, match=message):
            scan(source, prompts)
    for options in ({"k": 0}, {"chunk_rows": 0}, {"pairs": [(0, 9)]}):
        with pytest.raises(InputError):
            scan(rows, prompts, **options)
