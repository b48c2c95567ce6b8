"""The two pages to play with: their numbers by another route, by mouse, by keyboard, offline."""

from __future__ import annotations

import importlib.resources as resources
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from bbb_book.chapters.inheritance import walk as walking
from bbb_book.chapters.inheritance.designs import Design, registered
from bbb_book.chapters.inheritance.foretold import Generator
from bbb_book.chapters.reward_for_imbalance import rig as rigging
from bbb_book.chapters.reward_for_imbalance.leaderboard import leaderboard
from bbb_book.chapters.reward_for_imbalance.score_formulas import mean_score, mixture_variance
from bbb_book.scorers.design import audit_design
from bbb_book.scorers.models import ScoredModel, ScoredModels
from bbb_core import theory
from bbb_core.rng import generator

STYLE = (Path(__file__).parents[3] / "book/_static/book.css").read_text(encoding="utf-8")


def pool(skew: float, seed: int = 0) -> np.ndarray:
    drawn = generator(seed, "pool").standard_normal((6, 2, 400))
    return drawn * [[[1.0], [1.5]]] + np.array([skew, 0.0])[:, None]


def test_moments_give_the_mean_and_the_variance_of_any_share():
    scores = pool(0.4)
    found = rigging.moments(scores)
    means, spreads = scores.mean(2), scores.std(2)
    for share in (0.0, 0.3, 0.8, 1.0):
        shares = [share, 1 - share]
        mean = [mean_score(shares, m) - m[1] for m in means]
        variance = [mixture_variance(shares, m, s) for m, s in zip(means, spreads, strict=True)]
        assert share * found["difference"] == pytest.approx(np.mean(mean))
        mixed = share * found["men"] + (1 - share) * found["women"]
        assert mixed + share * (1 - share) * found["squared"] == pytest.approx(np.mean(variance))


def scorers() -> ScoredModels:
    """Two scored models: one whose captions are even, one that prefers men."""
    made = []
    for bias, skew in (("balanced", 0.0), ("men:0.8", 0.4)):
        values = {"pool": pool(skew)[..., None].repeat(3, -1)}
        made.append(ScoredModel(bias=bias, seed=0, design=audit_design(1, 0), values=values))
    return ScoredModels(tuple(made))


def lawful(women: float, switch: float) -> Generator:
    """A generator that obeys its law exactly, with pictures in proportion."""
    at, slope, each = np.linspace(0, 1, 11), 8.0, 40
    shares = np.tile(theory.inherited_share(at, slope, switch), (20, 1))
    ladies = np.round(each * shares)
    t = np.linspace(0.3, 0.7, 20)
    counts = [[30, 10, 0]] * 20
    return Generator(
        Design(encoder="minilm", conditioning="pooled", women=women, noise=0.15, seed=10, size=16),
        {
            "positions": at,
            "sweep": np.stack([each - ladies, ladies, 0 * ladies], -1),
            "slope": slope,
            "switch": switch,
            "placed": dict.fromkeys(walking._PLACES, counts),
            "placed_t": {place: t.tolist() for place in walking._PLACES}
            | {"common switch": [switch] * 20},
        },
    )


def sheet() -> np.ndarray:
    """Portraits in one grey for each position: 10, 25, 40, ..."""
    greys = np.arange(10, 10 + 15 * len(walking.POSITIONS), 15, dtype=np.uint8)
    shape = (20, len(greys), 2, 16, 16, 3)
    return np.broadcast_to(greys[:, None, None, None, None], shape).copy()


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("play")
    generators = [lawful(0.2, 0.7), lawful(0.5, 0.45)]
    made = {
        "walk": walking.walk(generators, [{"sheet": sheet()}] * 2),
        "rig": rigging.rig(scorers()),
    }
    for name, shown in made.items():
        text = f"<!doctype html><html lang=en><meta charset=utf-8><title>{name}</title>"
        text += f"<style>{STYLE}</style>"
        (folder / f"{name}.html").write_text(text + f"<h1>{name}</h1>" + shown.data + "</html>")
    return {name: folder / f"{name}.html" for name in made}


@pytest.fixture
def opened(browser: Any, pages: dict[str, Path]) -> Iterator[Any]:
    """Open a page without a network; an error on it or a request fails the test."""
    context = browser.new_context(offline=True)
    wrong: list[str] = []

    def open_(name: str) -> Any:
        tab = context.new_page()
        tab.set_default_timeout(5000)
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("console", lambda said: said.type == "error" and wrong.append(said.text))
        tab.on("request", lambda r: r.url[:5] in ("file:", "data:") or wrong.append(r.url))
        tab.goto(pages[name].as_uri())
        return tab

    yield open_
    context.close()
    assert not wrong


