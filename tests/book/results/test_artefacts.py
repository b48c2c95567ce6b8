"""Artefacts: keys, storage, damage, interruption, concurrency, the committed folder."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch

from bbb_book import results
from bbb_book.results import artefacts
from bbb_core.errors import InputError
from bbb_core.io import writing as files

CALLS = []


def make(n, scale=1.0):
    CALLS.append(n)
    return {
        "array": scale * np.arange(n, dtype=np.float64),
        "words": np.array(["a", "bc"]),
        "file": np.ones(2),  # a name that numpy.savez takes for itself
        "tensor": torch.arange(n, dtype=torch.bfloat16).reshape(1, n)[:, ::1],
        "table": pd.DataFrame({"x": [1, 2], "y": ["u", None]}),
        "values": {"n": n, "list": (1, np.float32(0.5)), "none": None},
    }


def objects():
    return {"bad": np.array([object()])}


def fails():
    raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    CALLS.clear()
    monkeypatch.setenv("BBB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(artefacts, "committed_dir", lambda: tmp_path / "committed")
    return tmp_path


def folder(made):
    return files.cache_dir() / "artefacts" / f"{made.manifest['name']}-{made.key[:16]}"


def test_everything_comes_back_the_same_from_memory_and_disk():
    first = results.artefact("all", make, parameters={"n": 3})
    second = results.artefact("all", make, parameters={"n": 3})
    assert CALLS == [3]
    assert (first.source, second.source) == ("computed", "cache")
    for made in (first, second):
        assert list(made) == ["array", "words", "file", "tensor", "table", "values"]
        assert made["array"].tolist() == [0, 1, 2]
        assert made["words"].tolist() == ["a", "bc"]
        assert made["tensor"].dtype == torch.bfloat16
        assert made["table"]["x"].tolist() == [1, 2]
        assert made["values"] == {"n": 3, "list": [1, 0.5], "none": None}
    assert artefacts.differences(first, second) == []
    with pytest.raises(KeyError, match="it has array, words"):
        first["nothing"]


def test_the_key_follows_parameters_inputs_and_code(tmp_path, monkeypatch):
    def key(parameters=None, inputs=None):
        made = results.artefact("keys", make, parameters=parameters or {"n": 1}, inputs=inputs)
        return made.key

    file = tmp_path / "input.csv"
    file.write_text("a")
    keys = [
        key(),
        key({"n": 2}),
        key({"n": 1, "scale": 2.0}),
        key(inputs={"file": file}),
        key(inputs={"array": np.arange(3)}),
        key(inputs={"array": np.arange(3.0)}),
        key(inputs={"tensor": torch.ones(2)}),
        key(inputs={"plain": [1, 2]}),
        key(inputs={"made": results.artefact("keys", make, parameters={"n": 5})}),
    ]
    file.write_text("b")
    keys.append(key(inputs={"file": file}))
    assert len(set(keys)) == len(keys)
    assert key() == keys[0]
    monkeypatch.setattr(artefacts, "code_hash", lambda function: "other code")
    assert key() not in keys


def test_damage_is_found_and_computed_again(tmp_path):
    made = results.artefact("hurt", make, parameters={"n": 2})
    where = folder(made)
    for file in ["arrays.npz", "tensors.safetensors", "values.json", "table-4.parquet"]:
        data = bytearray((where / file).read_bytes())
        data[len(data) // 2] ^= 1
        (where / file).write_bytes(data)
        again = results.artefact("hurt", make, parameters={"n": 2})
        assert again.source == "computed"
        assert artefacts.differences(made, again) == []
    for text in [
        "",
        "[]",
        "{}",
        "null",
        "\udcff".encode("utf-8", "surrogateescape").decode("latin1"),
    ]:
        (where / "manifest.json").write_text(text)
        assert results.artefact("hurt", make, parameters={"n": 2}).source == "computed"
    shutil.rmtree(where)
    where.write_text("a file where the folder should be")
    assert results.artefact("hurt", make, parameters={"n": 2}).source == "computed"


def _deep(where):
    (where / "manifest.json").write_text("[" * 100_000 + "]" * 100_000)


def _as_if_whole(file, data):
    """Give a file other content, and the manifest its hash."""

    def hurt(where):
        (where / file).write_bytes(data)
        stored = json.loads((where / "manifest.json").read_text())
        stored["files"][file] = files.sha256(where / file)
        (where / "manifest.json").write_text(json.dumps(stored))

    return hurt


def _other(field, value):
    def hurt(where):
        stored = json.loads((where / "manifest.json").read_text())
        (where / "manifest.json").write_text(json.dumps({**stored, field: value}))

    return hurt


HUGE = b"\x93NUMPY\x01\x00v\x00" + (
    b"{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,), }".ljust(117) + b"\n"
)


def _npz(members):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return made.getvalue()


@pytest.mark.parametrize(
    "hurt",
    [
        _deep,
        _as_if_whole("arrays.npz", b"no archive"),
        _as_if_whole("arrays.npz", _npz({"names.npy": b"\x93NUMPY", "a0.npy": b""})),
        _as_if_whole("arrays.npz", _npz({"names.npy": HUGE})),
        _as_if_whole("tensors.safetensors", b"\xff" * 20),
        _as_if_whole("table-4.parquet", b"PAR1nonsensePAR1"),
        _as_if_whole("values.json", b"{" * 50_000),
        _as_if_whole("values.json", b"[1, 2]"),
        _other("results", 5),
        _other("results", {"array": ["arrays.npz"]}),
        _other("files", {"arrays.npz": None}),
        _other("files", [["arrays.npz", 1]]),
    ],
)
def test_whatever_is_damaged_is_computed_again(hurt):
    hurt(folder(results.artefact("hurt", make, parameters={"n": 2})))
    again = results.artefact("hurt", make, parameters={"n": 2})
    assert again.source == "computed"
    assert again["array"].tolist() == [0, 1]
    assert again["tensor"].tolist() == [[0, 1]]
    assert again["values"]["list"] == [1, 0.5]
    assert results.artefact("hurt", make, parameters={"n": 2}).source == "cache"


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BBB_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match=r"cache .* cannot be written \(Not a directory\)"):
        results.artefact("x", make, parameters={"n": 1})
    monkeypatch.setenv("BBB_CACHE_DIR", str(tmp_path / "cache"))

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(artefacts, "store", full)
    with pytest.raises(InputError, match=r"No space left on device.*set BBB_CACHE_DIR"):
        results.artefact("x", make, parameters={"n": 1})
    left = [p.name for p in (files.cache_dir() / "artefacts").iterdir()]
    assert left == [".locks"]


def test_a_manifest_cannot_point_outside_its_folder(tmp_path):
    made = results.artefact("out", make, parameters={"n": 2})
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    stored = json.loads((folder(made) / "manifest.json").read_text())
    stored["files"]["../../secret.json"] = files.sha256(secret)
    (folder(made) / "manifest.json").write_text(json.dumps(stored))
    assert results.artefact("out", make, parameters={"n": 2}).source == "computed"


def test_a_name_may_hold_the_spec_of_an_encoder(tmp_path):
    specs = ["table:../mine/a.npz", "table:../mine:a.npz", "open_clip:ViT-B-32/openai"]
    made = [results.artefact(f"chain {spec}", make, parameters={"n": 1}) for spec in specs]
    names = sorted(p.name for p in (files.cache_dir() / "artefacts").iterdir() if p.name[0] != ".")
    assert names == sorted(f"{word}-{one.key[:16]}" for word, one in zip(
        ["chain-table-mine-a-npz", "chain-table-mine-a-npz", "chain-open_clip-ViT-B-32-openai"],
        made, strict=True))  # fmt: skip


def test_an_interrupted_run_leaves_nothing():
    with pytest.raises(KeyboardInterrupt):
        results.artefact("cut", fails, parameters={})
    left = [p for p in (files.cache_dir() / "artefacts").iterdir() if p.name != ".locks"]
    assert left == []


def test_committed_artefacts_are_used_and_recomputing_reports_differences(tmp_path, monkeypatch):
    made = results.artefact("kept", make, parameters={"n": 2})
    shutil.copytree(folder(made), tmp_path / "committed" / folder(made).name)
    shutil.rmtree(files.cache_dir())
    assert results.artefact("kept", make, parameters={"n": 2}).source == "committed"
    assert CALLS == [2]
    monkeypatch.setenv("BBB_RECOMPUTE", "1")
    again = results.artefact("kept", make, parameters={"n": 2})
    assert again.source == "computed"
    assert again.manifest["differences"] == []
    assert results.artefact("kept", make, parameters={"n": 2}).source == "cache"  # once a run
    assert CALLS == [2, 2]


def test_differences_are_named():
    a = results.artefact("diff", make, parameters={"n": 2})
    b = results.artefact("diff", make, parameters={"n": 2, "scale": 1.5})
    c = results.artefact("diff", make, parameters={"n": 3})
    assert artefacts.differences(a, b) == ["array: differs by up to 0.5"]
    assert artefacts.differences(a, b, tolerance=0.6) == []
    assert artefacts.differences(a, c) == ["array: differs", "tensor: differs", "values: differs"]


def test_two_processes_compute_once(tmp_path):
    (tmp_path / "slowly.py").write_text(
        textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from bbb_book import results

        def work():
            with open(Path(__file__).with_name("calls.log"), "a") as calls:
                calls.write("x")
            time.sleep(0.5)
            return {"value": 1}
        """)
    )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import slowly; "
        "print(slowly.results.artefact('slow', slowly.work, parameters={})['value'])"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in "ab"]
    assert [run.communicate(timeout=60)[0].strip() for run in runs] == [b"1", b"1"]
    assert (tmp_path / "calls.log").read_text() == "x"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: results.artefact("../.", make, parameters={}), "name is '../.'"),
        (lambda: results.artefact("x", dict, parameters={}), "top of a module"),
        (lambda: results.artefact("x", len, parameters={}), "top of a module"),
        (lambda: results.artefact("x", make, parameters={"n": object()}), "is a object"),
        (lambda: results.artefact("x", make, parameters={"n": {1: 2}}), "key that is no string"),
        (lambda: results.artefact("x", objects, parameters={}), "holds Python objects"),
        (
            lambda: results.artefact(
                "x", make, parameters={"n": 1}, inputs={"f": files.Path("no")}
            ),
            "which is no file",
        ),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
