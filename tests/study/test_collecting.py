"""`bbb study collect`: hostile files, screening, labels, counts, what goes on to the audits."""

from __future__ import annotations

import copy
import json
import os
import random

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from bbb_core.balance.shares import representational_balance
from bbb_core.cli import main
from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.study import Rules, aggregate, alpha_interval, collect, collect_pile, read_exports
from bbb_core.study.balance import balance_table, counts_by_prompt, posterior_range, unclear_bounds
from bbb_core.study.collecting import tables
from bbb_core.study.errors import REASONS, Refused
from bbb_core.study.exports import LARGEST, parse_export
from bbb_core.study.screening import participant_table, screen
from bbb_core.study.simulate import (
    CAREFUL,
    CARELESS,
    Annotator,
    simulated_export,
    simulated_pile,
    simulated_study,
)

OPTIONS = ("man", "woman", "none", "unclear")


@pytest.fixture
def export(study, truth):
    return simulated_export(study, truth, CAREFUL, rng=generator(1, "export"))


@pytest.fixture
def put(tmp_path):
    """Write a file into the folder of exports."""
    folder = tmp_path / "in"
    folder.mkdir()

    def write(name: str, value: object):
        path = folder / name
        if isinstance(value, bytes):
            path.write_bytes(value)
        else:
            path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path

    return write


def run(folder, tmp_path, *options: object, key=None):
    arguments = [
        tmp_path / "in",
        "--study",
        key or folder / "study.json",
        "--out",
        tmp_path / "out",
    ]
    return CliRunner().invoke(main, ["study", "collect", *map(str, [*arguments, *options])])


def changed(export: dict, path: str, value: object) -> dict:
    """A copy of the export with one field changed; `path` is dotted."""
    made = copy.deepcopy(export)
    *parents, last = path.split(".")
    at = made
    for name in parents:
        at = at[int(name)] if isinstance(at, list) else at[name]
    at[int(last) if isinstance(at, list) else last] = value
    return made


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("format", "x", "not an export"),
        ("version", 2, "other version"),
        ("version", True, "other version"),
        ("study", "0" * 64, "another study"),
        ("study", 1, "not an export"),
        ("participant", "<script>", "not an export"),
        ("participant", "0" * 16, "other order"),
        ("participant", None, "not an export"),
        ("simulated", "no", "not an export"),
        ("complete", False, "not an export"),
        ("answers", {}, "not an export"),
        ("answers", [], "not an export"),
        ("more", 1, "not an export"),
        ("answers.0", [], "not an export"),
        ("answers.0.ms", 1.5, "not an export"),
        ("answers.0.ms", -1, "not an export"),
        ("answers.0.ms", 10**30, "not an export"),
        ("answers.0.ms", True, "not an export"),
        ("answers.0.changes", "1", "not an export"),
        ("answers.0.more", 1, "not an export"),
        ("answers.0.image", "ffffffffffff", "unknown image"),
        ("answers.0.image", ["x"], "not an export"),
        ("answers.0.answer", "=cmd()", "unknown answer"),
        ("answers.0.answer", {"a": 1}, "not an export"),
    ],
)
def test_strict_types(study, export, path, value, reason):
    assert parse_export(export, study).participant == export["participant"]
    with pytest.raises(Refused) as refused:
        parse_export(changed(export, path, value), study)
    assert refused.value.reason == reason


def test_order_is_held_against_the_code(study, export):
    made = copy.deepcopy(export)
    made["answers"][0], made["answers"][1] = made["answers"][1], made["answers"][0]
    for wrong in (made, changed(export, "answers", export["answers"] * 2)):
        with pytest.raises(Refused, match="dealt"):
            parse_export(wrong, study)


def test_random_damage_never_gets_through(study, export, put):
    """Cut and flipped files are refused, or still say what the participant answered."""
    text = json.dumps(export).encode()
    rng = random.Random(0)
    whole = parse_export(export, study)
    for _ in range(150):
        raw = bytearray(text)
        if rng.random() < 0.3:
            raw = raw[: rng.randrange(len(raw))]
        else:
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        try:
            found = read_exports([put("x.json", bytes(raw))], study).exports[0]
        except InputError:
            continue
        assert found.participant == whole.participant
        assert [a.image for a in found.answers] == [a.image for a in whole.answers]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'{"format": NaN}', "not JSON"),
        (b'{"a": 1, "a": 2}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "not JSON"),
        (b"[]", "not an export"),
        (b'"text"', "not an export"),
        (b" " * (LARGEST + 1), "too large"),
    ],
)
def test_hostile_files_are_set_aside(study, export, put, raw, reason):
    put("good.json", export)
    put("bad.json", raw)
    pile = read_exports([put("good.json", export).parent], study)
    assert [(n.file, n.status) for n in pile.files] == [("bad.json", reason), ("good.json", "used")]
    with pytest.raises(InputError, match=reason):
        read_exports([put("bad.json", raw)], study)


