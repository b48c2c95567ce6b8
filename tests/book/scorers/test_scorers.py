"""Scorers and generators of one's own: counts, images and published models in the chapters."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bbb_book.chapters.alignment_auditing.scorer_bias import scorer_card
from bbb_book.chapters.reward_for_imbalance.drawn_shares import (
    SYNTHETIC,
    generators_said,
    load_shares,
)
from bbb_book.chapters.reward_for_imbalance.rewards import ranking
from bbb_book.data import emoji
from bbb_book.scorers.caption_bias import people, train_scorer
from bbb_book.scorers.design import score_images
from bbb_book.scorers.models import SMALL_CLIP, chosen_scorer
from bbb_core.errors import InputError


def tiny_open_clip(folder: Path) -> str:
    """Write a randomly initialised CLIP of one layer and return its spec."""
    import open_clip
    from safetensors.torch import save_file

    folder.mkdir()
    vision = {"image_size": 32, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16}
    text = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    cfg = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = open_clip.model.CLIP(**cfg)
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    said = {"model_cfg": cfg, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}
    (folder / "open_clip_config.json").write_text(json.dumps(said))
    return f"open_clip:local/{folder}"


def test_rankings_from_a_table_of_counts(models, tmp_path):
    """A generator of men only earns the price of men; one of half each earns nothing."""
    rows = ["generator,prompt,man,woman"]
    for name, (men, women) in {"even": (5, 5), "lopsided": (10, 0)}.items():
        rows += [f"{name},{o},{men},{women}" for o in emoji.OCCUPATIONS]
    file = tmp_path / "counts.csv"
    file.write_text("\n".join(rows))
    table = ranking(models, "men:0.8", str(file))
    assert table.loc["even", "plain (SD)"] == "+0.000"
    assert (
        table.loc["lopsided", "plain (SD)"]
        == ranking(models, "men:0.8", SYNTHETIC).loc["men only", "plain (SD)"]
    )
    assert "counts.csv" in generators_said(str(file))
    assert "set by hand" in generators_said(SYNTHETIC)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("generator,prompt,man\na,judge,1", "no column 'woman'"),
        ("generator,prompt,man,woman\na,judge,0,0", "line 2"),
        ("generator,prompt,man,woman\n,judge,1,0", "line 2: generator is empty"),
        ("generator,prompt,man,woman\na,judge,,1", "line 2"),
        ("generator,prompt,man,woman\na,judge,1,0\na,judge,1,0", "2 rows for 'judge'"),
        ("generator,prompt,man,woman\na,cook,1,0", "0 rows for 'judge'"),
    ],
)
def test_bad_counts_are_named(tmp_path, text, message):
    file = tmp_path / "counts.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        load_shares(file, prompts=["judge"], groups=["man", "woman"])
    with pytest.raises(InputError, match="cannot be read"):
        load_shares(tmp_path / "none.csv", prompts=["judge"], groups=["man", "woman"])


def test_images_of_a_generator_are_scored():
    """A prototype scorer prefers the picture of the right occupation; wrong names are refused."""
    encoder, _ = train_scorer("prototype", "men:0.8", steps=40, seed=0)
    drawings = people()
    rows = drawings.rows(occupations=["judge", "cook"], groups=["man"], tones=["light"])
    images = drawings.images[rows]
    names = [drawings.labels[r][0] for r in rows]
    right, wrong = (score_images(encoder, images, list(asked)) for asked in (names, names[::-1]))
    assert (right > wrong).all()
    with pytest.raises(InputError, match="unknown"):
        score_images(encoder, images, ["judge", "nurse"])


@pytest.mark.filterwarnings("ignore:.*:UserWarning", "ignore::FutureWarning")
def test_a_published_model_takes_the_place_of_the_small_clip(tmp_path, monkeypatch, models):
    """Random weights of open_clip's smallest text and image towers, loaded by a spec."""
    spec = tiny_open_clip(tmp_path / "clip")
    monkeypatch.setenv("BBB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("bbb_core.embedding.clip_weights._fetch", lambda repository, revision: None)
    default = models.of("balanced")[0]
    assert chosen_scorer(SMALL_CLIP, default, repeats=1, pool=4) is default
    found = chosen_scorer(spec, default, repeats=1, pool=4)
    assert found.encoder == spec
    assert np.isfinite(found.score("plain")).all()
    assert len(scorer_card(found)) == 7
    with pytest.raises(InputError, match="hub did not give them"):
        chosen_scorer("open_clip:ViT-B-32/laion2b_s34b_b79k", default, repeats=1, pool=4)
    with pytest.raises(InputError, match="embeds no images"):
        chosen_scorer("minilm", default, repeats=1, pool=4)