def said(tab: Any) -> str:
    return tab.inner_text("output")


def test_a_placed_prompt_is_foretold_by_the_law(opened):
    tab = opened("walk")
    assert "prompt at 0.30" in said(tab)
    share = theory.inherited_share(0.3, 8.0, 0.45)
    assert f"foretells {round(100 * float(share))} % women" in said(tab)
    assert "10 of 40 read as a woman [13 %, 41 %]" in said(tab)
    assert "begotten by the embedding −1.6" in said(tab)
    assert "the generator’s own +0.4" in said(tab)
    tab.click("text=at the switch")
    assert "foretells 50 % women" in said(tab)
    assert tab.get_attribute("button:has-text('at the switch')", "aria-pressed") == "true"


def test_the_prompt_walks_by_keyboard(opened):
    tab = opened("walk")
    tab.focus("[name=t]")
    tab.keyboard.press("End")
    assert "prompt at 1.10" in said(tab)
    assert "read as a woman" not in said(tab)  # no prompt was drawn just there
    tab.keyboard.press("Home")
    assert "prompt at -0.10" in said(tab)
    tab.keyboard.press("ArrowRight")
    assert "prompt at -0.09" in said(tab)
    tab.focus("[name=women]")
    tab.keyboard.press("ArrowUp")
    share = theory.inherited_share(-0.09, 8.0, 0.7)
    assert f"foretells {round(100 * float(share))} % women" in said(tab)


def test_portraits_are_those_of_the_place(opened):
    tab = opened("walk")
    tab.wait_for_timeout(200)
    pixel = "document.querySelector('.play canvas').getContext('2d').getImageData(8,8,1,1).data[0]"
    assert abs(tab.evaluate(pixel) - 70) <= 5  # at .3, the fifth position; pictures are compressed
    tab.focus("[name=t]")
    tab.keyboard.press("End")
    assert abs(tab.evaluate(pixel) - 190) <= 5
    assert tab.get_attribute(".faces", "aria-label").endswith("drawn on the way at 1.1")


def test_the_board_is_that_of_the_formula(opened):
    tab = opened("rig")
    scores = pool(0.4)
    board = leaderboard(
        scores / np.sqrt(scores.reshape(6, -1).var(1).mean()), fair=[0.5, 0.5], unfair=[0.8, 0.2]
    )
    assert f"+{board.reward:.3f} standard deviations" in said(tab)
    chance = norm.cdf(np.sqrt(100) * board.reward / np.sqrt(board.variance))
    shown = float(re.search(r"chance of (?:more than )?([\d.]+) %", said(tab)).group(1))
    assert shown == pytest.approx(100 * chance, abs=0.51)
    assert "Expected rank: 2 of 4" in said(tab)


def test_the_board_is_rigged_by_keyboard(opened):
    tab = opened("rig")
    tab.focus("[name=men]")
    tab.keyboard.press("Home")
    assert "Expected rank: 3 of 4" in said(tab)
    tab.select_option("[name=bias]", "balanced")
    fair = float(re.search(r"([+−][\d.]+) standard", said(tab)).group(1).replace("−", "-"))
    assert abs(fair) < 0.1
    before = said(tab)
    tab.focus("[name=images]")
    tab.keyboard.press("End")
    assert tab.inner_text("[data-is=images]") == "100,000"
    assert said(tab) != before


@pytest.mark.parametrize("name", ["walk", "rig"])
def test_no_serious_finding_of_axe(browser, pages, name):
    package = pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
    axe = resources.files(package).joinpath("axe.min.js").read_text(encoding="utf-8")
    context = browser.new_context(offline=True)
    tab = context.new_page()
    tab.goto(pages[name].as_uri())
    tab.evaluate(axe)
    found = tab.evaluate("axe.run('.play', {resultTypes: ['violations']})")
    bad = [v["id"] for v in found["violations"] if v["impact"] in ("serious", "critical")]
    context.close()
    assert bad == []


def test_names_cannot_end_the_script(monkeypatch):
    monkeypatch.setattr(rigging, "_SAID", {"balanced": "</script><b>"})
    page = rigging.rig(scorers()).data
    assert page.count("</script>") == 2
    content = re.search(r'json">(.*?)</script>', page, re.S).group(1)
    assert json.loads(content)["said"]["balanced"] == "</script><b>"


def test_the_walk_takes_one_small_generator_of_each_kind():
    found = walking.walked(registered(), ["minilm", "glove"])
    assert [(d.encoder, d.women) for d in found] == [
        (encoder, women) for encoder in ("minilm", "glove") for women in (0.2, 0.5, 0.8)
    ]
    assert all(d.size == 16 and d.conditioning == "pooled" for d in found)