def test_participants_count_once(study, truth, export, put):
    part = changed(export, "answers", export["answers"][:4]) | {"complete": False}
    other = simulated_export(study, truth, CAREFUL, rng=generator(2, "export"))
    twist = copy.deepcopy(other)
    twist["answers"][0]["answer"] = "unclear"
    folder = put("a.json", export).parent
    put("b.json", part)
    put("c.json", export)
    put("d.json", other)
    put("e.json", twist)
    pile = read_exports([folder], study)
    assert [note.status for note in pile.files] == [
        "used", "older export", "same file again", "contradiction", "contradiction",
    ]  # fmt: skip
    assert [e.participant for e in pile.exports] == [export["participant"]]
    assert set(REASONS) >= {note.status for note in pile.files} - {"used"}


def test_simulated_answers_do_not_mix_with_people(study, truth, export, put):
    put("a.json", export)
    other = simulated_export(study, truth, CAREFUL, rng=generator(2, "export"))
    path = put("b.json", other | {"simulated": False})
    with pytest.raises(InputError, match="apart"):
        read_exports([path.parent], study)


@pytest.fixture
def answered(study, truth, put):
    annotators = [Annotator(error=0.05)] * 6 + [CARELESS] * 2
    for i, annotator in enumerate(annotators):
        made = simulated_export(study, truth, annotator, rng=generator(3, "annotator", i))
        put(f"simulated-answers-{made['participant']}.json", made)
    hurried = simulated_export(study, truth, Annotator(seconds=0.1), rng=generator(4, "x"))
    put("hurried.json", hurried)
    stopped = simulated_export(study, truth, CAREFUL, rng=generator(5, "x"), stop_after=5)
    put("stopped.json", stopped)
    put("=evil\x1b[31m.json", b"{")


def test_command_collects_and_the_audit_reads_it(folder, study, truth, answered, tmp_path):
    found = run(folder, tmp_path)
    assert found.exit_code == 0, found.output
    out = tmp_path / "out"
    assert "SIMULATED" in found.output
    tables = [path.name for path in out.iterdir() if path.name != "manifest.json"]
    assert all(name.startswith("simulated-") for name in tables)
    told = json.loads((out / "simulated-collect.json").read_text())
    assert told["participants"] == {"handed in": 10, "kept": 6}
    assert told["dropped"]["unfinished"] == 1
    assert told["dropped"]["too fast"] >= 1
    assert told["files"] == {"used": 10, "not JSON": 1}
    ratings = pd.read_csv(out / "simulated-ratings.csv")
    assert len(ratings) == 9 * study.shown + 5
    assert ratings["simulated"].all()
    labels = pd.read_csv(out / "simulated-labels.csv").set_index("image")
    assert (labels["label"] == pd.Series(truth)[labels.index]).all()
    audit = CliRunner().invoke(
        main, ["audit", "generations", str(out / "simulated-counts.csv"), "--json"]
    )
    assert audit.exit_code == 0, audit.output
    rows = json.loads(audit.output)["tables"]["balance"]
    counts = pd.read_csv(out / "simulated-counts.csv").set_index("prompt")
    balance = pd.read_csv(out / "simulated-balance.csv").set_index("prompt")
    for row in rows:
        mine = representational_balance(counts.loc[row["prompt"]].to_dict(), confidence=0.975)
        assert row["imbalance"] == pytest.approx(mine.imbalance)
        assert balance.loc[row["prompt"], "low"] == pytest.approx(mine.interval[0])
        assert balance.loc[row["prompt"], "high"] == pytest.approx(mine.interval[1])
    files = (out / "simulated-files.csv").read_text()
    assert "\x1b" not in files
    assert "\n'=evil" in files


def test_collecting_again_gives_the_same(folder, study, answered, tmp_path):
    first = collect([tmp_path / "in"], study, n_resamples=49, seed=1)
    second = collect(
        sorted((tmp_path / "in").iterdir(), reverse=True), study, n_resamples=49, seed=1
    )
    assert first.agreement == second.agreement
    pd.testing.assert_frame_equal(first.balance, second.balance)
    pd.testing.assert_frame_equal(first.labels.labels, second.labels.labels)


