"""Layouts of counts: the same data gives the same counts; what is not said is not guessed."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbb_core.balance.count_columns import Columns
from bbb_core.balance.count_files import read_counts
from bbb_core.balance.expected_counts import whole_counts
from bbb_core.errors import InputError
from bbb_core.rng import generator

PROMPTS = ["nurse", "chief executive", "NA"]
GROUPS = ["man", "none", "wöman"]
LONG = Columns(groups=("reading",))


def long(counts):
    cells = itertools.product(PROMPTS, GROUPS)
    pairs = [pair for pair, n in zip(cells, np.ravel(counts), strict=True) for _ in range(n)]
    return pd.DataFrame(pairs, columns=["prompt", "reading"])


def layouts(counts):
    """Return the same counts as a table of each layout, and the columns that it needs."""
    rows = long(counts)
    cells = itertools.product(PROMPTS, GROUPS)
    keys = [(*pair, n) for pair, n in zip(cells, np.ravel(counts), strict=True)]
    classes = Columns(probabilities=tuple(GROUPS))
    one_hot = pd.DataFrame({g: (rows["reading"] == g) * 1.0 for g in GROUPS})
    faces = rows.assign(file=[f"{p}-{i}.png" for i, p in enumerate(rows["prompt"])])
    twice = pd.concat([faces, faces[::2]])  # a second face, read alike
    return {
        "long": (rows, LONG),
        "default": (rows.rename(columns={"reading": "group"}).assign(more=1), Columns()),
        "counts long": (
            pd.DataFrame(keys, columns=["p", "reading", "n"]),
            Columns(prompt="p", groups=("reading",), counts=("n",)),
        ),
        "wide": (pd.DataFrame(counts, columns=GROUPS).assign(prompt=PROMPTS), Columns()),
        "wide, named": (
            pd.DataFrame(counts, columns=GROUPS).assign(prompt=PROMPTS, note="x"),
            Columns(counts=tuple(GROUPS)),
        ),
        "probabilities": (one_hot.assign(prompt=rows["prompt"]), classes),
        "percent": ((100 * one_hot).assign(prompt=rows["prompt"]), classes),
        "images": (twice, Columns(groups=("reading",), image="file")),
        "pattern": (
            twice.drop(columns="prompt"),
            Columns(prompt="file", groups=("reading",), pattern=r"(?P<image>(.+)-\d+)\.png"),
        ),
    }  # fmt: skip


WRITERS = {
    "csv": lambda f, p: f.to_csv(p, index=False),
    "json": lambda f, p: f.to_json(p, orient="records"),
    "parquet": lambda f, p: f.to_parquet(p),
    "feather": lambda f, p: f.reset_index(drop=True).to_feather(p),
}


@pytest.mark.parametrize("seed", range(4))
def test_every_layout_in_every_format_gives_the_same_counts(tmp_path, seed):
    """Four tables of counts 0 to 4: each layout meets each format."""
    table = generator(seed, "layouts").integers(0, 4, (3, 3)) + np.eye(3, dtype=int)
    wanted = pd.DataFrame(table, index=PROMPTS, columns=GROUPS)
    for number, (name, (frame, columns)) in enumerate(layouts(table).items()):
        ending = list(WRITERS)[(number + seed) % len(WRITERS)]
        path = tmp_path / f"{number}.{ending}"
        WRITERS[ending](frame, path)
        found = read_counts(path, columns=columns).counts
        assert found.to_numpy().dtype == np.int64
        assert found[GROUPS].to_dict("index") == wanted.to_dict("index"), name


@pytest.fixture
def file(tmp_path):
    def write(text, name="t.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_groups_are_merged_set_aside_and_crossed(file):
    text = "prompt,sex,age\nx,Male,old\nx,boy,young\nx,F,old\nx,?,old\nx,,old\nx,F,\n"
    said = Columns(groups=("sex",), names={"Male": "man", "boy": "man"}, aside=("?",))
    found = read_counts(file(text), columns=said)
    assert found.counts.loc["x"].to_dict() == {"F": 2, "man": 2}
    assert found.missing == {"prompt": 0, "sex": 1}
    assert "1 images are '?': not counted" in found.notes
    both = Columns(groups=("sex", "age"), aside=("?",))
    found = read_counts(file(text), columns=both)
    assert found.counts.loc["x"].to_dict() == {"F & old": 1, "Male & old": 1, "boy & young": 1}
    wide = read_counts(
        file("prompt,m,boy,f,?\nx,1,2,4,8\n"), columns=Columns(names={"boy": "m"}, aside=("?",))
    )
    assert wide.counts.loc["x"].to_dict() == {"m": 3, "f": 4}
    text = "baker\nman: 3, woman: 1, except: 2\n"
    found = read_counts(file(text, "f.txt"), columns=Columns(names={"except": "none"}))
    assert found.counts.loc["baker"].to_dict() == {"man": 3, "woman": 1, "none": 2}


def test_pictures_count_once_in_shares(file):
    rows = ["file,sex"] + [f"o/nurse_{i:03d}.png,{s}" for i in range(10) for s in ("f", "m")]
    rows += [f"o/nurse_{i:03d}.png,f" for i in range(10, 20)] + ["o/nurse_020.png,"]
    said = Columns(prompt="file", groups=("sex",), pattern=r"o/(?P<image>(?P<prompt>.+)_\d+)\.png")
    found = read_counts(file("\n".join(rows)), columns=said)
    assert found.counts.loc["nurse"].to_dict() == {"f": 15, "m": 5}
    assert any(
        "30 rows show 20 pictures" in note and "(10 pictures)" in note for note in found.notes
    )
    assert found.missing == {"file": 0, "sex": 1}


FAIRFACE = "face_name_align,race,gender,age,gender_scores_fair\n" + "".join(
    f"detected_faces/{prompt}_{i:03d}_face{k}.jpg,White,{'FM'[k]},30-39,[0.1 0.9]\n"
    for prompt in ("nurse", "chief executive 2") for i in range(6) for k in range(1 + i % 2)
)  # fmt: skip


def test_fairface(file):
    found = read_counts(file(FAIRFACE), columns=Columns(groups=("gender",)))
    assert found.counts.index.tolist() == ["nurse", "chief executive 2"]
    assert found.counts["F"].tolist() == pytest.approx([4.5, 4.5], abs=0.5)
    assert found.counts.sum(axis=1).tolist() == [6, 6]
    assert found.notes[0].startswith("FairFace's table")
    for columns in (Columns(), Columns(image="race")):
        with pytest.raises(InputError, match="perhaps 'race' or 'gender' or 'age'"):
            read_counts(file(FAIRFACE), columns=columns)
    with pytest.raises(InputError, match="line 2: no prompt is found in '000_face0"):
        read_counts(
            file("face_name_align,race,gender,age\n000_face0.jpg,W,M,3\n"),
            columns=Columns(groups=("gender",)),
        )


def test_deepface(file):
    face = {"face_confidence": 0.9, "gender": {"Woman": 75.004, "Man": 25.0}, "age": 31,
            "dominant_gender": "Woman"}  # fmt: skip
    faces = {f"out/nurse {i}.png": [face] * (i % 3) for i in range(12)}
    path = file(json.dumps(faces), "faces.json")
    by_label = read_counts(path, columns=Columns(groups=("dominant_gender",)))
    assert by_label.counts.loc["nurse"].to_dict() == {"Woman": 8}
    assert by_label.missing["dominant_gender"] == 4
    found = read_counts(path, columns=Columns(probabilities=("gender",), names={"Man": "man"}))
    assert found.counts.loc["nurse"].to_dict() == {"Woman": 6, "man": 2}
    assert "probabilities are in percent" in found.notes


@pytest.mark.parametrize(
    ("text", "said", "message"),
    [
        ("text,perceived_gender\nx,m\n", {},
         "no column 'prompt' and no column 'group'; it has 'text', 'perceived_gender'. Say which "
         r"it is: --prompt-column \(perhaps 'text'\) and --group-column \(perhaps 'perceived_g"),
        ("text,group\nx,m\n", {}, r"no column 'prompt'; .* --prompt-column \(perhaps 'text'\)\."),
        ("prompt,file,sex\nx,a,m\n", {}, r"no whole number; .*--group-column \(perhaps 'sex'\)"),
        ("prompt,a,b\nx,1,2\n", {"prompt": "promt"}, "did you mean 'prompt'"),
        ("prompt,g,n\nx,a,2\n", {"counts": ("n",)}, "one column beside --group-column"),
        ("prompt,g,n\nx,a,2\n", {"groups": ("g",), "counts": ("n", "g")}, "one column beside"),
        ("prompt,g,n\nx,a,2.5\n", {"groups": ("g",), "counts": ("n",)}, "no whole number"),
        ("prompt,g,n\nx,a,0\n", {"groups": ("g",), "counts": ("n",)}, "holds no image"),
        ("prompt,g,n\nx,a,0\ny,a,1\n", {"groups": ("g",), "counts": ("n",)}, "counts of 'x' are z"),
        ("prompt,g\nx,a\n", {"groups": ("prompt",)}, "'prompt' cannot be the prompt's and"),
        ("prompt,g\nx,a\n", {"groups": ("g",), "names": {"b": "c"}}, "--map names 'b', but .* 'a'"),
        ("prompt,g\nx,a\n", {"groups": ("g",), "pattern": "("}, "no regular expression"),
        ("prompt,g\nx,a\n", {"groups": ("g",), "pattern": "x"}, "has no group"),
        ("prompt,g\nx,a\n", {"groups": ("g",), "pattern": "(y)"}, "line 2: no prompt is found in"),
        ("prompt,a,b\nx,1,2\n", {"pattern": "(x)"}, "--prompt-pattern belongs to a row per image"),
        ("prompt,a,b\nx,1,2\n", {"image": "a"}, "--image-column belongs to a row per image"),
        ("prompt,a,b\nx,.5,.4\n", {"probabilities": ("a", "b")}, r"line 2: .*\[0.5, 0.4\]"),
        ("prompt,a,b\nx,1.5,-.5\n", {"probabilities": ("a", "b")}, "line 2: the probabilities"),
        ("prompt,a,b\nx,.5,\n", {"probabilities": ("a", "b")}, "line 2: the probabilities"),
        ("prompt,a,b\nx,.5,.5\ny,50,50\n", {"probabilities": ("a", "b")}, "line [23]: the prob"),
        ("prompt,a,b\nx,,\n", {"probabilities": ("a", "b")}, "no image with a prompt and prob"),
        ("prompt,a,b\nx,1,0\n", {"probabilities": ("a",)}, "give it for every class"),
        ("prompt,a,b\nx,1,0\n", {"probabilities": ("a", "b"), "aside": ("a",)}, "for labels"),
        ("prompt,a,b\nx,1,0\n", {"probabilities": ("a", "b"), "groups": ("a",)}, "excludes"),
    ],
)  # fmt: skip
def test_what_is_unclear_gets_one_line_with_the_option(file, text, said, message):
    with pytest.raises(InputError, match=message):
        read_counts(file(text), columns=Columns(**said))


@given(
    rows=st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, derandomize=True, deadline=None, database=None)
def test_whole_counts_are_near_and_keep_totals(rows, seed):
    x = np.array(rows) / 7
    x[:, 2] += np.ceil(x.sum(axis=1)) - x.sum(axis=1)  # whole totals
    found = whole_counts(x, rng=np.random.default_rng(seed))
    assert (np.abs(found - x) < 1).all()
    np.testing.assert_array_equal(found.sum(axis=1), np.rint(x.sum(axis=1)))


def test_whole_counts_have_the_expected_ones_as_mean():
    """4,000 rows: the mean of a 0-1 part is off by four standard errors in 6e-5 of runs."""
    x = np.tile([2.3, 0.5, 1.2], (4000, 1))
    found = whole_counts(x, rng=generator(0, "whole counts"))
    np.testing.assert_allclose(found.mean(axis=0), x[0], atol=4 * 0.5 / np.sqrt(4000))
    for bad in ([[0.5, 0.2]], [[-1.0, 2.0]]):
        with pytest.raises(InputError, match="negative counts or rows"):
            whole_counts(bad, rng=generator(0))
