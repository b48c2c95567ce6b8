"""The audit of published counts: on a synthetic world, and on the published files themselves."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special

from bbb_book.chapters.published_generations import audit_tables, chain_page, published_audit
from bbb_book.chapters.published_generations import figures as chapter
from bbb_book.chapters.published_generations.audit_record import measure_generations, restored
from bbb_book.chapters.published_generations.count_audit import (
    audit_generations,
    explaining_error,
    none_counted,
    thinned,
)
from bbb_book.chapters.published_generations.expected_estimates import bracket_violation
from bbb_book.data import published
from bbb_book.results.register import load_register
from bbb_book.results.storage import load, store
from bbb_core.errors import InputError
from bbb_core.rng import generator

BOOK = Path(__file__).parents[3] / "book"
FIGURES = ("shares", "small_samples", "amplification", "intervention")


@pytest.fixture(scope="module")
def world():
    """Synthetic counts: training, an amplifying generator, a repair towards one half."""
    rng = generator(0, "published world")
    names = pd.Index([f"occupation {i}" for i in range(60)], name="occupation")
    share = rng.uniform(0.1, 0.9, 60)
    sizes = {"training": 5000, "generated": 250, "edited": 240}
    odds = special.logit(share)
    shares = {
        "training": share,
        "generated": special.expit(1.5 * odds),
        "edited": 0.5 + 0.2 * (share - 0.5),
    }
    tables = {}
    for key, n in sizes.items():
        woman = rng.binomial(n, shares[key])
        tables[key] = pd.DataFrame({"man": n - woman, "woman": woman, "except": 0}, index=names)
    tables["training"].iloc[0] = [1, 2, 0]
    return tables


@pytest.fixture(scope="module")
def audit(world):
    return audit_generations(
        world["generated"], world["edited"], world["training"], n_resamples=199
    )


SIMULATED = {"gen-bracket", "gen-mean-level"}
"""Claims that need no published file."""
CHAIN = {"chain-drawn", "chain-beyond", "chain-first"}
"""Claims of the chain of text encoders (`test_published_chain`)."""


def test_every_claim_of_the_register_is_measured(audit):
    claims = {c.id for c in load_register().values() if c.chapter == "published_generations"}
    assert claims == set(audit.estimates) | SIMULATED | CHAIN
    text = (BOOK / "published_generations.md").read_text()
    recorded = re.findall(r'record(?:_or_say|_chain)?\((?:chains, )?"([a-z-]+)"', text)
    assert sorted(recorded) == sorted(claims)


def test_planted_findings_are_found(audit):
    e = {key: estimate for key, (estimate, _) in audit.estimates.items()}
    assert audit.flagged == ("occupation 0",)
    assert e["gen-slope"].low < 1.5 < e["gen-slope"].high
    assert e["gen-slope"].low > 1
    assert e["gen-grown"].low > 0 > e["gen-shrunk"].high
    assert e["gen-worse"].value == 0
    assert audit.amplification.n == 59


def test_order_of_rows_does_not_matter(world, audit):
    shuffled = world["training"].sample(frac=1, random_state=1)
    again = audit_generations(world["generated"], world["edited"], shuffled, n_resamples=199)
    assert again.estimates["gen-slope"] == audit.estimates["gen-slope"]


def test_explaining_error_is_what_shrinks_the_mean(audit):
    e = explaining_error(audit)
    kept = audit.balance["generated"].drop(index=list(audit.flagged))
    shrunk = (1 - 2 * e) * kept["imbalance"].mean()
    assert shrunk == pytest.approx(audit.means["training"].plug_in)


def test_none_counted_and_thinned(world):
    none = none_counted(world["edited"][["man", "woman"]], 250)
    assert (none["none"] == 10).all()
    with pytest.raises(InputError, match="counts more images"):
        none_counted(world["edited"][["man", "woman"]], 100)
    assert thinned(world["generated"], 4.0).sum(axis=1).between(61, 64).all()
    with pytest.raises(InputError, match="design_effect"):
        thinned(world["generated"], 0.5)


def test_bracket_is_never_left():
    assert bracket_violation() < 1e-9


@pytest.mark.parametrize("name", FIGURES)
def test_figures_and_tables_with_and_without_data(name, audit):
    draw = getattr(chapter, name)
    assert len(draw(audit).axes) >= 1
    assert published_audit.ABSENT in [t.get_text() for t in draw(None).axes[0].texts]


def test_tables_with_and_without_data(audit):
    assert len(audit_tables.extremes(audit)) == 10
    assert len(audit_tables.assumption_table(audit, design_effect=4.0, reader_error=0.05)) == 6
    assert audit_tables.extremes(None).data == published_audit.ABSENT
    assert (
        audit_tables.assumption_table(None, design_effect=4.0, reader_error=0.05).data
        == published_audit.ABSENT
    )
    assert published_audit.finding(None, "gen-slope") == (None, None)


def test_a_stored_audit_reads_back_whole(world, audit, tmp_path):
    """Every figure and table of the page comes from what is stored."""
    stored = measure_generations(
        world["generated"], world["edited"], world["training"], n_resamples=199
    )
    again = restored(load(tmp_path, store(tmp_path, stored)))
    assert again.estimates == audit.estimates
    assert again.means == audit.means
    assert again.amplification == audit.amplification
    for name in ("shares", "balance", "changes"):
        kept, made = getattr(again, name), getattr(audit, name)
        assert list(kept) == list(made)
        for key, table in made.items():
            pd.testing.assert_frame_equal(kept[key], table)
    pd.testing.assert_frame_equal(again.assumptions, audit.assumptions)
    assert (again.flagged, again.drawn) == (audit.flagged, 250)


def glued(monkeypatch, found) -> dict[str, str]:
    texts: dict[str, str] = {}
    monkeypatch.setattr("bbb_book.results.claims._glue", texts.__setitem__)
    published_audit.show_status()
    published_audit.show_numbers(found, minimum=20)
    chain_page.show_chain({})
    for claim in CHAIN:
        chain_page.record_chain({}, claim)
    from bbb_book.results.unmeasured import record_or_say

    for claim in load_register().values():
        if claim.chapter == "published_generations" and claim.id not in SIMULATED | CHAIN:
            record_or_say(claim.id, *published_audit.finding(found, claim.id))
    return texts


def test_every_glued_text_exists_with_and_without_data(monkeypatch, audit):
    wanted = set(
        re.findall(r"\{glue:text\}`([^`]+)`", (BOOK / "published_generations.md").read_text())
    )
    chain = {name for name in wanted if name.startswith("chain-")}
    absent, measured = glued(monkeypatch, None), glued(monkeypatch, audit)
    assert wanted <= set(absent)
    assert wanted <= set(measured)
    assert set(absent) == set(measured)
    always = {"gen-status", "gen-minimum"}
    texts = {absent[name] for name in wanted - always if not name.endswith("-interval")}
    assert texts == {"not measured"}
    assert "not measured" not in {measured[name] for name in wanted - chain}


def test_source_none_and_missing_data_read_as_absent(monkeypatch, tmp_path):
    monkeypatch.setenv("BBB_DATA_DIR", str(tmp_path))
    assert published_audit.stored_audit("none") is None
    assert published_audit.stored_audit("published", minimum=21) is None  # no record of this one
    assert published_audit.audit(None) is None
    with pytest.raises(InputError, match="source"):
        published_audit.stored_audit("elsewhere")


def test_damaged_data_is_an_error_and_not_an_absence(monkeypatch, tmp_path):
    for name in published_audit.NAMES.values():
        (tmp_path / published.SOURCES[name].file).write_text("nurse\nman: 1, woman: 2, except: 0\n")
    monkeypatch.setenv("BBB_DATA_DIR", str(tmp_path))
    with pytest.raises(InputError, match="SHA-256"):
        published_audit.stored_audit("published", minimum=21)


@pytest.mark.parametrize("change", ["column", "prompt", "twice"])
def test_tables_must_match(world, change):
    edited = world["edited"].copy()
    if change == "column":
        edited = edited.drop(columns="woman")
    elif change == "prompt":
        edited = edited.rename(index={"occupation 3": "other"})
    else:
        edited = pd.concat([edited, edited.iloc[:1]])
    with pytest.raises(InputError):
        audit_generations(world["generated"], edited, world["training"], n_resamples=9)


@pytest.fixture(scope="module")
def real():
    if not published.available(*published_audit.NAMES.values()):
        pytest.skip("the published counts are not at hand (no network, no BBB_DATA_DIR)")
    return audit_generations(
        *(published.load(name) for name in published_audit.NAMES.values()), n_resamples=499
    )


def test_numbers_of_the_published_files(real):
    """Computed here from the files by plain arithmetic, and pinned to what they give."""
    counts = {k: published.load(name) for k, name in published_audit.NAMES.items()}
    share = {k: c["woman"] / c.sum(axis=1) for k, c in counts.items()}
    means = {k: float((s - 0.5).abs().mean()) for k, s in share.items()}
    assert {k: round(m, 3) for k, m in means.items()} == {
        "training": 0.258,
        "generated": 0.311,
        "edited": 0.105,
    }
    assert round(float(np.corrcoef(share["training"], share["generated"])[0, 1]), 3) == 0.904
    assert len(real.shares["generated"]) == 153
    assert all(table["except"].sum() == 0 for table in counts.values())
    assert real.flagged == ("community manager", "software developer", "stocker", "writer")
    assert real.means["generated"].plug_in == pytest.approx(means["generated"])
    assert int((real.balance["generated"]["p_holm"] <= 0.05).sum()) == 131
    assert int((real.balance["edited"]["p_holm"] <= 0.05).sum()) == 63
    assert round(real.estimates["gen-slope"][0].value, 2) == 1.27


def test_verdicts_of_the_published_files(real):
    register = load_register()
    verdicts = {
        key: register[key].rule.verdict(e.low, e.high) for key, (e, _) in real.estimates.items()
    }
    assert verdicts.pop("gen-residual") == "not supported"
    assert set(verdicts.values()) == {"supported"}
