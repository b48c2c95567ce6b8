"""The trained reader: its images, its limit, its storage and what it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bbb_book.data.emoji import augment, load_emoji_people
from bbb_book.readers.classifier import AttributeNet, AttributeReader
from bbb_book.readers.images import not_people, recombined
from bbb_book.readers.training import ReaderTraining, check_reader, folds, train_reader
from bbb_core.balance.shares import NONE
from bbb_core.errors import InputError
from bbb_core.rng import torch_generator

TINY = ReaderTraining(steps=3, batch=12, width=8)


@pytest.fixture(scope="module")
def people():
    return load_emoji_people(
        occupations=["health worker", "farmer", "technologist", "student"],
        groups=("man", "woman"),
        tones=("light", "medium", "dark"),
    )


def test_recombined_people_keep_head_group_and_tone(people):
    images, changed = recombined(
        people.images, people.labels, share=1.0, generator=torch_generator(0)
    )
    top = images.shape[-1] // 2
    torch.testing.assert_close(images[:, :, :top], people.images[:, :, :top])
    assert changed.any()
    lower = people.images[:, :, -6:]
    for i in torch.nonzero(changed)[:, 0].tolist():
        donors = [
            j for j, x in enumerate(people.labels) if torch.equal(lower[j], images[i, :, -6:])
        ]
        assert any(people.labels[j][1:] == people.labels[i][1:] for j in donors)
    same, none = recombined(people.images, people.labels, share=0.0, generator=torch_generator(0))
    torch.testing.assert_close(same, people.images)
    assert not none.any()


def test_images_of_nobody_differ_from_every_drawing(people):
    made = not_people(people.images, people.labels, generator=torch_generator(1))
    assert made.shape == people.images.shape
    assert float(made.min()) >= 0
    assert float(made.max()) <= 1
    distance = torch.cdist(made.flatten(1), people.images.flatten(1)).min(dim=1).values
    assert float(distance.min()) > 1
    men = people.subset(people.rows(groups=["man"]))
    with pytest.raises(InputError, match="one group only"):
        not_people(men.images, men.labels, generator=torch_generator(1))


def test_training_is_repeatable_and_leaves_global_state_alone(people):
    before = torch.random.get_rng_state()
    a, b = train_reader(people, TINY), train_reader(people, TINY)
    other = train_reader(people, TINY, key="other")
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(a.read(people.images).refusal, b.read(people.images).refusal)
    assert not np.array_equal(a.read(people.images).refusal, other.read(people.images).refusal)


def test_reading_does_not_depend_on_the_batch(people):
    reader = train_reader(people, TINY)
    one = reader.read(people.images, batch=5)
    np.testing.assert_allclose(one.refusal, reader.read(people.images).refusal, atol=1e-5)


def test_storage(people):
    reader = train_reader(people, TINY).calibrated(people.images, refused=0.1)
    again = AttributeReader.from_state(reader.state())
    a, b = reader.read(people.images), again.read(people.images)
    assert (a.groups, a.tones, a.occupations) == (b.groups, b.tones, b.occupations)
    assert again.limit == reader.limit


def test_refused_images_count_as_none(people):
    reader = train_reader(people, TINY)
    never = AttributeReader(reader.net, reader.names, limit=-1e9).read(people.images)
    assert set(never.groups) == {NONE}
    assert never.counts(["man", "woman"]) == {"man": 0, "woman": 0, NONE: len(people)}
    always = AttributeReader(reader.net, reader.names, limit=1e9).read(people.images)
    assert NONE not in always.groups
    with pytest.raises(InputError, match="not among the names"):
        always.counts(["cat"])


def test_limit_is_the_conformal_quantile(people):
    reader = train_reader(people, TINY)
    scores = np.sort(reader.read(people.images).refusal)
    n = len(scores)
    limit = reader.calibrated(people.images, refused=0.2).limit
    assert limit == pytest.approx(scores[int(np.ceil((n + 1) * 0.8)) - 1])
    with pytest.raises(InputError, match="at least 99"):
        reader.calibrated(people.images, refused=0.01)


def test_bad_images(people):
    reader = train_reader(people, TINY)
    with pytest.raises(InputError, match=r"is nan"):
        reader.read(torch.full((1, 3, 32, 32), float("nan")))
    with pytest.raises(InputError, match=r"n, 3, h, w"):
        reader.read(torch.zeros(0, 3, 32, 32))
    with pytest.raises(InputError, match="one group"):
        train_reader(people.subset(people.rows(groups=["man"])), TINY)
    with pytest.raises(InputError, match="multiple of 8"):
        ReaderTraining(width=12)


def test_folds_hold_everything_out_once():
    parts = folds(list("abcdefg"), 3)
    assert sorted(name for part in parts for name in part) == list("abcdefg")
    assert {len(p) for p in parts} == {2, 3}


@pytest.mark.parametrize("hold_out", ["tone", "occupation"])
def test_check_counts_every_drawing(people, hold_out):
    found = check_reader(people, TINY, hold_out=hold_out, n_folds=2, copies=2, refused=0.2)
    assert len(found.readings) == 2 * len(people)
    confusion = found.confusion
    shown = dict(zip(confusion.groups, confusion.counts.sum(1).tolist(), strict=True))
    assert shown == {"man": len(people), "woman": len(people), NONE: 2 * len(people)}
    assert confusion.labels == ("man", "woman", NONE)
    assert 0 <= found.accuracy.low <= found.accuracy.value <= found.accuracy.high <= 1


def test_it_learns(people):
    """Deterministic on one machine; other arithmetic moves single readings, not the margin."""
    reader = train_reader(people, ReaderTraining(steps=150, batch=24, width=8))
    shown = augment(people.images, generator=torch_generator(2))
    read = reader.read(shown)
    right = [g in (label[1], NONE) for g, label in zip(read.groups, people.labels, strict=True)]
    assert np.mean(right) >= 0.9
    assert (
        reader.read(torch.rand(20, 3, 32, 32, generator=torch_generator(3))).groups == [NONE] * 20
    )


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_shortest_training_ends(people, steps):
    reader = train_reader(people, ReaderTraining(steps=steps, batch=4, width=8))
    assert len(reader.read(people.images[:2]).groups) == 2


def test_network_takes_any_size():
    with torch.random.fork_rng():
        net = AttributeNet([2, 3, 4], width=8)
    for side in (16, 32, 64):
        shapes = [tuple(x.shape) for x in net(torch.zeros(5, 3, side, side))]
        assert shapes == [(5, 2), (5, 3), (5, 4), (5, 1)]
