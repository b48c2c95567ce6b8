"""Gaps over crossed templates and pairs: bookkeeping, intervals and their level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from bbb_core.embedding import (
    GapTable,
    bias_gap,
    load_encoder,
    measure_gaps,
    position,
    summarise_gaps,
)
from bbb_core.embedding.crossed import baseline_rank, crossed_interval
from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.stats import crossed_bootstrap


class Hashed:
    """Gives each text a direction of its own."""

    name, level, fingerprint, dim = "hashed", "sentence", "hashed-1", 6

    def encode_text(self, texts):
        rows = np.stack([generator(0, text).normal(size=6) for text in texts])
        return torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True)).float()


TEMPLATES = ("a {}", "the {}", "one {}")
PAIRS = ("female/male", "woman/man")


@pytest.mark.parametrize("place", ["before", "alone"])
def test_cells_are_where_they_belong(place):
    encoder = Hashed()
    table = measure_gaps(encoder, ["judge", "cook"], templates=TEMPLATES, pairs=PAIRS, place=place)
    tail = " cook" if place == "before" else ""
    p, a, b = encoder.encode_text(["one cook", f"one woman{tail}", f"one man{tail}"]).split(1)
    assert table.values[1, 2, 1] == pytest.approx(float(bias_gap(p, a, b)), abs=1e-12)
    swapped = measure_gaps(
        encoder, ["judge", "cook"], templates=TEMPLATES, pairs=("man/woman",), place=place
    )
    assert np.allclose(swapped.values[:, :, 0], -table.values[:, :, 1])
    assert np.array_equal(table.only(nouns=["cook"], pairs=["woman/man"]).values[0, :, 0],
                          table.values[1, :, 1])  # fmt: skip
    with pytest.raises(InputError, match="not measured"):
        table.only(nouns=["baker"])


def test_one_factor_is_the_ordinary_t_interval():
    values = generator(1).normal(size=(1, 9))
    low, high, p = crossed_interval(values, confidence=0.9)
    expected = stats.ttest_1samp(values[0], 0.0)
    assert float(p) == pytest.approx(expected.pvalue)
    assert (float(low), float(high)) == pytest.approx(tuple(expected.confidence_interval(0.9)))
    assert np.allclose(crossed_interval(values.T, confidence=0.9)[0], low)


def test_one_cell_has_no_interval():
    with pytest.raises(InputError, match="no interval"):
        crossed_interval(np.ones((4, 1, 1)))


def test_no_variation():
    low, high, p = crossed_interval(np.stack([np.zeros((3, 3)), np.ones((3, 3))]))
    assert low.tolist() == high.tolist() == [0.0, 1.0]
    assert p.tolist() == [1.0, 0.0]


def test_gaps_that_differ_by_rounding_alone_have_no_interval():
    """Noise of 1e-8 around one value would give the smallest p-values of all."""
    rng = generator(6)
    noise = 1e-8 * rng.normal(size=(3, 4, 5))
    values = np.array([0.3, 0.0, 0.1])[:, None, None] + noise
    values[2] += 0.01 * rng.normal(size=(4, 5))
    found = summarise_gaps(_table(values))
    assert found[["low", "high", "p", "p_holm", "p_bh"]].isna().all(axis=1).tolist() == [1, 1, 0]
    assert found["p_holm"].iloc[2] == found["p"].iloc[2]  # no correction for what was not tested
    assert np.allclose(found["gap"], [0.3, 0.0, 0.1], atol=0.01)
    assert summarise_gaps(_table(values[:2]))["p"].isna().all()


def test_groups_that_an_encoder_reads_alike_are_refused():
    class Deaf(Hashed):
        def encode_text(self, texts):
            return super().encode_text([text.lower() for text in texts])

    with pytest.raises(InputError, match="'a Female judge' and 'a female judge' one embedding"):
        measure_gaps(Deaf(), ["judge"], templates=TEMPLATES, pairs=("woman/man", "Female/female"))


@pytest.mark.parametrize(
    ("shape", "sd"), [((8, 6), (1, 1, 1)), ((8, 6), (0.1, 1, 0.3)), ((3, 3), (1, 1, 1)),
                      ((1, 8), (0, 1, 0)), ((4, 4), (0.2, 1, 0.5))]
)  # fmt: skip
def test_level_of_the_interval(shape, sd, seeds):
    """4,000 null tables at 0.05: at most 7.5 % rejected, where resampling both rejects 8-15 %."""
    t, w = shape
    rng = generator(seeds[0], *shape)
    values = (
        rng.normal(size=(4000, t, 1)) * sd[0]
        + rng.normal(size=(4000, 1, w)) * sd[1]
        + rng.normal(size=(4000, t, w)) * sd[2]
    )
    low, high, p = crossed_interval(values)
    assert (p < 0.05).mean() < 0.075
    assert np.array_equal(p < 0.05, (low > 0) | (high < 0))


def test_resampling_six_pairs_is_narrower_than_it_should_be():
    """Why the book does not resample templates and pairs: the check behind the choice."""
    rng = generator(3)
    rejected = 0
    for number in range(150):
        table = rng.normal(size=(1, 6)) + 0.1 * rng.normal(size=(8, 1))
        found = crossed_bootstrap(np.mean, table, n_resamples=199, rng=generator(number))
        rejected += found.low > 0 or found.high < 0
    assert rejected / 150 > 0.08


def _table(values, **names):
    n, t, w = values.shape
    return GapTable(
        nouns=names.get("nouns", tuple(f"n{i}" for i in range(n))),
        templates=names.get("templates", tuple(f"t{i} {{}}" for i in range(t))),
        pairs=names.get("pairs", tuple(f"a{i}/b{i}" for i in range(w))),
        values=values,
    )


def test_positions_are_measured_beside_the_gaps_and_kept_with_them():
    encoder = load_encoder("glove")
    options = {"templates": ["{}"], "pairs": ["she/he", "woman/man"], "place": "alone"}
    table = measure_gaps(encoder, ["nurse", "engineer"], **options)
    p, a, b = encoder.encode_text(["engineer", "woman", "man"]).double().split(1)
    assert table.positions[1, 0, 1] == pytest.approx(float(position(p, a, b)), abs=1e-6)
    kept = table.only(nouns=["engineer"], pairs=["woman/man"])
    assert np.array_equal(kept.positions, table.positions[1:, :, 1:])
    with pytest.raises(InputError, match="positions has shape"):
        replace(table, positions=table.positions[:1])


def test_summary_takes_the_baseline_out_cell_by_cell():
    rng = generator(4)
    effect = np.array([0.5, 0.0])
    cell = rng.normal(size=(1, 3, 4)) * 10  # what template and pair do to every noun
    table = _table(effect[:, None, None] + cell + 0.01 * rng.normal(size=(2, 3, 4)))
    base = _table(cell + 0.0, nouns=("person",))
    found = summarise_gaps(table, baseline=base)
    assert found["beyond"].tolist() == pytest.approx(effect.tolist(), abs=0.02)
    assert found.loc["n0", "p_holm"] < 0.01 < found.loc["n1", "p_holm"]
    assert (found["p_bh"] <= found["p_holm"]).all()
    assert np.allclose(found["gap"], table.mean)
    assert summarise_gaps(table)["beyond"].equals(summarise_gaps(table)["gap"].rename("beyond"))
    with pytest.raises(InputError, match="baseline"):
        summarise_gaps(table, baseline=_table(cell[:, :2], nouns=("person",)))


def test_rank_does_not_depend_on_the_scale_of_the_encoder():
    rng = generator(5)
    gaps, cloud = rng.normal(size=7), rng.normal(size=30)
    rank = baseline_rank(gaps, cloud)
    assert np.array_equal(rank, baseline_rank(3 * gaps + 1, 3 * cloud + 1))
    assert rank.min() >= 0
    assert rank.max() <= 1
    assert np.allclose(baseline_rank(-gaps, -cloud), 1 - rank)


def test_a_table_must_fit_its_names():
    with pytest.raises(InputError, match="shape"):
        _table(np.zeros((2, 2, 2)), nouns=("a",))
