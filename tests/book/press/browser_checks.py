"""What a browser sees of the built pages; `make test` runs these on the cold build.

Each page is opened once, in Chromium and without a network. Without a Chromium every check is
skipped and pytest's closing line counts it; `$BBB_SITE` names another folder of pages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from site_checks import PAGES, SITE

HEAVIEST = 1_500_000
"""Bytes of a page and of what it alone loads; the theme and MathJax are loaded once for all."""
PHONE = {"width": 360, "height": 800}
SCHEMES = ("light", "dark")
AXE = {"resultTypes": ["violations"], "preload": False}  # it would fetch every style sheet again
STILL = "* { transition: none !important; animation: none !important }"


@dataclass(frozen=True)
class Seen:
    """One page as a browser saw it."""

    errors: list[str]
    addresses: set[str]
    findings: list[str]
    filtered: list[str]
    schemes: list[str]
    width: int
    wide: list[str]
    unreachable: list[str]
    squeezed: list[str]


_SCROLLS = "['auto', 'scroll'].includes(getComputedStyle(e).overflowX)"
_WIDE = """[...document.querySelectorAll('.bd-main *')]
  .filter(e => e.getBoundingClientRect().right > 361 && !e.closest('pre, .math, .cell_output'))
  .map(e => e.tagName + '.' + e.className + ' ' + (e.textContent || '').trim().slice(0, 40))
  .slice(0, 5)"""
_UNREACHABLE = f"""[...document.querySelectorAll('.bd-article *')]
  .filter(e => {_SCROLLS} && e.scrollWidth > e.clientWidth + 1)
  .filter(e => e.tabIndex < 0 && !e.querySelector('a[href], button, [tabindex="0"]'))
  .map(e => e.outerHTML.slice(0, 120))"""
_SQUEEZED = """[...document.querySelectorAll('.bd-article img')]
  .filter(e => e.naturalWidth && e.height)
  .filter(e => Math.abs(e.width * e.naturalHeight / (e.height * e.naturalWidth) - 1) > 0.03)
  .map(e => `${e.width} x ${e.height}: ${e.alt}`.slice(0, 80))"""
_FILTERED = """[...document.querySelectorAll('.bd-article :is(img, svg, canvas)')]
  .filter(e => getComputedStyle(e).filter !== 'none').map(e => e.alt || e.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def seen(browser: Any) -> Callable[[str], Seen]:
    known: dict[str, Seen] = {}

    def look(page: str) -> Seen:
        if page not in known:
            known[page] = visit(browser, page)
        return known[page]

    return look


def visit(browser: Any, page: str) -> Seen:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    context = browser.new_context(offline=True, color_scheme="light")
    tab = context.new_page()
    errors: list[str] = []
    addresses: set[str] = set()
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda said: said.type == "error" and errors.append(said.text))
    tab.on("request", lambda request: addresses.add(request.url))
    tab.goto((SITE / page).as_uri())
    tab.evaluate("window.MathJax?.startup?.promise")
    tab.add_style_tag(content=STILL)
    findings, schemes = [], []
    for scheme in SCHEMES:
        tab.emulate_media(color_scheme=scheme)
        tab.wait_for_timeout(300)  # the theme's script hears of it
        schemes.append(tab.evaluate("document.documentElement.dataset.theme"))
        said = axe.run(tab, options=AXE).response["violations"]
        findings += [
            f"{scheme}: {one['id']} at {[node['target'] for node in one['nodes'][:3]]}"
            for one in said
            if one["impact"] in ("serious", "critical")
        ]
    filtered = tab.evaluate(_FILTERED)
    tab.set_viewport_size(PHONE)
    tab.wait_for_timeout(500)  # the theme's script waits for the last of several resizes
    width = tab.evaluate("document.documentElement.scrollWidth")
    wide = tab.evaluate(_WIDE) if width > PHONE["width"] else []
    unreachable = tab.evaluate(_UNREACHABLE)
    squeezed = tab.evaluate(_SQUEEZED)
    context.close()
    return Seen(errors, addresses, findings, filtered, schemes, width, wide, unreachable, squeezed)


@pytest.mark.parametrize("page", PAGES)
def test_the_browser_has_nothing_to_complain_about(seen, page):
    assert seen(page).errors == []


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_asked_of_a_network(seen, page):
    local = ("file:", "data:", "blob:")
    assert [one for one in seen(page).addresses if not one.startswith(local)] == []


@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing_serious_in_light_or_dark(seen, page):
    assert seen(page).schemes == list(SCHEMES)
    assert seen(page).findings == []


@pytest.mark.parametrize("page", PAGES)
def test_pictures_keep_their_colours_in_the_dark(seen, page):
    assert seen(page).filtered == []


@pytest.mark.parametrize("page", PAGES)
def test_a_phone_scrolls_a_page_one_way_only(seen, page):
    assert seen(page).width <= PHONE["width"], seen(page).wide


@pytest.mark.parametrize("page", PAGES)
def test_pictures_keep_their_shape_on_a_phone(seen, page):
    assert seen(page).squeezed == []


@pytest.mark.parametrize("page", PAGES)
def test_what_scrolls_in_its_own_box_is_reached_by_keys(seen, page):
    assert seen(page).unreachable == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_not_heavy(seen, page):
    files = {Path(unquote(urlsplit(one).path)) for one in seen(page).addresses if "file:" in one}
    shared = {SITE / "searchindex.js"}  # one for all pages, as the theme in _static
    own = [f for f in files - shared if SITE / "_static" not in f.parents and f.is_file()]
    weights = {file.name: file.stat().st_size for file in own}
    assert page in weights
    assert sum(weights.values()) < HEAVIEST, weights
