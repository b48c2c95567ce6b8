"""Reports of every result: JSON by its schema, tables, figures, pages that load nothing."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import torch
from bs4 import BeautifulSoup

from bbb_core.alignment import audit, group_gaps
from bbb_core.balance import representational_balance
from bbb_core.diffusion import (
    audit_model,
    audit_sweep,
    calibrate,
    certificate,
    two_group_oracle,
)
from bbb_core.embedding.audit import EmbeddingAudit
from bbb_core.errors import InputError
from bbb_core.report import compare, render
from bbb_core.report.comparisons import read_report, schema
from bbb_core.report.page import cell, fragment, markdown
from bbb_core.report.parts import Forest, Quantity, Report, Row, Table
from bbb_core.report.scales import Scale
from bbb_core.report.shown import _TELLERS
from bbb_core.report.terms import TERMS

ROOT = Path(__file__).parents[2]
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a|b `c` [d](e) $\\x$ \u202e\x1b[2J",
)
SWEEP = np.linspace(0, 1, 5), [[40, 0], [35, 5], [20, 20], [4, 36], [0, 40]]


def embeddings() -> EmbeddingAudit:
    """Return gaps as `audit_embeddings` tabulates them, of no encoder."""
    gaps = np.array([0.1, -0.3, 0.02])
    table = pd.DataFrame(
        {"occupation": ["nurse", HOSTILE[0], "cook"], "contrast": "first - second", "gap": gaps,
         "beyond": gaps, "low": gaps - 0.05, "high": gaps + 0.05, "p_holm": [0.01, 0.001, 0.5],
         "family_low": gaps - 0.08, "family_high": gaps + 0.08, "position": [0.7, 0.1, math.nan]}
    )  # fmt: skip
    notes = {"beyond_baseline_holm": 2, "no_interval": None}
    return EmbeddingAudit(
        table=table,
        summary={"encoder": "none", "confidence": 0.95, "templates": ["{}"], "pairs": ["she/he"],
                 "groups": {}, "baseline": ["person"], "contrasts": {"first - second": notes}},
    )  # fmt: skip


def results() -> dict[str, object]:
    r = np.random.default_rng(0)
    n = 400
    groups = {"a": r.choice(HOSTILE[:2], n), "b": r.choice(["x", "y"], n)}
    truth = r.uniform(0.2, 0.8, n)
    score = truth - 0.1 * (groups["b"] == "x")
    w = torch.tensor([[0.5], [0.55], [0.9], [0.1]], dtype=torch.float64)
    ends = {HOSTILE[0]: w[2], "b": w[3]}
    oracle = two_group_oracle(steps=5)
    found = [
        representational_balance({HOSTILE[0]: 84, HOSTILE[1]: 160, HOSTILE[2]: 6}),
        audit(score, truth, groups, n_draws=100),
        group_gaps(score, groups, n_resamples=100),
        embeddings(),
        certificate(oracle, w[0], w[1], n=30, seed=0),
        audit_model(oracle, w[0], ends, n=20, delta=0.4),
        calibrate(*SWEEP),
        audit_sweep({HOSTILE[1]: w[0], "p": w[1]}, ends, *SWEEP),
    ]
    return {type(one).__name__: one for one in found}


RESULTS = results()


def test_every_result_has_a_teller():
    assert set(RESULTS) == set(_TELLERS)


@pytest.mark.parametrize("name", _TELLERS)
def test_json_is_what_its_schema_says(name):
    made = RESULTS[name].report().to_json({"command": "x", "versions": {"a": "1"}})
    read = json.loads(json.dumps(made, allow_nan=False))
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.Draft202012Validator(schema()).validate(read)
    for table in read["tables"].values():
        assert {*table["key"], *table["estimate"]} <= set(table["columns"])
        assert all(len(row) == len(table["columns"]) for row in table["rows"])


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made.pop("answer"),
        lambda made: made.update({"$schema": "urn:bbb-core:report:2"}),
        lambda made: made.update(more=1),
        lambda made: made.update(quantities=[]),
        lambda made: made["quantities"][0].update(value="high"),
        lambda made: made["quantities"][0].update(value=True),
        lambda made: made["tables"]["groups"]["rows"][0].append([]),
        lambda made: made.update(caveats="none"),
        lambda made: made.update(versions={"a": 1}),
    ],
)
def test_what_the_schema_forbids_is_not_read(change, tmp_path):
    made = RESULTS["Balance"].report().to_json()
    change(made)
    file = tmp_path / "report.json"
    file.write_text(json.dumps(made))
    with pytest.raises(InputError, match="no report of this version"):
        read_report(file)


@pytest.mark.parametrize("name", _TELLERS)
def test_frame_plot_and_notebook(name):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    result = RESULTS[name]
    frame = result.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert len(frame)
    axes = result.plot()
    assert isinstance(axes, matplotlib.axes.Axes)
    axes.figure.canvas.draw()
    assert result.plot(axes) is axes
    pyplot.close("all")
    shown = BeautifulSoup(result._repr_html_(), "html.parser")
    assert shown.select_one("p.answer").get_text() == result.report().answer.replace("\u202e", "")
    assert not shown.select("script, img, [onload], [onerror]")


@pytest.mark.parametrize("name", _TELLERS)
def test_nothing_differs_from_itself(name):
    made = compare(RESULTS[name].report(), RESULTS[name].report())
    assert all(q.value == 0 and not q.low > 0 and not q.high < 0 for q in made.quantities)
    frame = made.tables["differences"].frame
    assert (frame["difference"] == 0).all()
    jsonschema.Draft202012Validator(schema()).validate(json.loads(json.dumps(made.to_json())))
    assert "are not shown to differ" in render(made)


def test_the_frame_is_a_copy():
    frame = RESULTS["Audit"].to_frame()
    frame["n"] = 0
    assert (RESULTS["Audit"].by_group["n"] > 0).all()


@pytest.mark.parametrize("name", _TELLERS)
def test_pages_load_nothing_and_run_nothing_of_others(name):
    report = RESULTS[name].report()
    text = render(report, {"command": HOSTILE[0], "parameters": {HOSTILE[1]: list(HOSTILE)}})
    page = BeautifulSoup(text, "html.parser")
    (script,) = page.select("script")
    digest = base64.b64encode(hashlib.sha256(script.string.encode()).digest()).decode()
    policy = page.select_one("meta[http-equiv]")["content"]
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "http" not in text.replace("http-equiv", "")
    assert not page.select("img, iframe, link, object, [src], [onload], [onerror]")
    assert "\u202e" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("name", _TELLERS)
def test_pages_can_be_read_by_ear(name):
    page = BeautifulSoup(render(RESULTS[name].report()), "html.parser")
    assert page.html["lang"] == "en"
    levels = [int(tag.name[1]) for tag in page.find_all(re.compile("^h[1-6]$"))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    assert page.select("figure")
    for figure in page.select("figure"):
        assert figure.select_one("figcaption").get_text(strip=True)
        assert figure.select_one("[role=img][aria-label], table th[scope]")
    for table in page.select("table"):
        assert all(head.get("scope") in ("col", "row") for head in table.select("th"))
    assert all(tag.get("aria-hidden") for tag in page.select("div.row svg"))


def test_names_stay_readable_and_harmless():
    report = RESULTS["Balance"].report()
    page = BeautifulSoup(render(report), "html.parser")
    labels = [tag.get_text() for tag in page.select("div.row .label")]
    assert HOSTILE[0] in labels
    assert HOSTILE[1] in labels
    told = markdown(report)
    assert "<script" not in told
    assert "\\`c\\` \\[d\\]\\(e\\)" in told
    (row,) = [line for line in told.splitlines() if "a\\|b" in line and line.startswith("|")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 6


def test_words_lead_to_the_book_where_one_is_named(monkeypatch):
    report = RESULTS["Balance"].report()
    assert "<a " not in render(report)
    monkeypatch.setenv("BBB_BOOK_URL", "https://example.org/book/")
    page = BeautifulSoup(render(report), "html.parser")
    assert page.select_one("dd a")["href"] == "https://example.org/book/fairness_criteria.html"
    monkeypatch.setenv("BBB_BOOK_URL", "javascript:alert(1)")
    with pytest.raises(InputError, match="BBB_BOOK_URL"):
        render(report)


def test_every_word_has_a_page_in_the_book():
    for _, page in TERMS.values():
        assert (ROOT / "book" / f"{page}.md").is_file()
    for result in RESULTS.values():
        assert set(result.report().terms) <= set(TERMS)


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.0, 1.0], (0.0, 0.25, 0.5, 0.75, 1.0)),
        ([-0.3, 0.1], (-0.3, -0.2, -0.1, 0.0, 0.1)),
        ([5.0, 5.0, math.inf], (4.5, 4.75, 5.0, 5.25, 5.5)),
        ([], (0.0, 0.25, 0.5, 0.75, 1.0)),
    ],
)
def test_ticks(values, ticks):
    scale = Scale(values)
    assert scale.ticks == pytest.approx(ticks)
    assert (scale.at(ticks[0]), scale.at(ticks[-1])) == (0.0, 100.0)
    assert (scale.at(-math.inf), scale.at(math.inf)) == (0.0, 100.0)


def test_forest_plots_draw_the_largest_and_say_so():
    frame = pd.DataFrame(
        {"x": [f"g{i}" for i in range(60)], "v": [(-1) ** i * i for i in range(60)]}
    )
    made = Forest.of("t", "c.", frame, ("x", "v", "v", "v"))
    assert [row.label for row in made.rows][::39] == ["g58", "g59"]
    assert len(made.rows) == 40
    assert made.caption.endswith("Drawn are the 40 largest of 60; the table has all.")
    assert made.rows[0] == Row("g58", 58.0, 58.0, 58.0)


def test_places_of_a_forest_plot():
    made = Report(
        kind="k", title="t", answer="a", confidence=0.9,
        quantities=(Quantity("q", 1.0, 0.0, math.inf),),
        tables={"x": Table(pd.DataFrame({"k": ["p"], "v": [math.nan]}), ("k",))},
        figures=(Forest("f", "c", (Row("p", 0.25, 0.0, math.inf, 0.5),), {"one": 1.0}, "m"),),
    )  # fmt: skip
    svg = BeautifulSoup(render(made), "html.parser").select_one("div.row svg")
    assert svg.select_one("circle")["cx"] == "25.0%"
    span = svg.select_one("line.span")
    assert (span["x1"], span["x2"]) == ("0.0%", "100.0%")
    assert svg.select_one("line.mark")["x1"] == "50.0%"
    assert svg.select_one("line.line")["x1"] == "100.0%"
    assert fragment(made).count("–") == 1
    assert cell(math.nan) == "–"


def test_few_images_and_few_prompts_are_said():
    assert "Too few images" in " ".join(representational_balance({"a": 2, "b": 4}).report().caveats)
    assert "Too few" not in " ".join(representational_balance({"a": 200, "b": 4}).report().caveats)
    f = np.tile([0.1, 0.4, 0.2, 0.7], 30)
    told = group_gaps(f, ["a", "b"] * 60, within=np.repeat(range(6), 20), n_resamples=100).report()
    assert any("Only 6 prompts" in caveat for caveat in told.caveats)
    told = group_gaps(f, ["a", "b"] * 60, n_resamples=100).report()
    assert any("taken as independent" in caveat for caveat in told.caveats)


def test_drawing_libraries_are_loaded_when_they_are_asked_for():
    code = (
        "import sys\n"
        "from bbb_core.balance import representational_balance\n"
        "b = representational_balance({'a': 3, 'b': 4})\n"
        "print([m for m in ('pandas', 'matplotlib', 'jinja2', 'torch') if m in sys.modules])\n"
        "b._repr_html_()\n"
        "print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "False"]
