"""The chain over encoders: captions, towers, measures by hand, and the chapter's tables."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bbb_book.chapters.generalisation import (
    chain_claims,
    chain_tables,
    encoder_signatures,
    figures,
)
from bbb_book.chapters.generalisation.chain import ChainSettings, measure_chain
from bbb_book.chapters.generalisation.chain_encoders import (
    GROUPS,
    caption_batches,
    fingerprint,
    open_space,
    split_spec,
)
from bbb_book.chapters.generalisation.chain_summary import (
    LEVELS,
    STAGES,
    Chain,
    Encoder,
    stage_effects,
    variance_shares,
)
from bbb_book.chapters.generalisation.image_tower import TowerConfig, train_image_tower
from bbb_book.data import emoji
from bbb_core import rng
from bbb_core.errors import InputError

TINY = ChainSettings(
    channels=(16, 16), steps=2, batch=4, scorer_steps=2, n_neutral=2, n_group=2, n_averaged=2,
    reverse_steps=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def drawings() -> emoji.EmojiPeople:
    return emoji.load_emoji_people(size=16, groups=GROUPS)


def made_up(spec: str, seed: int, slope: float, *, gap: float = 0.4, n: int = 60) -> Chain:
    """Return a chain whose images follow the prompt with `slope` and whose plain score has a gap.

    Average-then-score repairs the gap, subclass-score doubles it.
    """
    g = rng.generator(seed, "made-up chain", spec)
    lean = np.linspace(-0.8, 0.8, 20)
    man, woman = np.eye(8)[:2]
    prompts = np.zeros((20, 3, 8))
    prompts[:, 1], prompts[:, 2] = man, woman
    prompts[:, 0] = (1 - lean[:, None]) / 2 * man + (1 + lean[:, None]) / 2 * woman
    women = g.binomial(n, (1 + slope * lean) / 2)
    counts = np.stack([n - women, women, 0 * women], 1)
    scores = 0.02 * g.standard_normal((20, 2, 30, 20, 3))
    scores[np.arange(20), :, :, np.arange(20)] += 1.0
    scores[np.arange(20), 1, :, np.arange(20), 0] += gap
    scores[np.arange(20), 1, :, np.arange(20), 1:] += [2 * gap, -2 * gap]
    named = np.zeros((20, 2, 3), int)
    named[:, 0, 0] = named[:, 1, 1] = 30
    values = {
        "prompts": prompts, "neutral": counts, "averaged": counts, "group": named,
        "read_group": np.broadcast_to(np.arange(2)[:, None], (20, 2, 30)),
        "read_occupation": np.broadcast_to(np.arange(20)[:, None, None], (20, 2, 30)),
        "right_neutral": 1.0, "scores": scores, "persons": np.zeros((20, 2, 30, 2)),
        "sheet": np.zeros((20, 2, 3, 16, 16), np.uint8), "losses": np.ones(3),
        "seconds": np.ones(4),
    }  # fmt: skip
    return Chain(spec, seed, values)


@pytest.fixture(scope="module")
def encoders() -> list[Encoder]:
    slopes = {"minilm": 0.9, "clip:labour": 0.8, "glove": -0.9}
    return [Encoder(s, tuple(made_up(s, i, k) for i in (0, 1))) for s, k in slopes.items()]


def test_specs():
    assert split_spec("clip:men:0.7@96") == ("men:0.7", 96)
    assert split_spec("open_clip:ViT-B-32/openai") is None
    for wrong, words in (("clip:labour@x", "width"), ("clip:magic", "bias")):
        with pytest.raises(InputError, match=words):
            split_spec(wrong)
    assert fingerprint("clip:labour") == "clip:labour"
    assert fingerprint("glove") != "glove"


def test_captions_come_with_fitting_drawings(drawings, monkeypatch):
    """Two thousand neutral captions at a share of .8 err beyond .05 once in ten million runs."""
    monkeypatch.setattr(emoji, "augment", lambda images, generator: images)
    batch = caption_batches(drawings, np.full(20, 0.8))
    flat = drawings.images.flatten(1)
    g, men, total = rng.torch_generator(0, "captions"), 0, 0
    for _ in range(100):
        images, numbers = batch(g)
        rows = (images.flatten(1)[:, None] == flat).all(-1).int().argmax(1)
        for number, row in zip(numbers.tolist(), rows.tolist(), strict=True):
            kind, noun = divmod(number, 21)
            occupation, group, _ = drawings.labels[row]
            assert noun == 20 or occupation == emoji.OCCUPATIONS[noun]
            assert kind == 0 or group == GROUPS[kind - 1]
            if kind == 0 and noun < 20:
                men, total = men + (group == "man"), total + 1
    assert total == 2000
    assert abs(men / total - 0.8) < 0.05
    assert caption_batches(drawings, np.full(20, 0.5), kinds=(1, 2))(g)[1].tolist() == [
        *range(21, 63)
    ]


def test_a_tower_learns_its_captions():
    """Eight plain pictures against eight fixed rows: each ends nearest to its own caption."""
    rows = torch.nn.functional.normalize(
        torch.randn(8, 6, generator=rng.torch_generator(1, "rows")), dim=1
    )
    pictures = torch.rand(8, 3, 8, 8, generator=rng.torch_generator(1, "pictures"))

    def batches(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        order = torch.randperm(8, generator=generator)
        return pictures[order], order

    config = TowerConfig(size=8, patch=4, width=32, layers=1, steps=60, learning_rate=5e-3)
    before = torch.random.get_rng_state()
    tower, losses = train_image_tower(config, rows, batches)
    again, _ = train_image_tower(config, rows, batches)
    assert torch.equal(before, torch.random.get_rng_state())
    v = tower.encode_image(pictures)
    assert torch.equal(v, again.encode_image(pictures))
    assert torch.allclose(v.norm(dim=1), torch.ones(8), atol=1e-5)
    assert (v @ rows.T).argmax(1).tolist() == list(range(8))
    assert losses[-5:].mean() < losses[:5].mean() / 2
    with pytest.raises(InputError, match="shape"):
        tower.encode_image(torch.zeros(1, 3, 16, 16))
    with pytest.raises(InputError, match="norm"):
        train_image_tower(config, 2 * rows, batches)
    with pytest.raises(InputError, match="multiple"):
        TowerConfig(size=10, patch=4)


@pytest.mark.parametrize("spec", ["glove", "clip:men:0.8@32"])
def test_spaces_have_unit_rows(spec, drawings):
    space, losses = open_space(spec, drawings, steps=1, seed=0)
    assert space.prompts.shape[:2] == (20, 3)
    assert torch.allclose(space.prompts.norm(dim=-1), torch.ones(20, 3), atol=1e-4)
    v = space.embed_images(drawings.images[:3])
    assert v.shape == (3, space.prompts.shape[-1])
    assert len(losses) == 1


def test_a_table_of_rows_is_an_encoder(drawings, tmp_path):
    nouns, kinds = (*emoji.OCCUPATIONS, "person"), (None, *GROUPS)
    texts = [emoji.caption(noun, kind) for kind in kinds for noun in nouns]
    rows = rng.generator(0, "table").standard_normal((63, 5))
    path = tmp_path / "rows.npz"
    np.savez(path, texts=np.array(texts), embeddings=rows)
    space, _ = open_space(f"table:{path}", drawings, steps=1, seed=0)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert np.allclose(space.prompts[0, :, :], unit[[0, 21, 42]], atol=1e-6)
    assert np.allclose(space.persons, unit[[41, 62]], atol=1e-6)
    assert space.embed_images(drawings.images[:2]).shape == (2, 5)


def test_a_tiny_chain_runs_and_repeats():
    one, other = (measure_chain("glove", TINY, 3) for _ in range(2))
    assert one["scores"].shape == (20, 2, 2, 20, 3)
    assert (one["neutral"].sum(1) == 2).all()
    assert (one["group"].sum(-1) == 2).all()
    for name in ("prompts", "neutral", "scores", "sheet"):
        assert np.array_equal(one[name], other[name])


def test_measures_by_hand():
    chain = made_up("minilm", 0, 0.9)
    assert np.allclose(chain.prompt_lean, np.linspace(-0.8, 0.8, 20))
    counts = chain.counts("neutral")
    assert np.allclose(chain.image_lean, (counts[:, 1] - counts[:, 0]) / 60)
    assert np.allclose(chain.imbalance("neutral"), np.abs(counts[:, 1] / 60 - 0.5))
    assert np.allclose(chain.imbalance("subclass"), 0)
    assert chain.named == (1200, 1200)
    # One image in twenty fits, at 1 or 1.4: the variance over images, by prompt, in closed form.
    spread = np.sqrt((1 + 1.4**2) / 40 - (2.4 / 40) ** 2 + 0.02**2)
    assert chain.score_gap("plain").mean() == pytest.approx(0.4 / spread, rel=0.02)
    assert abs(chain.score_gap("average-then-score").mean()) < 0.1
    assert chain.score_gap("subclass-score").mean() > chain.score_gap("plain").mean()
    assert abs(chain.score_error("average-then-score").mean()) < 0.01


def test_audit_error_is_unbiased():
    """Without a gap the 400 errors average to zero within five standard errors."""
    errors = np.concatenate([made_up("e5", i, 0, gap=0.0).score_error() for i in range(20)])
    assert abs(errors.mean()) < 5 * errors.std() / 20
    assert errors.min() < 0


def test_shares_of_variance_are_recovered():
    """Planted components 1, 4 and .25 over 400 occupations: shares within .06 (about 4 errors)."""
    g = rng.generator(2, "variance")
    table = (
        g.standard_normal((400, 1, 1))
        + 2 * g.standard_normal((400, 6, 1))
        + 0.5 * g.standard_normal((400, 6, 3))
        + 10 * g.standard_normal((1, 6, 3))
    )
    found = variance_shares(table)
    parts = (found.occupation, found.crossed, found.rest)
    assert sum(parts) == pytest.approx(1)
    assert parts == pytest.approx((1 / 5.25, 4 / 5.25, 0.25 / 5.25), abs=0.06)
    assert variance_shares(np.zeros((4, 2, 2))).rest == 1


def test_tables_and_claims(encoders):
    effects, _, found = stage_effects(encoders, "prompt to images")
    assert effects[0] > 1
    assert effects[2] < -1
    assert found.i_squared > 0.9
    options = {"confidence": 0.95}
    assert chain_claims.record_named(encoders, **options).verdict == "holds"
    assert chain_claims.record_imbalance(encoders, **options).value > 0.1
    flip = chain_claims.record_no_flip(encoders, **options)
    assert flip.verdict == "fails"
    assert chain_claims.record_no_flip(encoders[:2], **options).verdict == "holds"
    made = chain_claims.record_occupation(encoders, n_resamples=50, seed=0, **options)
    assert made.value < 0.5
    assert chain_claims.record_subclass_sampling(encoders, **options).verdict == "holds"
    assert chain_claims.record_subclass_score(encoders, **options).verdict == "fails"
    for stage, claim in (
        ("prompt to images", "general-text-to-image"),
        ("prompt to scores", "general-text-to-score"),
    ):
        made = chain_claims.record_stage(encoders, stage, claim, **options)
        assert made.low <= made.value <= made.high
    signs = chain_tables.stays_and_flips(encoders)
    assert signs.loc["prompt to images", ["surely +", "surely -"]].tolist() == [2, 1]
    assert list(signs.index) == list(STAGES)
    assert len(chain_tables.generators_table(encoders)) == 6
    assert len(chain_tables.embeddings_table(encoders)) == 3
    chain_claims.show_levels(encoders, confidence=0.95)
    assert "seconds for all scores" in chain_tables.settings_table(TINY, encoders).index


def test_signatures_of_encoders(encoders):
    found, across = encoder_signatures.signatures(
        encoders, high=0.1, least=0.2, flip=0.0, unexplained=0.5
    )
    one = {signature.name: signature for signature in found["minilm"]}
    assert one["high total variation"].verdict == "triggered"
    assert one["averaged prompt"].verdict == "triggered"
    assert one["subclass sampling"].verdict == "not triggered"
    assert one["average-then-score"].verdict == "not triggered"
    assert one["subclass-score"].verdict == "triggered"
    assert [s.name for s in across["prompt to images"]] == ["opposite signs", "differing encoders"]
    assert {s.verdict for s in across["prompt to images"]} == {"triggered"}
    assert list(across) == [*(f"mean {name}" for name in LEVELS), *STAGES]
    table = encoder_signatures.signature_table(found)
    assert table.loc["minilm", "averaged prompt (> 0.8)"].startswith("triggered: 1.00")
    assert (
        encoder_signatures.signature_table(across)
        .loc["prompt to images"]
        .str.startswith("triggered")
        .all()
    )
    encoder_signatures.show_signatures(found, across)


def test_figures(encoders):
    for draw in (figures.forest, figures.scatter, figures.leans, figures.mitigations):
        assert draw(encoders).get_axes()
    assert figures.sheet(encoders).get_axes()
