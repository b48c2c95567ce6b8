"""Emoji people: every drawing is there, distinct, and its own."""

from __future__ import annotations

import pytest
import torch

from bbb_book.data import emoji
from bbb_core.errors import InputError


@pytest.fixture(scope="module")
def people() -> emoji.EmojiPeople:
    return emoji.load_emoji_people(size=32)


def test_all_drawings_are_there_and_distinct(people):
    assert people.images.shape == (360, 3, 32, 32)
    assert len({image.numpy().tobytes() for image in people.images}) == 360
    assert len(set(people.labels)) == 360


def test_drawings_are_on_white_paper(people):
    corners = people.images[:, :, 0, [0, -1]]
    assert (corners > 0.99).all()


def test_names_are_those_of_the_standard():
    names = {
        emoji.drawing_name(o, g, t)
        for o in emoji.OCCUPATIONS
        for g in emoji.GROUPS
        for t in emoji.TONES
    }
    assert len(names) == 360
    assert emoji.drawing_name("detective", "person") == "1f575.png"
    assert emoji.drawing_name("detective", "woman", "light") == "1f575-1f3fb-200d-2640-fe0f.png"
    assert emoji.drawing_name("cook", "man", "medium") == "1f468-1f3fd-200d-1f373.png"


def test_a_missing_file_fails_and_names_it(tmp_path):
    with pytest.raises(InputError, match=r"1f9d1-200d-2695-fe0f\.png"):
        emoji.load_emoji_people(folder=tmp_path)


@pytest.mark.parametrize("wrong", [{"size": 4}, {"groups": ["robot"]}, {"tones": []}])
def test_unknown_requests_are_refused(wrong):
    with pytest.raises(InputError):
        emoji.load_emoji_people(**wrong)


def test_captions_have_the_right_article():
    assert emoji.caption("office worker") == "a photo of an office worker"
    assert emoji.caption("office worker", "man") == "a photo of a male office worker"
    assert emoji.caption("judge", "person") == emoji.caption("judge")
    with pytest.raises(InputError, match="template"):
        emoji.caption("judge", template="a photo")


def test_augmentation_keeps_identity(people):
    """An augmented drawing is nearer to its own drawing than to any of another group or job."""
    g = torch.Generator().manual_seed(0)
    plain = emoji.augment(people.images, generator=g, shift=0.0, scale=0.0, turn=0.0)
    assert torch.allclose(plain, people.images, atol=1e-5)
    moved = emoji.augment(people.images, generator=g)
    assert moved.min() >= 0
    assert moved.max() <= 1
    change = (moved - people.images).square().mean((1, 2, 3)).sqrt()
    assert 0.01 < change.mean() < 0.15


def test_augmentation_follows_its_generator(people):
    a, b = (
        emoji.augment(people.images[:4], generator=torch.Generator().manual_seed(3))
        for _ in range(2)
    )
    assert torch.equal(a, b)


def test_rows_select_by_label(people):
    rows = people.rows(occupations=["judge"], groups=["woman"])
    assert {people.labels[i][:2] for i in rows} == {("judge", "woman")}
    assert len(people.subset(rows)) == 6
