"""The chapter on real CLIP: pairs and gaps by hand, their differences, word sets, no data."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bbb_book.chapters.real_clip import clip_results, figures
from bbb_book.chapters.real_clip.object_words import (
    NAMES,
    measure_objects,
    read_word_sets,
    things,
)
from bbb_book.chapters.real_clip.picture_gaps import (
    differing,
    gaps_by_occupation,
    measure_pictures,
    pair_pictures,
)
from bbb_book.chapters.real_clip.yardsticks import encoder_orders
from bbb_book.data import published
from bbb_book.results.artefacts import Artefact
from bbb_core.embedding import load_encoder
from bbb_core.errors import InputError
from bbb_core.rng import generator

COLUMNS = ["occupation", "requested_gender", "requested_age", "requested_other"]


def scores(occupations: dict[str, float], *, noise: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Three ages by four others; women score higher by what is planted for an occupation."""
    rng = generator(seed, "scores")
    genders = ("female", "male", "non-binary")
    rows = list(product(occupations, genders, ("young", "adult", "old"), "abcd"))
    table = pd.DataFrame(rows, columns=COLUMNS)
    planted = table["occupation"].map(occupations).where(table["requested_gender"] == "female", 0)
    other = table["requested_other"].map({"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4})
    table["clipscore_v2"] = planted + other + noise * rng.standard_normal(len(table))
    return table.sample(frac=1, random_state=seed)


def results(function, /, *arguments, **options) -> Artefact:
    return Artefact(function(*arguments, **options), {"name": "x", "key": "x"}, "computed")


class TestPairs:
    def test_three_pairs_by_hand(self):
        rows = [
            ("nurse", "female", "old", "x", 0.30), ("nurse", "male", "old", "x", 0.10),
            ("nurse", "male", "young", "x", 0.25), ("nurse", "female", "young", "x", 0.20),
            ("baker", "female", "old", "y", 0.5), ("baker", "male", "old", "y", 0.5),
            ("baker", "non-binary", "old", "y", 0.9),
        ]  # fmt: skip
        pairs = pair_pictures(pd.DataFrame(rows, columns=[*COLUMNS, "clipscore_v2"]))
        found = {(p.occupation, p.requested_age): p.gap for p in pairs.itertuples()}
        assert found == pytest.approx(
            {("nurse", "old"): 0.2, ("nurse", "young"): -0.05, ("baker", "old"): 0.0}
        )

    def test_what_a_pair_shares_cancels(self):
        gaps = gaps_by_occupation(pair_pictures(scores({"a": 0.2, "b": -0.1})))
        assert list(gaps.index) == ["b", "a"]
        assert gaps["gap"].tolist() == pytest.approx([-0.1, 0.2])
        assert gaps["error"].tolist() == pytest.approx([0, 0], abs=1e-12)
        assert gaps["p_value"].tolist() == pytest.approx([2 / 2**12] * 2)
        assert gaps["p_holm"].tolist() == pytest.approx([4 / 2**12] * 2)

    def test_swapping_the_genders_turns_the_gaps(self):
        table = scores({"a": 0.01, "b": 0.0}, noise=0.02)
        one = gaps_by_occupation(pair_pictures(table))
        swapped = table.replace({"requested_gender": {"female": "male", "male": "female"}})
        other = gaps_by_occupation(pair_pictures(swapped)).loc[one.index]
        assert other["gap"].to_numpy() == pytest.approx(-one["gap"].to_numpy())
        assert other["low"].to_numpy() == pytest.approx(-one["high"].to_numpy())
        assert other["p_value"].to_numpy() == pytest.approx(one["p_value"].to_numpy())

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda t: t.drop(columns="requested_age"), "no column 'requested_age'"),
            (lambda t: pd.concat([t, t.iloc[:1]]), "stands twice as"),
            (lambda t: t.drop(t.index[t["requested_gender"] == "male"][0]), "no pair"),
            (lambda t: t[t["requested_gender"] == "non-binary"], "the table has no pair"),
        ],
    )
    def test_bad_tables(self, change, words):
        table = scores({"a": 0.0})
        table = table[(table["requested_gender"] != "non-binary") | ("the table" in words)]
        with pytest.raises(InputError, match=words):
            pair_pictures(change(table))

    def test_too_few_or_ragged_pairs(self):
        pairs = pair_pictures(scores({"a": 0.0}))
        for some in (pairs.iloc[:2], pairs.iloc[:-1]):
            with pytest.raises(InputError, match="one for every combination"):
                gaps_by_occupation(some)


