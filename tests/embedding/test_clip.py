"""CLIP models: the network that was trained, no prompt cut, and no code of a folder run."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from bbb_core.cli import main
from bbb_core.embedding import ImageEncoder, load_encoder
from bbb_core.embedding.clip_check import RECORDED, Recorded, self_check
from bbb_core.embedding.clip_folder import FolderTokenizer
from bbb_core.embedding.clip_weights import PINNED, Pin, split_model
from bbb_core.errors import InputError
from bbb_core.io.writing import sha256

TEXTS = ["a photo of a nurse", "a photo of an engineer", "person", "a photo of a nurse"]
pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning", "ignore::FutureWarning")


CFG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
IMAGES = {"mean": [0.5] * 3, "std": [0.5] * 3}


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory):
    """Return a folder with a randomly initialised CLIP of two layers, and its network."""
    folder = tmp_path_factory.mktemp("clip")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = open_clip.model.CLIP(**CFG)
    save_file(
        {name: value.contiguous() for name, value in network.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    configure(folder)
    return folder, network.eval()


def configure(folder, *, model=CFG, images=IMAGES):
    said = {"model_cfg": model, "preprocess_cfg": images}
    (folder / "open_clip_config.json").write_text(json.dumps(said))


def twin(tiny_clip, folder):
    """Return another folder with the same weights."""
    shutil.copytree(tiny_clip[0], folder, dirs_exist_ok=True)
    return folder


@pytest.fixture
def registry(monkeypatch):
    """Let open_clip know the tiny model with both activations, and one with GELU alone."""
    models = open_clip.factory._MODEL_CONFIGS
    monkeypatch.setitem(models, "tiny", CFG)
    monkeypatch.setitem(models, "tiny-quickgelu", CFG | {"quick_gelu": True})
    monkeypatch.setitem(models, "single", CFG)


def rows_of(network, texts=TEXTS):
    with torch.inference_mode():
        rows = network.encode_text(open_clip.tokenizer.SimpleTokenizer(context_length=16)(texts))
    return rows / rows.norm(dim=1, keepdim=True)


@pytest.fixture(scope="module")
def both(tiny_clip):
    """Return the rows that the same weights give with GELU and with QuickGELU."""
    _, network = tiny_clip
    quick = open_clip.model.CLIP(**CFG, quick_gelu=True).eval()
    quick.load_state_dict(network.state_dict())
    rows = rows_of(network), rows_of(quick)
    assert (rows[0] - rows[1]).abs().max() > 5e-3
    return rows


def test_open_clip_folder(tiny_clip):
    folder, network = tiny_clip
    encoder = load_encoder(f"open_clip:local/{folder}")
    assert isinstance(encoder, ImageEncoder)
    assert encoder.dim == 16
    rows = encoder.encode_text(TEXTS)
    assert torch.allclose(rows, rows_of(network), atol=1e-5)
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(3, 3, 32, 32, generator=generator)
    with torch.inference_mode():
        expected = network.encode_image((images - 0.5) / 0.5)
    expected = expected / expected.norm(dim=1, keepdim=True)
    assert torch.allclose(encoder.encode_image(images), expected, atol=1e-5)
    assert encoder.encode_image(torch.rand(2, 3, 40, 64, generator=generator)).shape == (2, 16)
    for bad, message in [
        (images[0], "shape"),
        (torch.full((1, 3, 32, 32), 255.0), "0, 1"),
        (torch.full((1, 3, 32, 32), torch.nan), "nan"),
    ]:
        with pytest.raises((InputError, TypeError), match=message if bad.ndim == 4 else ""):
            encoder.encode_image(bad)


def test_open_clip_refuses_files_that_do_not_fit(tiny_clip, tmp_path):
    folder, _ = tiny_clip
    weights = folder / "open_clip_model.safetensors"
    with pytest.raises(InputError, match="no checkpoint of this model"):
        load_encoder(f"open_clip:RN50-quickgelu/{weights}")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x00" * 64)
    with pytest.raises(InputError, match="no checkpoint of this model"):
        load_encoder(f"open_clip:RN50-quickgelu/{broken}")


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("ViT-B-32", "MODEL/PRETRAINED"),
        ("Nope/openai", "no model"),
        ("ViT-B-32/nope", "it knows"),
        ("ViT-L-14/openai", "COMMIT"),
        ("ViT-L-14/openai@main", "COMMIT"),
        ("ViT-B-32//none/x.pt", "convert"),
        ("ViT-B-32//none/x.safetensors", "cannot be read"),
        ("local//none", "open_clip_config"),
    ],
)
def test_open_clip_bad_specs(rest, message):
    with pytest.raises(InputError, match=message):
        load_encoder(f"open_clip:{rest}")


def test_open_clip_without_a_network_says_how_to_get_the_weights(monkeypatch):
    monkeypatch.setattr("bbb_core.embedding.clip_weights._fetch", lambda repository, revision: None)
    with pytest.raises(InputError, match=r"1a25a446712b.*open_clip:ViT-B-32/FILE.safetensors"):
        load_encoder("open_clip:ViT-B-32/laion2b_s34b_b79k")


def test_open_clip_checks_the_hash_of_pinned_weights(monkeypatch, tmp_path):
    path = tmp_path / "open_clip_model.safetensors"
    path.write_bytes(b"other weights")
    monkeypatch.setattr("bbb_core.embedding.clip_weights._fetch", lambda repository, revision: path)
    with pytest.raises(InputError, match="not the pinned one"):
        load_encoder("open_clip:ViT-B-32/openai")


def test_an_unknown_file_must_say_its_activation(tiny_clip, registry, both):
    file = tiny_clip[0] / "open_clip_model.safetensors"
    with pytest.raises(InputError, match=r"open_clip:tiny-quickgelu/.*open_clip:tiny-gelu/"):
        load_encoder(f"open_clip:tiny/{file}")
    for ending, rows in zip(("-gelu", "-quickgelu"), both, strict=True):
        encoder = load_encoder(f"open_clip:tiny{ending}/{file}")
        assert torch.allclose(encoder.encode_text(TEXTS), rows, atol=1e-5)
    assert torch.allclose(
        load_encoder(f"open_clip:single/{file}").encode_text(TEXTS), both[0], atol=1e-5
    )
    with pytest.raises(InputError, match="no model 'single-gelu'"):
        load_encoder(f"open_clip:single-gelu/{file}")


def test_the_two_activations_have_two_places_in_the_cache(tiny_clip, registry):
    file = tiny_clip[0] / "open_clip_model.safetensors"
    prints = {
        load_encoder(f"open_clip:tiny{e}/{file}").fingerprint for e in ("-gelu", "-quickgelu")
    }
    assert len(prints) == 2


@pytest.fixture
def known(tiny_clip, registry, monkeypatch):
    """Let the tiny weights be published ones, trained with QuickGELU and images of their own."""
    digest = sha256(tiny_clip[0] / "open_clip_model.safetensors")
    pin = Pin(repository="o/r", revision="0" * 40, sha256=digest)
    monkeypatch.setitem(PINNED, ("tiny", "public"), pin)
    said = {"hf_hub": "o/r", "quick_gelu": True, "mean": (0.1,) * 3, "std": (0.9,) * 3,
            "interpolation": "bicubic", "resize_mode": "squash"}  # fmt: skip
    tags = open_clip.pretrained._PRETRAINED
    for name in ("tiny", "tiny-quickgelu"):
        monkeypatch.setitem(tags, name, {"public": said})


@pytest.mark.parametrize("model", ["tiny", "tiny-quickgelu", "local"])
def test_a_known_hash_brings_its_settings_wherever_the_file_lies(
    tiny_clip, known, both, tmp_path, model
):
    folder = twin(tiny_clip, tmp_path / "elsewhere")
    place = folder if model == "local" else folder / "open_clip_model.safetensors"
    encoder = load_encoder(f"open_clip:{model}/{place}")
    assert torch.allclose(encoder.encode_text(TEXTS), both[1], atol=1e-5)
    assert encoder.build.weights == ("tiny", "public")
    assert encoder.build.preprocessing["mean"] == (0.1,) * 3


def test_a_spec_that_contradicts_a_known_hash_is_refused(tiny_clip, known):
    file = tiny_clip[0] / "open_clip_model.safetensors"
    for model in ("tiny-gelu", "single"):
        with pytest.raises(
            InputError, match=r"weights 'public' of tiny; name it as open_clip:tiny/"
        ):
            load_encoder(f"open_clip:{model}/{file}")


def test_published_weights_are_built_as_they_were_trained(tiny_clip, known, both, monkeypatch):
    file = tiny_clip[0] / "open_clip_model.safetensors"
    monkeypatch.setattr("bbb_core.embedding.clip_weights._fetch", lambda *_: file)
    for model in ("tiny", "tiny-quickgelu"):
        rows = load_encoder(f"open_clip:{model}/public").encode_text(TEXTS)
        assert torch.allclose(rows, both[1], atol=1e-5)
    with pytest.raises(InputError, match="no weights 'public' for tiny-gelu"):
        load_encoder("open_clip:tiny-gelu/public")


def test_pinned_weights_have_the_activation_that_open_clip_says():
    for model, tag in PINNED:
        assert split_model(f"{model}-quickgelu") == (model, True)
        assert open_clip.pretrained.get_pretrained_cfg(model, tag)


def test_images_are_not_scaled_by_a_guess(tiny_clip, registry, monkeypatch):
    file = tiny_clip[0] / "open_clip_model.safetensors"
    base = {"std": (0.5,) * 3, "interpolation": "bicubic", "resize_mode": "shortest"}
    tags = {"a": {"mean": (0.1,) * 3, **base}, "b": {"mean": (0.2,) * 3, **base}}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "single", tags)
    encoder = load_encoder(f"open_clip:single/{file}")
    assert encoder.encode_text(TEXTS).shape == (4, 16)
    with pytest.raises(InputError, match="published weights of this model differ"):
        encoder.encode_image(torch.zeros(1, 3, 32, 32))
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "single", {"a": tags["a"]})
    assert load_encoder(f"open_clip:single/{file}").build.preprocessing["mean"] == (0.1,) * 3


def test_weights_of_another_length_are_not_stretched(tiny_clip, registry, tmp_path):
    """open_clip would interpolate the positions of a longer context without a word."""
    weights = load_file(tiny_clip[0] / "open_clip_model.safetensors")
    weights["positional_embedding"] = torch.zeros(20, 32)
    save_file(weights, tmp_path / "long.safetensors")
    with pytest.raises(InputError, match=r"positional_embedding has shape \(20, 32\)"):
        load_encoder(f"open_clip:single/{tmp_path / 'long.safetensors'}")


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_prompt_is_never_cut(tiny_clip, registry, kind):
    folder, _ = tiny_clip
    spec = f"local/{folder}" if kind == "folder" else f"single/{folder}/open_clip_model.safetensors"
    encoder = load_encoder(f"open_clip:{spec}")
    most = "a " * 13
    first, second = encoder.encode_text([most + "nurse", most + "judge"])
    assert not torch.allclose(first, second)
    with pytest.raises(InputError, match=r"'a a .* nurse' has 17 tokens, but open_clip.* most 16"):
        encoder.encode_text([most + "a nurse"])


def wordlevel(folder):
    """Write a tokenizer as transformers does."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<s>", "</s>", "<unk>", "a", "photo", "of", "an", "nurse", "engineer"]
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    marks = {"pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=made, **marks).save_pretrained(folder)


FOREIGN = {"hf_tokenizer_name": "some/where", "tokenizer_kwargs": {"strip_sep_token": True}}


def test_a_tokenizer_in_a_folder_gives_the_numbers_that_transformers_gives(tiny_clip, tmp_path):
    wordlevel(twin(tiny_clip, tmp_path))
    for options in ({}, {"clean": "canonicalize"}, {"strip_sep_token": True}):
        ours = FolderTokenizer(tmp_path, context_length=16, **options)
        theirs = open_clip.tokenizer.HFTokenizer(str(tmp_path), context_length=16, **options)
        assert torch.equal(ours(TEXTS), theirs(TEXTS))
    assert ours.lengths(TEXTS) == [7, 7, 3, 7]
    configure(tmp_path, model=CFG | {"text_cfg": CFG["text_cfg"] | FOREIGN})
    encoder = load_encoder(f"open_clip:local/{tmp_path}")
    assert encoder.encode_text(TEXTS).shape == (4, 16)
    with pytest.raises(InputError, match="17 tokens"):
        encoder.encode_text(["a " * 15])


CANARY = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\nclass X: pass\n"
TRUSTED = {"hf_tokenizer_name": "x/y", "tokenizer_kwargs": {"trust_remote_code": True}}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (CFG | {"text_cfg": CFG["text_cfg"] | TRUSTED}, "'trust_remote_code'"),
        (CFG | {"text_cfg": CFG["text_cfg"] | {"hf_tokenizer_name": "x/y"}}, None),
        (CFG | {"text_cfg": CFG["text_cfg"] | {"hf_model_name": "{folder}"}}, "'hf_model_name'"),
        (CFG | {"vision_cfg": {"timm_model_name": "local-dir:{folder}"}}, "timm_model_name"),
        (CFG | {"auto_map": {"AutoModel": "canary.X"}}, "'auto_map'"),
        (
            CFG | {"text_cfg": CFG["text_cfg"] | {"tokenizer_kwargs": {"bpe_path": "x"}}},
            "'bpe_path'",
        ),
    ],
)
def test_no_code_of_a_folder_runs(tiny_clip, tmp_path, monkeypatch, model, message):
    folder = twin(tiny_clip, tmp_path / "hostile")
    wordlevel(folder)
    (folder / "canary.py").write_text(CANARY)
    (folder / "config.json").write_text(
        json.dumps(
            {"model_type": "x", "auto_map": {"AutoConfig": "canary.X", "AutoModel": "canary.X"}}
        )
    )
    marks = json.loads((folder / "tokenizer_config.json").read_text())
    marks |= {"auto_map": {"AutoTokenizer": ["canary.X", "canary.X"]}, "tokenizer_class": "X"}
    (folder / "tokenizer_config.json").write_text(json.dumps(marks))
    configure(folder, model=json.loads(json.dumps(model).replace("{folder}", str(folder))))
    monkeypatch.chdir(folder)
    if message is None:
        assert load_encoder(f"open_clip:local/{folder}").encode_text(TEXTS).shape == (4, 16)
    else:
        with pytest.raises(InputError, match=message):
            load_encoder(f"open_clip:local/{folder}")
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    "model",
    [
        CFG | {"embed_dim": 2**60},
        CFG | {"embed_dim": "many"},
        CFG | {"embed_dim": 0},
        CFG | {"text_cfg": CFG["text_cfg"] | {"width": 16000, "layers": 500, "heads": 1}},
        CFG | {"text_cfg": CFG["text_cfg"] | {"heads": 0}},
        CFG | {"text_cfg": CFG["text_cfg"] | {"context_length": -1}},
        CFG | {"text_cfg": []},
        CFG | {"vision_cfg": {}},
        {"embed_dim": 16},
        [],
        None,
    ],
)
def test_a_configuration_that_fits_nothing_is_one_line(tiny_clip, tmp_path, model):
    folder = twin(tiny_clip, tmp_path)
    configure(folder, model=model)
    with pytest.raises(InputError):
        load_encoder(f"open_clip:local/{folder}")


