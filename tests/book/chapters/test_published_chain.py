"""The chain in a real model: known numbers come back, closed forms hold, and the page says so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from bbb_book.chapters.published_generations import chain_figures, chain_page, chain_trials
from bbb_book.chapters.published_generations.chain_measures import (
    GENDERED,
    measure_chain,
    wording_error,
)
from bbb_book.chapters.published_generations.chain_model import (
    QUANTITIES,
    ChainData,
    chain_estimates,
    chain_fit,
    implied,
)
from bbb_book.chapters.published_generations.published_audit import ABSENT
from bbb_book.results.storage import load, store
from bbb_core.errors import InputError
from bbb_core.rng import generator


def fit(data: ChainData) -> dict[str, float]:
    values = chain_fit(*(column[None] for column in data.arrays()))[0]
    return dict(zip(QUANTITIES, values.tolist(), strict=True))


@pytest.mark.parametrize("name", chain_trials.DESIGNS)
def test_planted_slopes_come_back_from_counts_with_errors(name):
    """Bias, not chance: 20,000 occupations, errors of the fit about .02 (.05 with skewed ones)."""
    design = chain_trials.DESIGNS[name]
    found = fit(chain_trials.simulated(design, 20_000, generator(3, name)))
    normal = design.tail == "normal"
    assert found["training"] == pytest.approx(design.training, abs=0.05 if normal else 0.12)
    assert found["embedding"] == pytest.approx(design.embedding, abs=0.06 if normal else 0.12)


def test_without_the_correction_few_faces_would_hide_the_training_share():
    """The plain regression of empirical log-odds, which the fit replaces, errs by far."""
    design = chain_trials.DESIGNS["few images and faces"]
    data = chain_trials.simulated(design, 5000, generator(4))
    odds = [np.log((a + 0.5) / (n - a + 0.5)) for a, n in
            ((data.drawn, data.n), (data.training, data.faces))]  # fmt: skip
    plain = np.linalg.lstsq(
        np.stack([np.ones(5000), odds[1], data.position], 1), odds[0], rcond=None
    )[0]
    assert plain[1] < design.training - 0.2
    assert abs(fit(data)["training"] - design.training) < 0.1


def test_with_endless_counts_it_is_least_squares_on_log_odds():
    """No errors at all: slopes, explained variance and partial correlation in closed form."""
    rng = generator(5)
    z = rng.standard_normal(400)
    tau = 0.5 * z + rng.standard_normal(400)
    eta = 0.3 + 1.2 * tau + 0.5 * z + 0.7 * rng.standard_normal(400)
    counts = [
        np.stack([10**9 - k, k], 1) for k in
        (np.rint(10**9 / (1 + np.exp(-x))).astype(np.int64) for x in (tau, eta))
    ]  # fmt: skip
    found = fit(ChainData.of_counts(*counts, 7 + 3 * z, np.zeros(400)))
    unit = (z - z.mean()) / z.std(ddof=1)
    design = np.stack([np.ones(400), tau, unit], 1)
    slopes, residual = np.linalg.lstsq(design, eta, rcond=None)[:2]
    assert found["training"] == pytest.approx(slopes[1], abs=2e-3)
    assert found["embedding"] == pytest.approx(slopes[2], abs=2e-3)
    explained = 1 - residual[0] / ((eta - eta.mean()) ** 2).sum()
    assert found["r2_both"] == pytest.approx(explained, abs=2e-3)
    left = [x - np.polyval(np.polyfit(tau, x, 1), tau) for x in (eta, z)]
    assert found["partial"] == pytest.approx(np.corrcoef(*left)[0, 1], abs=5e-3)


def test_algebra_of_the_parts():
    """The parts of the variance add up; a partial correlation from correlations by hand."""
    covariance = np.array([[[2.25, 0.9], [0.9, 1.0]]])
    q = dict(zip(QUANTITIES, implied(np.array([[1.4, 0.4]]), covariance, np.array([1.44]))[0],
                 strict=True))  # fmt: skip
    parts = q["only_training"] + q["only_embedding"] + q["shared"] + q["neither"]
    assert parts == pytest.approx(1)
    assert q["training_sd"] == pytest.approx(1.4 * 1.5)
    assert q["training_embedding"] == pytest.approx(0.6)
    total = 1.4**2 * 2.25 + 0.4**2 + 2 * 1.4 * 0.4 * 0.9 + 1.44
    assert q["spread"] ** 2 == pytest.approx(total)
    # at equal tau, eta varies by gamma (z | tau) + deviation, and z by 1 - r^2
    assert q["partial"] == pytest.approx(0.4 * 0.8 / np.sqrt(0.4**2 * 0.64 + 1.44))


def test_intervals_hold_the_estimate_and_few_occupations_are_refused():
    data = chain_trials.simulated(chain_trials.DESIGNS["as measured"], 60, generator(6))
    found = chain_estimates(data, confidence=0.95, n_resamples=49, rng=generator(7))
    assert set(found) == set(QUANTITIES)
    assert all(e.low <= e.value <= e.high for e in found.values())
    with pytest.raises(InputError, match="position has 19 occupations"):
        ChainData.of_counts(np.ones((19, 2)), np.ones((19, 2)), np.arange(19.0), np.zeros(19))
    with pytest.raises(InputError, match="a variance is not negative"):
        ChainData.of_counts(np.ones((20, 2)), np.ones((20, 2)), np.arange(20.0), np.full(20, -1.0))


def test_small_coverage_table_counts_misses():
    made = chain_trials.measure_chain_coverage([20], 2, 19, 0.95, 0)["table"]
    assert len(made) == len(chain_trials.DESIGNS) * len(chain_trials.JUDGED)
    assert ((made["above"] + made["below"]) <= 2).all()
    assert len(chain_trials.chain_coverage_table(made)) == len(chain_trials.DESIGNS)


def test_wording_error_is_the_variance_of_a_mean_of_wordings():
    """Occupation by template noise alone: its variance over the number of templates."""
    rng = generator(8)
    shared = rng.standard_normal((1, 4, 3))  # what a wording does to all occupations is no error
    noise = np.repeat(rng.standard_normal((4000, 4, 1)), 3, axis=2)
    error = wording_error(shared + noise)
    assert error[0] == pytest.approx(1 / 4, rel=0.05)
    assert (error == error[0]).all()


class Planted:
    """A sentence encoder that puts occupation i of n at position i / n, whatever the wording."""

    name, level, fingerprint, dim = "planted", "sentence", "planted", 2

    def __init__(self, names: list[str]) -> None:
        self.place = {name: i / len(names) for i, name in enumerate(names)}

    def encode_text(self, texts):
        angles = []
        for text in texts:
            word = next(name for name in sorted(self.place, key=len, reverse=True) if name in text)
            side = 0.0 if " male" in text else 1.0 if "female" in text else self.place[word]
            angles.append(side)
        t = torch.tensor(angles, dtype=torch.float32)
        return torch.stack([torch.cos(t), torch.sin(t)], 1)


NAMES = [f"occupation {chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(60)]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Sixty made-up occupations, two that name a gender, one with few faces, some of the table."""
    names = [*NAMES, "waitress", "host", "nurse", "engineer", "plumber", "lawyer", "baker"]
    design = chain_trials.Design(embedding=1.5)
    data = chain_trials.simulated(design, len(names), generator(9))
    order = np.argsort(data.position)
    tables = []
    for second, n in (
        (data.drawn[order], data.n[order]),
        (data.training[order], data.faces[order]),
    ):
        tables.append(pd.DataFrame({"man": n - second, "woman": second, "except": 0}, index=names))
    tables[1].iloc[3] = [5, 6, 0]
    found = measure_chain(
        *tables, Planted(names), ["a photo of a {}", "a picture of a {}"], ["female/male"], [],
        minimum=20, confidence=0.95, n_resamples=49, seed=0,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("stored")
    return load(folder, store(folder, found))


def test_measured_chain_leaves_out_what_it_says(measured):
    facts = measured["facts"]
    assert facts["gendered"] == ["waitress", "host"]
    assert set(facts["gendered"]) <= set(GENDERED)
    assert facts["few"] == [NAMES[3]]
    assert facts["n"] == 67 - 3
    assert facts["nouns"] == 5
    assert facts["reliability"] == pytest.approx(1)
    value, low, high = measured["ranks"]["drawn"]
    assert 0.5 < low <= value <= high <= 1
    table = measured["occupations"]
    assert (table["drawn_low"] <= table["drawn_high"]).all()
    assert not {"man", "woman", "except"} & set(table.columns)  # estimates, never the file's rows


def test_claims_take_the_weakest_sentence_encoder(measured):
    other = {**measured, "ranks": {**measured["ranks"], "drawn": [0.1, -0.2, 0.3]}}
    words = {**measured, "facts": {**measured["facts"], "level": "word"}}
    least, n = chain_page.weakest({"a": measured, "b": other, "c": words}, "ranks", "drawn")
    assert (least.value, least.low, least.high, n) == (0.1, -0.2, 0.3, 64)
    assert chain_page.weakest({"c": words}, "ranks", "drawn") is None
    assert chain_page.record_chain({"c": words}, "chain-drawn") is None
    record = chain_page.record_chain({"a": measured}, "chain-drawn")
    assert record.verdict == "holds"


def test_figures_tables_and_words_with_and_without_data(measured, monkeypatch):
    texts: dict[str, dict[str, str]] = {"with": {}, "without": {}}
    for key, found in (("with", {"minilm": measured}), ("without", {})):
        monkeypatch.setattr("bbb_book.results.claims._glue", texts[key].__setitem__)
        chain_page.show_chain(found)
        for draw in (chain_figures.paths, chain_figures.beyond):
            shown = [t.get_text() for ax in draw(found).axes for t in ax.texts]
            assert (ABSENT in shown) == (key == "without")
    assert set(texts["with"]) == set(texts["without"])
    assert set(texts["without"].values()) == {"not measured"}
    assert texts["with"]["chain-n"] == "64"
    assert list(chain_page.chain_table({"minilm": measured})) == ["minilm"]
    assert len(chain_page.labour_table({"minilm": measured})) == 5
    assert chain_page.chain_table({}) == chain_page.labour_table({}) == ABSENT


def test_bad_runs_are_refused_in_one_message(tmp_path):
    options = {"pairs": ["female/male"], "minimum": 20, "n_resamples": 9}
    with pytest.raises(InputError, match="name at least one, each once"):
        chain_page.chains("none", ["glove", "glove"], **options)
    missing = tmp_path / "weights.safetensors"
    with pytest.raises(InputError, match=r"weights\.safetensors"):
        chain_page.chains("published", [f"open_clip:ViT-L-14-quickgelu/{missing}"], **options)
    assert chain_page.chains("none", ["glove"], **options) == {}
