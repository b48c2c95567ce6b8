"""Checkpoints: another input is never answered with a stored model, and no damaged file raises."""

from __future__ import annotations

import functools
import os
import struct
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from bbb_core import rng
from bbb_core.diffusion.checkpoint import load_model, read_tensors, save_model, write_tensors
from bbb_core.diffusion.network import NetworkConfig, build_denoiser
from bbb_core.diffusion.training import TrainingConfig, TrainingSet, train
from bbb_core.errors import InputError

NETWORK = NetworkConfig(embedding_dim=4, resolution=4, block=1, channels=(4, 4), groups=2)
CONFIG = TrainingConfig(steps=6, batch=4, warmup=2, precision="float32")


def shift(images, *, generator, by=0.1):
    return images + by * torch.rand(len(images), 1, 1, 1, generator=generator)


def louder(images, *, generator):
    return shift(images, generator=generator, by=STRENGTH)


STRENGTH = 0.3


class Shift:
    """A callable object with a parameter."""

    def __init__(self, by):
        self.by = by

    def __call__(self, images, *, generator):
        return shift(images, generator=generator, by=self.by)


def training_set():
    g = rng.torch_generator(0, "checkpoint data")
    return TrainingSet(
        images=torch.rand(4, 3, 4, 4, generator=g),
        conditions=torch.randn(3, 4, generator=g),
        pairs=torch.tensor([[0, 0], [1, 1], [2, 2], [3, 2]]),
        weights=torch.tensor([1.0, 1.0, 0.5, 0.5]),
    )


def run(folder=None, data=None, network=NETWORK, config=CONFIG, **options):
    return train(
        data or training_set(), network, config, device="cpu", checkpoint=folder, **options
    )


def flat(state):
    return torch.cat([state[k].flatten() for k in sorted(state)])


def changed(name, where):
    """Return the training set with one value of one tensor moved by a hair."""
    data = training_set()
    value = getattr(data, name).clone()
    value[where] = value[where] + (1 if name == "pairs" else 1e-6)
    return replace(data, **{name: value})


OTHER = {
    "images": {"data": changed("images", (3, 2, 1, 0))},
    "conditions": {"data": changed("conditions", (1, 1))},
    "pairs": {"data": changed("pairs", (0, 1))},
    "weights": {"data": changed("weights", (2,))},
    "network": {"network": replace(NETWORK, layers=2)},
    "training configuration": {"config": replace(CONFIG, seed=1)},
    "start weights": {"start": build_denoiser(NETWORK, seed=5)},
    "augmentation": {"augmentation": shift},
}


@pytest.mark.parametrize("stop", [None, 3])
@pytest.mark.parametrize("part", OTHER)
def test_a_state_answers_for_its_own_inputs_only(tmp_path, part, stop):
    run(tmp_path, stop_after=stop)
    with pytest.raises(InputError, match=rf"a run with other {part}; choose another"):
        run(tmp_path, **OTHER[part])
    assert len(run(tmp_path).losses) == CONFIG.steps


AUGMENTATIONS = [
    (functools.partial(shift, by=0.2), functools.partial(shift, by=0.3)),
    (Shift(0.2), Shift(0.3)),
    (lambda images, *, generator: images, lambda images, *, generator: images * 0.5),
]


@pytest.mark.parametrize(("first", "second"), AUGMENTATIONS)
def test_what_an_augmentation_does_counts(tmp_path, first, second):
    run(tmp_path, augmentation=first, stop_after=1)
    run(tmp_path, augmentation=first, stop_after=1)
    with pytest.raises(InputError, match="other augmentation"):
        run(tmp_path, augmentation=second)


def test_what_an_augmentation_calls_counts(tmp_path, monkeypatch):
    run(tmp_path, augmentation=louder, stop_after=1)
    monkeypatch.setitem(globals(), "STRENGTH", 0.4)
    with pytest.raises(InputError, match="other augmentation"):
        run(tmp_path, augmentation=louder)


def test_a_changed_start_counts(tmp_path):
    start = build_denoiser(NETWORK, seed=5)
    run(tmp_path, start=start, stop_after=1)
    run(tmp_path, start=start, stop_after=1)
    start.unet.conv_in.weight.data[0, 0, 0, 0] += 1e-6
    with pytest.raises(InputError, match="other start weights"):
        run(tmp_path, start=start)
    with pytest.raises(InputError, match=r"pass network=start\.config"):
        run(start=build_denoiser(replace(NETWORK, layers=2)))


def test_snapshots_survive_and_the_end_is_the_same(tmp_path):
    asked = (2, 4, 6)
    whole = run(snapshots=asked, augmentation=shift)
    for _ in range(3):
        part = run(tmp_path, snapshots=asked, augmentation=shift, stop_after=2)
    assert part.losses == whole.losses
    assert torch.equal(flat(part.model.state_dict()), flat(whole.model.state_dict()))
    assert tuple(part.snapshots) == tuple(whole.snapshots) == asked
    for step in asked:
        assert torch.equal(flat(part.snapshots[step]), flat(whole.snapshots[step]))
    fewer = run(tmp_path, snapshots=(4,), augmentation=shift)
    assert list(fewer.snapshots) == [4]


def test_a_snapshot_that_was_not_kept_is_not_forgotten(tmp_path):
    run(tmp_path, stop_after=3)
    with pytest.raises(InputError, match="snapshots asks for step 2"):
        run(tmp_path, snapshots=(2, 5))
    with pytest.raises(InputError, match="snapshots is 7; pass at most 6"):
        run(snapshots=(7,))


def test_a_place_that_is_no_folder_is_named_before_the_work(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be made a folder"):
        run(tmp_path / "file", augmentation=shift)


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    run(folder, stop_after=2, snapshots=(1,))
    return (folder / "state.safetensors").read_bytes()


def test_every_flipped_byte_of_a_state_is_noticed(state, tmp_path):
    """Bytes spread over the header and all tensors; a blank may become another blank."""
    path = tmp_path / "state.safetensors"
    header = 8 + struct.unpack("<Q", state[:8])[0]
    places = [*range(0, header, 997), *range(header, len(state), len(state) // 25), len(state) - 1]
    for place in places:
        path.write_bytes(state[:place] + bytes([state[place] ^ 1]) + state[place + 1 :])
        with pytest.raises(InputError, match=r"damaged|no whole safetensors file"):
            run(tmp_path, snapshots=(1,))


@pytest.mark.parametrize(
    "damaged",
    [b"", b"\0" * 8, b"PK\3\4", struct.pack("<Q", 1 << 62), struct.pack("<Q", 99) + b"{"],
)
def test_a_state_that_is_no_state_is_named(tmp_path, damaged):
    (tmp_path / "state.safetensors").write_bytes(damaged)
    with pytest.raises(InputError, match="no whole safetensors file"):
        run(tmp_path)


def test_safetensors_of_another_program_are_no_state(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "state.safetensors", metadata={"digest": "0"})
    with pytest.raises(InputError, match="damaged"):
        run(tmp_path)
    (tmp_path / "state.safetensors").unlink()
    write_tensors(tmp_path / "state.safetensors", {"a": torch.ones(2)}, {"losses": []})
    with pytest.raises(InputError, match="no state of a training run"):
        run(tmp_path)
    (tmp_path / "state.safetensors").unlink()
    (tmp_path / "state.safetensors").mkdir()
    with pytest.raises(InputError, match=r"checkpoint .* name a file"):
        run(tmp_path)


# --- saved models ---------------------------------------------------------------------------------


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