def test_damaged_folders_are_one_line(tiny_clip, tmp_path):
    folder = twin(tiny_clip, tmp_path)
    for content in ("", "[" * 100_000, "[]", '{"model_cfg": 1' + "0" * 5000 + "}"):
        (folder / "open_clip_config.json").write_text(content)
        with pytest.raises(InputError):
            load_encoder(f"open_clip:local/{folder}")
    configure(folder, model=CFG | {"text_cfg": CFG["text_cfg"] | {"hf_tokenizer_name": "x/y"}})
    with pytest.raises(InputError, match="tokenizer"):
        load_encoder(f"open_clip:local/{folder}")
    configure(folder)
    (folder / "open_clip_model.safetensors").unlink()
    (folder / "open_clip_model.safetensors").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="device"):
        load_encoder(f"open_clip:local/{folder}")


def test_self_check_tells_one_activation_from_the_other(tiny_clip, registry, both):
    texts = ("a man", "a woman", "a boy", "a girl")
    folder = tiny_clip[0]
    gelu, quick = (
        load_encoder(f"open_clip:tiny-{kind}/{folder}/open_clip_model.safetensors")
        for kind in ("gelu", "quickgelu")
    )
    rows = quick.encode_text(texts).double()
    cosines = (rows @ rows.T)[tuple(np.triu_indices(4, k=1))]
    record = Recorded(texts=texts, cosines=tuple(cosines.tolist()), tolerance=5e-4, source="here")
    assert self_check(quick, recorded=record).passed
    wrong = self_check(gelu, recorded=record)
    assert not wrong.passed
    errors = np.abs(wrong.found - np.array(record.cosines))
    assert errors[wrong.worst] == errors.max()
    first, second = (texts[ends[wrong.worst]] for ends in np.triu_indices(4, k=1))
    assert str(wrong).startswith(
        f"self-check failed: 6 cosines; farthest from its record is cos({first}, {second}) = "
    )