class TestDiffering:
    def test_q_by_hand(self):
        """Equal numbers of pairs: Q is (k - 1) times the variance of gaps over the pooled error."""
        gaps = pd.DataFrame(
            {"gap": [0.0, 0.3, 0.9], "error": [0.1, 0.2, 0.3], "pairs": [12, 12, 12]}
        )
        found = differing(gaps)
        error = (0.01 + 0.04 + 0.09) / 3
        assert found["q"] == pytest.approx(2 * np.var([0.0, 0.3, 0.9], ddof=1) / error)
        assert found["p_value"] == pytest.approx(stats.chi2.sf(found["q"], 2))
        assert found["equal_pairs"] == pytest.approx(np.sqrt(error))
        weights = np.array([100, 25, 100 / 9])
        mean = (weights * gaps["gap"]).sum() / weights.sum()
        assert found["q_own"] == pytest.approx((weights * (gaps["gap"] - mean) ** 2).sum())

    def test_unequal_numbers_are_pooled_by_their_pairs(self):
        """One occupation of 4 pairs with variance 1, one of 9 with variance 4: s^2 = 35 / 11."""
        gaps = pd.DataFrame({"gap": [0.0, 1.0], "error": [0.5, 2 / 3], "pairs": [4, 9]})
        s2 = (3 * 1 + 8 * 4) / 11
        assert differing(gaps)["q"] == pytest.approx(1 / (s2 / 4 + s2 / 9))

    @pytest.mark.parametrize("law", ["normal", "exponential"])
    def test_equal_gaps_rarely_differ(self, law):
        """200 tables of 20 occupations: lower ends above zero, nominally .025, once in 10,000."""
        rng, n, hits = generator(0, "equal", law), 15, 0
        for _ in range(200):
            d = rng.standard_normal((20, n)) if law == "normal" else rng.exponential(size=(20, n))
            table = {"gap": d.mean(1), "error": d.std(1, ddof=1) / np.sqrt(n), "pairs": n}
            hits += differing(pd.DataFrame(table))["tau_low"] > 0
        assert hits <= stats.binom.isf(1e-4, 200, 0.035)


@pytest.fixture(scope="module")
def measured() -> Artefact:
    planted = {"nurse": 0.1, "engineer": -0.1, "doctor": -0.05, "scientist": 0.05, "pilot": 0.0}
    counts = pd.DataFrame(
        {"woman": [90, 10, 30, 60, 0], "man": [10, 90, 70, 40, 100]}, index=list(planted)
    )
    table = scores(planted, noise=0.01)
    return results(measure_pictures, table, counts, n_resamples=200)


class TestResults:
    def test_planted_facts_are_found(self, measured):
        gaps = measured["occupations"]
        assert gaps["gap"].to_dict() == pytest.approx(
            {"engineer": -0.1, "doctor": -0.05, "pilot": 0, "scientist": 0.05, "nurse": 0.1},
            abs=0.015,
        )
        kept = clip_results.standing(measured)
        assert set(kept.index) == {"engineer", "doctor", "scientist", "nurse"}
        assert gaps.loc["nurse", "share_drawn"] == 0.9
        assert np.isnan(gaps.loc["pilot", "share_labour"])
        tau, n = clip_results.finding(measured, "clip-occupation-image-bias")
        assert tau.low < np.std([0.1, -0.1, -0.05, 0.05, 0.0], ddof=1) < tau.high
        assert n == 5
        order, n = clip_results.finding(measured, "clip-image-order-labour")
        assert (order.value, n) == (pytest.approx(1), 4)
        assert measured["correlations"]["drawn"]["value"] == pytest.approx(0.7)
        assert measured["correlations"]["reliability"]["value"] > 0.95

    def test_figures_and_tables(self, measured):
        texts = pd.DataFrame({"minilm": measured["occupations"]["gap"] ** 3})
        orders = encoder_orders(measured["occupations"]["gap"], texts)
        assert orders.loc["minilm", "value"] == pytest.approx(1)
        assert "gap in minilm" in clip_results.yardstick_table(measured, orders).to_html()
        clip_results.show_pictures(measured, confidence=0.95)
        clip_results.show_order(orders)
        assert len(figures.forest(measured).get_axes()) == 1
        assert len(figures.yardsticks(measured, texts).get_axes()) == 3

    def test_without_data_everything_says_so(self, monkeypatch, tmp_path):
        monkeypatch.setenv("BBB_DATA_DIR", str(tmp_path))
        empty = tmp_path / "none-stored"
        monkeypatch.setattr("bbb_book.results.artefacts.committed_dir", lambda: empty)
        for ask in (clip_results.pictures, clip_results.objects):
            assert ask("published", confidence=0.9) is None
            assert ask("none", confidence=0.9) is None
        clip_results.show_pictures(None, confidence=0.95)
        clip_results.show_objects(None)
        clip_results.show_order(None)
        assert clip_results.weat_table(None) == clip_results.ABSENT
        assert clip_results.yardstick_table(None, None) == clip_results.ABSENT
        for draw in (figures.forest, figures.things):
            assert draw(None).get_axes()[0].texts[0].get_text() == clip_results.ABSENT
        assert clip_results.finding(None, "clip-object-weat") == (None, None)

    def test_wrong_source_is_refused(self):
        with pytest.raises(ValueError, match="choose one of"):
            clip_results.pictures("somewhere")


