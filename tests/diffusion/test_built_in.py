"""The generator that comes with the library: whole, small, and what its manifest says."""

from __future__ import annotations

import pytest
import torch

from bbb_core.diffusion.built_in import EMOJI, described, emoji_reader
from bbb_core.diffusion.checkpoint import load_model
from bbb_core.io.writing import sha256


def test_the_files_are_those_of_the_manifest():
    said = described()["sha256"]
    assert said == {
        path.name: sha256(path) for path in EMOJI.iterdir() if path.name != "manifest.json"
    }
    assert "CC-BY 4.0" in (EMOJI / "ATTRIBUTION.txt").read_text()
    assert sum(path.stat().st_size for path in EMOJI.iterdir()) < 1_300_000


def test_the_weights_load_and_follow_the_prompt():
    model = load_model(EMOJI)
    assert model.config.image_shape == (3, 32, 32)
    assert torch.equal(model.span, torch.eye(384))
    x, t = torch.zeros(2, 3, 32, 32), torch.full((2,), 500)
    with torch.no_grad():
        one, other = model(x, t, torch.stack([torch.zeros(384), torch.eye(384)[0]]))
    assert not torch.allclose(one, other)


def test_the_reader_knows_its_errors_and_reads_one_by_one_as_together():
    reader = emoji_reader()
    assert reader.confusion.rates.diagonal().min() > 0.8
    images = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    together = reader.read(images)
    assert set(together) <= {*reader.groups, "none"}
    assert together == [reader.read(one[None])[0] for one in images]
    assert reader.read(torch.full((1, 3, 32, 32), 1.0)) == ["none"]


@pytest.mark.parametrize("kind", ["neutral", "man", "woman"])
def test_templates_have_one_place_for_the_noun(kind):
    assert described()["templates"][kind].count("{}") == 1