def test_self_check_as_a_command(tiny_clip, registry, monkeypatch):
    folder = tiny_clip[0]
    file = f"{folder}/open_clip_model.safetensors"
    quick = load_encoder(f"open_clip:tiny-quickgelu/{file}")
    texts = ("a man", "a woman", "a boy")
    rows = quick.encode_text(texts).double()
    cosines = (rows @ rows.T)[tuple(np.triu_indices(3, k=1))]
    record = Recorded(texts=texts, cosines=tuple(cosines.tolist()), tolerance=5e-4, source="here")
    monkeypatch.setitem(RECORDED, ("tiny", "public"), record)

    def run(spec):
        return CliRunner().invoke(main, ["audit", "embeddings", "--encoder", spec, "--self-check"])

    good = run(f"open_clip:tiny-quickgelu/{file}")
    assert good.exit_code == 0
    assert good.stdout.startswith("self-check passed: 3 cosines")
    bad = run(f"open_clip:tiny-gelu/{file}")
    assert bad.exit_code == 2
    assert "self-check failed" in bad.stderr
    assert "quickgelu" in bad.stderr
    other = run(f"open_clip:single/{file}")
    assert other.exit_code == 2
    assert "nothing was recorded" in other.stderr
    assert run("glove").exit_code == 2


def test_the_record_is_well_formed():
    for record in RECORDED.values():
        n = len(record.texts)
        assert len(record.cosines) == n * (n - 1) // 2
        full = np.eye(n)
        full[np.triu_indices(n, k=1)] = record.cosines
        assert np.linalg.eigvalsh(np.triu(full) + np.triu(full, 1).T).min() > 0


def test_the_record_is_what_the_published_vectors_give():
    """Detic's file and its row names, where ``BBB_DATA_DIR`` holds them."""
    folder = Path(os.environ.get("BBB_DATA_DIR", "none"))
    file, names = folder / "detic_oid_clip_vitb32_a_cname.npy", folder / "openimages_500_names.txt"
    if not (file.is_file() and names.is_file()):
        pytest.skip("BBB_DATA_DIR holds no Detic vectors")
    table = load_encoder(f"table:{file}:{names}")
    record = RECORDED["ViT-B-32", "openai"]
    rows = table.encode_text([text.removeprefix("a ").capitalize() for text in record.texts])
    cosines = (rows @ rows.T)[tuple(np.triu_indices(len(rows), k=1))]
    assert cosines.tolist() == pytest.approx(record.cosines, abs=1e-4)
