"""The generator that the library ships is the one that its manifest describes."""

from __future__ import annotations

import dataclasses
import json

import torch

from bbb_book.data.emoji import OCCUPATIONS, load_emoji_people
from bbb_book.generators.shipped import ATTRIBUTION, SHIPPED, folded
from bbb_book.generators.studies import GROUPS
from bbb_book.readers.second_reader import second_codes
from bbb_core.diffusion.built_in import EMOJI, described, emoji_reader
from bbb_core.diffusion.network import NetworkConfig, build_denoiser


def test_the_manifest_names_the_training_run():
    said = described()
    study = said["training"]["parameters"]["study"]
    told = json.loads(json.dumps(dataclasses.asdict(SHIPPED)))
    assert {key: study[key] for key in told} == told
    assert said["occupations"] == list(OCCUPATIONS)
    assert (EMOJI / "ATTRIBUTION.txt").read_text() == ATTRIBUTION


def test_folding_the_span_changes_no_prediction():
    model = build_denoiser(NetworkConfig(embedding_dim=6, resolution=8, channels=(8,), groups=4))
    source = torch.Generator().manual_seed(0)
    rows = torch.randn(3, 6, generator=source)
    model.fit_conditions(rows)
    with torch.no_grad():
        model.project.weight.copy_(torch.randn(model.project.weight.shape, generator=source))
        x, t = torch.randn(4, 3, 8, 8, generator=source), torch.full((4,), 300)
        c = torch.randn(4, 6, generator=source)
        before = model(x, t, c)
        after = folded(model)(x, t, c)
    assert torch.equal(model.span, torch.eye(6))
    assert torch.allclose(before, after, atol=1e-5)


def test_the_shipped_reader_is_the_second_reader():
    people = load_emoji_people(size=32, occupations=OCCUPATIONS[:3], groups=GROUPS)
    noise = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    images = torch.cat([people.images, noise])
    names = [*GROUPS, "none"]
    read = emoji_reader().read(images)
    assert [names.index(one) for one in read] == second_codes(images, 32, 200).tolist()
    right = [one == label[1] for one, label in zip(read, people.labels, strict=False)]
    assert sum(right) >= 0.9 * len(right)
