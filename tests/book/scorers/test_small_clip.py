"""The small CLIP: words, shapes, streams; it learns, and caption bias does what it is set to."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bbb_book.data import emoji
from bbb_book.scorers import caption_bias
from bbb_book.scorers import design as score_design
from bbb_book.scorers.small_clip import SmallClip, WordTokenizer, train_small_clip
from bbb_core.errors import InputError

TINY = {"dim": 8, "width": 32, "vision_layers": 1, "text_layers": 1}


def colours(generator):
    """Return four plain colours and their names."""
    base = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [0.5, 0.5, 0.5]])
    noise = 0.1 * torch.rand((4, 3, 32, 32), generator=generator)
    return (base[:, :, None, None] * 0.8 + noise).clamp(0, 1), ["red", "green", "blue", "grey"]


def test_learns_and_repeats_itself():
    names = ["red", "green", "blue", "grey"]
    model = SmallClip(**TINY, steps=60, seed=1)
    encoder, losses = train_small_clip(model, names, colours)
    again, _ = train_small_clip(model, names, colours)
    images, _ = colours(torch.Generator().manual_seed(5))
    v, t = encoder.encode_image(images), encoder.encode_text(names)
    assert (v @ t.T).argmax(1).tolist() == [0, 1, 2, 3]
    assert losses[-10:].mean() < losses[:10].mean()
    assert torch.equal(again.encode_text(names), t)
    assert torch.allclose(t.norm(dim=1), torch.ones(4), atol=1e-5)


def test_unknown_words_and_long_texts_are_refused():
    tokenizer = WordTokenizer(["a photo of a judge"], context=7)
    assert tokenizer(["a judge"])[0, :4].tolist() == [
        1,
        tokenizer.ids["a"],
        tokenizer.ids["judge"],
        tokenizer.end,
    ]
    with pytest.raises(InputError, match="never read"):
        tokenizer(["a photo of a nurse"])
    with pytest.raises(InputError, match="at most 5"):
        tokenizer(["a photo of a judge a judge"])


def test_sizes_are_checked():
    with pytest.raises(InputError, match="multiple of"):
        SmallClip(size=30)


def test_shares_of_men():
    labour = caption_bias.shares_of_men("labour")
    assert np.allclose(labour + caption_bias.shares_of_men("reversed"), 1)
    assert labour[emoji.OCCUPATIONS.index("construction worker")] > 0.9
    assert (caption_bias.shares_of_men("balanced") == 0.5).all()
    for bad in ("men:", "men:2", "none", "men:x"):
        with pytest.raises(InputError):
            caption_bias.shares_of_men(bad)


def test_occupations_without_a_share_are_even_and_named():
    even = caption_bias.without_share("labour")
    named = [o in caption_bias.LABOUR_NAMES for o in emoji.OCCUPATIONS]
    assert even.sum() == len(emoji.OCCUPATIONS) - sum(named) > 0
    for bias in ("labour", "reversed"):
        assert (caption_bias.without_share(bias) == (caption_bias.shares_of_men(bias) == 0.5)).all()
    for bias in ("balanced", "men:0.5"):  # even on purpose
        assert not caption_bias.without_share(bias).any()
    with pytest.raises(InputError, match="men:SHARE"):
        caption_bias.without_share("none")


def test_neutral_captions_follow_the_share(seeds):
    people = caption_bias.people(8)
    batch = caption_bias._batches(people, caption_bias.shares_of_men("men:0.9"))
    marked = emoji.EmojiPeople(
        torch.stack([torch.full((3, 8, 8), float(g == "man")) for _, g, _ in people.labels]),
        people.labels,
    )
    batch = caption_bias._batches(marked, caption_bias.shares_of_men("men:0.9"))
    stream = torch.Generator().manual_seed(seeds[0])
    men = torch.stack([batch(stream)[0][:20].mean(dim=(1, 2, 3)) > 0.5 for _ in range(40)])
    assert abs(men.double().mean() - 0.9) < 0.04  # 800 draws, 4 standard deviations
    images, texts = batch(stream)
    assert len(texts) == len(images) == 63
    assert (images[21:41].mean(dim=(1, 2, 3)) > 0.5).all()  # captions that name men


def test_held_out_drawings_and_design():
    people = caption_bias.people(8)
    held = caption_bias.held_out_drawings(people).reshape(20, 2, 6)
    assert (held.sum(axis=2) == 2).all()
    design = score_design.audit_design(1, 0)
    assert len(design.truth) == 20 * 2 * 6 * 5
    assert (design.other != design.prompt).all()
    for group in (0, 1):  # the truth is group-blind, within every prompt
        for prompt in (0, 7):
            rows = (design.group == group) & (design.prompt == prompt)
            assert design.truth[rows].mean() == 0.5