def test_no_screen_no_output(folder, answered, tmp_path):
    found = run(folder, tmp_path, "--fastest", "1e9")
    assert found.exit_code == 2
    assert "keep none of 10" in found.stderr
    for options in (["--passed", "2"], ["--confidence", "1"], ["--finished", "nan"]):
        assert run(folder, tmp_path, *options).exit_code == 2
    assert run(folder, tmp_path, key=tmp_path / "absent").exit_code == 2
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    assert run(folder, tmp_path).exit_code == 2
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine"]
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_reasons_are_counted_with_overlap(study, truth):
    hasty = Annotator(careless=1.0, seconds=0.01)
    pile = simulated_pile(study, truth, [CAREFUL, hasty, Annotator(seconds=0.01)], seed=0)
    people = participant_table(pile.exports, study)
    table = screen(people)
    assert table.loc["too fast", "failed"] == 2
    assert table.loc["too fast", "failed alone"] == 1
    assert table.loc["kept", "failed"] + table.loc["dropped", "failed"] == 3
    everybody = Rules(finished=0, passed=0, consistent=0, fastest=0)
    assert participant_table(pile.exports, study, everybody)["kept"].all()


def frame(rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["image", "participant", "answer"])


def test_cant_tell_is_missing_or_a_label():
    rows = [(0, p, "unclear") for p in "abc"] + [(0, "d", "man")]
    rows += [(1, p, "unclear") for p in "abcd"]
    rows += [(i, p, "man" if i < 5 else "woman") for i in range(2, 8) for p in "abcd"]
    missing = aggregate(frame(rows), options=OPTIONS)
    assert missing.labels.loc[0, "majority"] == missing.labels.loc[0, "label"] == "man"
    assert missing.labels.loc[1, "label"] == missing.labels.loc[1, "majority"] == "unclear"
    assert missing.labels["cant_tell"].tolist() == [3, 4, 0, 0, 0, 0, 0, 0]
    assert 1 not in missing.posterior.index
    label = aggregate(frame(rows), options=OPTIONS, cant_tell="label")
    assert label.labels.loc[0, "majority"] == "unclear"
    np.testing.assert_allclose(missing.posterior.sum(axis=1), 1)


def test_ties_are_unclear_whatever_the_order_of_rows():
    rows = [(0, "a", "man"), (0, "b", "woman")] + [(1, p, "man") for p in "ab"]
    for order in (rows, rows[::-1]):
        assert aggregate(frame(order), options=OPTIONS).labels.loc[0, "majority"] == "unclear"


def test_one_label_everywhere():
    found = aggregate(frame([(i, p, "man") for i in range(3) for p in "ab"]), options=OPTIONS)
    assert found.labels["label"].tolist() == ["man"] * 3
    assert found.labels["posterior"].tolist() == [1.0] * 3
    assert found.errors["right"].tolist() == [1.0, 1.0]