class TestWords:
    def test_members_are_classes_and_sets_are_whole(self):
        names = NAMES.read_text(encoding="utf-8").splitlines()
        sets = read_word_sets(names)
        assert (len(names), len(things(names))) == (500, 493)
        assert all(set(found) <= set(names) for found in sets.members.values())
        assert all(len(sets.published[key]) == 25 for key in ("flowers", "insects", "weapons"))
        assert sets.members["flowers"] == ("Rose", "Lily")
        assert "Ski" in sets.members["sports"]  # by an alias
        listed = {word.casefold() for word in names}
        for key in ("insects", "instruments", "weapons"):
            expected = [word for word in sets.published[key] if word in listed]
            assert [word.casefold() for word in sets.members[key]] == expected

    @pytest.mark.parametrize(
        ("left", "words"), [("Woman", "'Woman' of the set 'women'"), ("Rose", "any word")]
    )
    def test_names_that_lack_words(self, left, words):
        names = NAMES.read_text(encoding="utf-8").splitlines()
        gone = {"Rose", "Lily"} if left == "Rose" else {left}
        with pytest.raises(InputError, match=words):
            read_word_sets([name for name in names if name not in gone])

    def test_rows_and_names_make_encoders(self, tmp_path):
        """Gender planted on one axis, weapons apart on it in both: their test stands, no other."""
        names = NAMES.read_text(encoding="utf-8").splitlines()
        distinct = list(dict.fromkeys(names))
        weapons = {*read_word_sets(names).members["weapons"]} - {"Knife"}
        encoders = {}
        for model, seed in (("ViT-B/32", 0), ("RN50", 1)):
            rng = generator(seed, "rows")
            rows = 0.02 * rng.standard_normal((len(distinct), 40))
            rows[:, 0] += 1
            for i, name in enumerate(distinct):
                rows[i, 1] += {"Woman": 1, "Girl": 1, "Man": -1, "Boy": -1}.get(name, 0)
                rows[i, 1] -= 0.5 * (name in weapons)
            file = tmp_path / f"rows{seed}.npy"
            np.save(file, rows[[distinct.index(n) for n in names]].astype(np.float16))
            encoders[model] = load_encoder(f"table:{file}:{NAMES}")
        found = results(measure_objects, encoders)
        assert found["summary"]["standing"] == ["instruments and weapons"]
        tests = found["tests"].set_index(["model", "women", "men"])
        assert tests.loc[("RN50", "flowers", "insects"), "splits"] == 36
        assert (tests["p_value"] >= tests["least"]).all()
        men, _ = clip_results.ends(found["things"], size=7)
        assert set(men) == weapons
        gap = found["things"].loc["Sword", "RN50 adults"]
        s, w, m = encoders["RN50"].encode_text(["Sword", "Woman", "Man"]).double()
        assert gap == pytest.approx(float(s @ w - s @ m))
        estimate, n = clip_results.finding(found, "clip-object-weat")
        assert (estimate.value, n) == (1, 4)
        clip_results.show_objects(found)
        assert len(figures.things(found).get_axes()) == 2
        assert "instruments" in clip_results.weat_table(found).to_html()
        with pytest.raises(InputError, match="at least two"):
            measure_objects({"one": encoders["RN50"]})


def test_published_scores_give_the_numbers_of_a_first_look():
    """The published file, where it is at hand, by plain arithmetic."""
    if not published.available("mj-bench-bias"):
        pytest.skip("the published files are not at hand (no network, no BBB_DATA_DIR)")
    table = published.load("mj-bench-bias")
    gaps = gaps_by_occupation(pair_pictures(table))
    nurse = table[table["occupation"] == "Nurse"].groupby("requested_gender")["clipscore_v2"]
    means = nurse.mean()
    assert gaps.loc["Nurse", "gap"] == pytest.approx(means["female"] - means["male"])
    assert gaps["gap"].round(3)[["Nurse", "Engineer", "Taxi Driver"]].tolist() == [
        0.045, -0.020, -0.042
    ]  # fmt: skip
    assert (len(gaps), gaps["pairs"].min(), gaps["pairs"].max()) == (30, 15, 30)
    assert differing(gaps)["q_own"] == pytest.approx(187, abs=0.5)
    assert (gaps["p_holm"] <= 0.05).sum() == 5
