"""The page of a report in a real browser: sorting by keys, narrow screens, accessibility.

Skipped, with a sentence, where no Chromium or no Playwright is installed.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bbb_core.alignment import audit
from bbb_core.report import render

GROUPS = {"gender": ["woman", "man"], "tone": ["light", "<script>throw 1</script>" * 3]}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    r = np.random.default_rng(0)
    groups = {name: r.choice(labels, 400) for name, labels in GROUPS.items()}
    truth = r.uniform(0.2, 0.8, 400)
    found = audit(truth - 0.1 * (groups["gender"] == "woman"), truth, groups, n_draws=100)
    file: Path = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(render(found.report()), encoding="utf-8")
    return file.as_uri()


def opened(browser: Any, page: str, **options: Any) -> tuple[Any, list[str]]:
    """Return a tab without a network, and what goes wrong on it."""
    tab = browser.new_context(offline=True, **options).new_page()
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    tab.goto(page)
    return tab, wrong


def test_tables_are_sorted_by_keys(browser, page):
    tab, wrong = opened(browser, page)
    table = "table.sortable >> nth=0"
    column = tab.locator(table).locator("thead th").nth(1)  # n

    def numbers() -> list[int]:
        cells = tab.locator(table).locator("tbody tr > :nth-child(2)")
        return [int(text) for text in cells.all_inner_texts()]

    column.locator("button").focus()
    tab.keyboard.press("Enter")
    assert column.get_attribute("aria-sort") == "ascending"
    assert numbers() == sorted(numbers())
    tab.keyboard.press("Space")
    assert column.get_attribute("aria-sort") == "descending"
    assert numbers() == sorted(numbers(), reverse=True)
    assert not wrong


def test_without_scripts_everything_is_there(browser, page):
    tab, wrong = opened(browser, page, java_script_enabled=False)
    assert tab.locator("table.sortable >> nth=0").locator("tbody tr").count() == 8
    assert tab.locator("th button").count() == 0
    assert not wrong


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1300])
def test_nothing_overflows_and_axe_finds_nothing_serious(browser, page, width, scheme):
    package = pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
    axe = resources.files(package).joinpath("axe.min.js").read_text(encoding="utf-8")
    screen = {"width": width, "height": 800}
    tab, wrong = opened(browser, page, viewport=screen, color_scheme=scheme, bypass_csp=True)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    tab.evaluate(axe)
    found = tab.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    told = [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious]
    assert not told
    assert not wrong