def dawid_skene(counts: np.ndarray, steps: int) -> np.ndarray:
    """EM on readings [image, reader] in {0, 1}, another way: plain loops over arrays."""
    p = np.stack([1 - counts.mean(axis=1), counts.mean(axis=1)], axis=1)
    for _ in range(steps):
        prior = p.mean(axis=0)
        log = np.tile(np.log(prior), (len(counts), 1))
        for reader in counts.T:
            for truth in (0, 1):
                one = (p[:, truth] @ reader) / p[:, truth].sum()
                log[:, truth] += np.log(np.where(reader == 1, one, 1 - one).clip(1e-10))
        p = np.exp(log - log.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
    return p


def test_dawid_skene_against_another_implementation():
    rng = generator(0, "dawid skene")
    truth = rng.integers(0, 2, 60)
    error = np.array([0.1, 0.2, 0.3, 0.45, 0.15])
    read = truth[:, None] ^ (rng.random((60, 5)) < error)
    rows = [(i, f"r{j}", OPTIONS[read[i, j]]) for i in range(60) for j in range(5)]
    found = aggregate(frame(rows), options=OPTIONS, iterations=4)
    np.testing.assert_allclose(found.posterior["woman"], dawid_skene(read, 4)[:, 1], atol=1e-6)
    assert found.errors.loc["r0", "right"] > found.errors.loc["r3", "right"]


def test_file_names_and_kinds_that_cannot_be_read_are_set_aside(study, export, put, tmp_path):
    good = put("a.json", export)
    odd = os.fsencode(tmp_path / "in") + b"/\xff\x1b[2J.json"
    with open(odd, "w") as file:
        json.dump(export, file)
    pipe = tmp_path / "in" / "pipe.json"
    os.mkfifo(pipe)
    found = read_exports([good, os.fsdecode(odd), pipe], study)
    assert [note.status for note in found.files] == ["used", "same file again", "unreadable"]
    assert all(note.file.isprintable() for note in found.files)
    tables(collect([tmp_path / "in"], study))["simulated-files.csv"].encode()


def test_alpha_against_the_formula():
    """Two readers, no gaps: alpha = 1 - (2n - 1) d / (2 a b), the closed form for two labels."""
    first = [0, 0, 1, 1, 1, 0, 1, 0, 1, 1]
    second = [0, 1, 1, 1, 1, 0, 0, 0, 1, 1]
    counts = pd.DataFrame(0, index=range(10), columns=list(OPTIONS))
    for i, pair in enumerate(zip(first, second, strict=True)):
        for one in pair:
            counts.loc[i, OPTIONS[one]] += 1
    b = sum(first) + sum(second)
    expected = 1 - (2 * 10 - 1) * 2 * 2 / (2 * (20 - b) * b)
    found = alpha_interval(counts, rng=generator(0), n_resamples=99)
    assert found.value == pytest.approx(expected)
    assert found.low <= found.value <= found.high
    assert alpha_interval(counts.assign(man=3, woman=0), rng=generator(0)) is None


def test_bad_ratings():
    good = [(0, "a", "man"), (1, "a", "woman")]
    for rows, words in (
        ([], "no row"),
        ([*good, (0, "a", "man")], "two answers"),
        ([(0, "a", "cat")], "'cat'"),
        ([(0, "a", "unclear")], "nobody could tell"),
    ):
        with pytest.raises(InputError, match=words):
            aggregate(frame(rows), options=OPTIONS)
    with pytest.raises(InputError, match="no column"):
        aggregate(pd.DataFrame({"image": [1]}), options=OPTIONS)


def test_bounds_hold_whatever_the_unclear_images_show():
    for counts in ({"man": 12, "woman": 5}, {"man": 3, "woman": 9, "none": 2}):
        low, high = unclear_bounds(counts, 4)
        for k in range(5):
            full = {**counts, "man": counts["man"] + k, "woman": counts["woman"] + 4 - k}
            made = representational_balance(full)
            assert low <= made.interval[0] + 1e-12
            assert high >= made.interval[1] - 1e-12
    same = representational_balance({"man": 12, "woman": 5}).interval
    assert unclear_bounds({"man": 12, "woman": 5}, 0) == pytest.approx(same)
    assert unclear_bounds({"man": 0, "woman": 0}, 5)[1] == 0.5


def test_posterior_range_and_table():
    p = pd.DataFrame({"man": [1.0, 1.0, 0.5], "woman": [0.0, 0.0, 0.5]}, index=[1, 2, 3])
    ends = posterior_range(p, groups=("man", "woman"), rng=generator(0))
    assert ends == pytest.approx((1 / 6, 1 / 2))
    labels = pd.DataFrame({"label": ["man", "man", "unclear", "unclear"]}, index=[1, 2, 3, 4])
    prompts = pd.Series(["a", "a", "a", "b"], index=[1, 2, 3, 4])
    table = balance_table(
        labels, p, prompts, groups=("man", "woman"), outcomes=("man", "woman"), rng=generator(0)
    )
    assert table.loc["a", "imbalance"] == 0.5
    assert np.isnan(table.loc["b", "imbalance"])
    assert table.loc["b", "any high"] == 0.5
    counts = counts_by_prompt(labels["label"], prompts, outcomes=("man", "woman"))
    assert counts.loc["b"].to_dict() == {"man": 0, "woman": 0, "unclear": 1}


def test_a_planted_imbalance_is_recovered_and_named_simulated():
    made = simulated_study({"doctor": 60, "nurse": 60}, per_participant=60)
    truth = {
        one: "woman" if (int(one, 16) % 10 < 2) == (made.by_id[one].prompt == "doctor") else "man"
        for one in made.rated_ids
    }
    found = collect_pile(
        simulated_pile(made, truth, [CAREFUL] * 12 + [CARELESS] * 4, seed=0), made, n_resamples=99
    )
    assert found.simulated
    assert found.screening.loc["kept", "failed"] == 12
    right = found.labels.labels["label"] == pd.Series(truth)[found.labels.labels.index]
    assert right.mean() > 0.95
    assert found.agreement["missing"].low > 0.4
    for prompt in ("doctor", "nurse"):
        planted = np.mean([truth[i] == "woman" for i in truth if made.by_id[i].prompt == prompt])
        row = found.balance.loc[prompt]
        assert row["low"] < abs(planted - 0.5) < row["high"]
