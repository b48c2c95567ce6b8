"""Saved models: a damaged or hostile file gives a model or one line."""

from __future__ import annotations

import os
from dataclasses import asdict
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bbb_core.diffusion.checkpoint import load_model, read_tensors, save_model, write_tensors
from bbb_core.diffusion.network import NetworkConfig, build_denoiser
from bbb_core.errors import InputError

NETWORK = NetworkConfig(embedding_dim=4, resolution=4, block=1, channels=(4, 4), groups=2)


def flat(state):
    return torch.cat([state[k].flatten() for k in sorted(state)])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    save_model(folder, build_denoiser(NETWORK, seed=3), about={"data": "none"})
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    (tmp_path / "model.safetensors").write_bytes((saved / "model.safetensors").read_bytes())
    return tmp_path


def with_weights(folder, change):
    """Sign other weights, as a hostile sender would."""
    path = folder / "model.safetensors"
    tensors, said = read_tensors(path)
    change(tensors)
    write_tensors(path, tensors, said)


def with_text(folder, said):
    """Sign another description."""
    path = folder / "model.safetensors"
    write_tensors(path, read_tensors(path)[0], said)


def set_to(name, value):
    return lambda tensors: tensors.update({name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("center"), "lacks the tensor 'center'"),
        (set_to("extra", torch.ones(1)), "holds, for another network, the tensor 'extra'"),
        (set_to("center", torch.ones(5)), r"center of shape \[5\], the network \[4\]"),
        (set_to("center", torch.ones(4, dtype=torch.int32)), "center of torch.int32"),
        (set_to("center", torch.full((4,), float("nan"))), "center that is not finite"),
    ],
)
def test_weights_of_another_network_are_named(copy, change, message):
    with_weights(copy, change)
    with pytest.raises(InputError, match=message):
        load_model(copy)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_come_back(tmp_path, dtype):
    model = build_denoiser(NETWORK, seed=3)
    save_model(tmp_path, model, about={}, dtype=dtype)
    stored = flat(load_model(tmp_path).state_dict())
    assert torch.equal(stored, flat(model.state_dict()).to(dtype).float())


@pytest.mark.parametrize(
    "said", [None, [], 3, "text", {}, {"embedding_dim": 4, "__class__": "x"}, {"channels": [4]}]
)
def test_a_description_of_no_network_is_named(copy, said):
    with_text(copy, {"network": said})
    with pytest.raises(InputError, match="describes no network"):
        load_model(copy)
    with_text(copy, {})
    with pytest.raises(InputError, match="describes no network"):
        load_model(copy)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a":' * 100_000, "1" * 5000])
def test_a_description_that_is_no_json_is_named(copy, text, monkeypatch):
    path = copy / "model.safetensors"
    tensors, _ = read_tensors(path)
    with monkeypatch.context() as patch:
        patch.setattr("bbb_core.diffusion.checkpoint.json", SimpleNamespace(dumps=str))
        write_tensors(path, tensors, {"network": text})
    with pytest.raises(InputError, match="is no JSON"):
        load_model(copy)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("embedding_dim", "4"), ("embedding_dim", None), ("embedding_dim", 10**12),
        ("embedding_dim", 1e308), ("resolution", float("nan")), ("resolution", -1),
        ("layers", 10**9), ("channels", 4), ("channels", "44"), ("channels", {}),
        ("channels", [[4]]), ("channels", []), ("channels", [True, 4]), ("channels", [4] * 10**5),
        ("channels", [3, 4]), ("groups", 0), ("attention_levels", [9]), ("attention_levels", None),
        ("conditioning", []), ("conditioning", "other"), ("block", 2**13), ("image_channels", [3]),
    ],
)  # fmt: skip
def test_a_network_that_cannot_be_is_named(copy, key, value):
    with_text(copy, {"network": asdict(NETWORK) | {key: value}})
    with pytest.raises(InputError, match="describes no network"):
        load_model(copy)


def test_a_description_cannot_ask_for_memory(copy):
    """The network described would take 300 GB; nothing is made before shapes are compared."""
    with_text(copy, {"network": asdict(NETWORK) | {"channels": [16384, 16384]}})
    with pytest.raises(InputError, match=r"of shape \[.*\], the network \["):
        load_model(copy)


def test_files_that_are_none_are_named(copy):
    path = copy / "model.safetensors"
    path.unlink()
    with pytest.raises(InputError, match=r"model\.safetensors .* name a file"):
        load_model(copy)
    path.mkdir()
    with pytest.raises(InputError, match=r"model\.safetensors .* name a file"):
        load_model(copy)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(InputError, match="is a device or a pipe"):
        load_model(copy)


SETTINGS = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@st.composite
def damage(draw):
    """Cut, change, insert or repeat bytes: (place in [0, 1), length, what comes there instead)."""
    edits = st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 40), st.binary(max_size=20))
    return draw(st.lists(edits, min_size=1, max_size=3))


def damaged(content, edits):
    for place, length, instead in edits:
        start = int(place * len(content))
        content = content[:start] + instead + content[start + length :]
    return content


def gives_a_model_or_one_line(folder):
    refused = ""
    try:
        load_model(folder)
    except InputError as error:
        refused = str(error)
    assert "\n" not in refused


@SETTINGS
@given(edits=damage())
def test_a_damaged_file_gives_a_model_or_one_line(saved, tmp_path_factory, edits):
    folder = tmp_path_factory.mktemp("fuzz")
    content = (saved / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(damaged(content, edits))
    gives_a_model_or_one_line(folder)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda each: (
        st.lists(each, max_size=4) | st.dictionaries(st.text(max_size=4), each, max_size=4)
    ),
    max_leaves=8,
)


@SETTINGS
@given(key=st.sampled_from(["network", "about", *NETWORK.__dataclass_fields__]), value=JSON)
def test_other_types_in_a_description_give_a_model_or_one_line(saved, tmp_path_factory, key, value):
    folder = tmp_path_factory.mktemp("types")
    tensors, said = read_tensors(saved / "model.safetensors")
    (said if key in said else said["network"])[key] = value
    write_tensors(folder / "model.safetensors", tensors, said)
    gives_a_model_or_one_line(folder)
