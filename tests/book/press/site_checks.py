"""Checks on built pages; `make test` runs them on the cold build (`$BBB_SITE` names another)."""

from __future__ import annotations

import functools
import json
import os
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from bbb_book.results.register import load_register

SITE = Path(os.environ.get("BBB_SITE") or Path(__file__).parents[3] / "book" / "_build" / "html-ci")
PAGES = sorted(path.name for path in SITE.glob("*.html"))
GENERATED = {"genindex.html", "prf-prf.html", "search.html"}
REMOTE = re.compile(r"^\s*(https?:)?//")


def soup(page: str) -> BeautifulSoup:
    return BeautifulSoup((SITE / page).read_text(encoding="utf-8"), "html.parser")


@functools.cache
def anchors(page: str) -> frozenset[str]:
    """Return every place of a page that a link can lead to, from one reading of it."""
    return frozenset(tag["id"] for tag in soup(page).find_all(id=True))


def test_there_are_pages():
    assert "index.html" in PAGES
    assert len(set(PAGES) - GENERATED) >= 2


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_loaded_from_elsewhere(page):
    content = soup(page)
    loaded = [
        tag.get(key, "")
        for name, key in [("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src")]
        for tag in content.find_all(name)
    ]
    fetched = {"stylesheet", "preload", "icon", "preconnect", "dns-prefetch", "modulepreload"}
    loaded += [t.get("href", "") for t in content.find_all("link") if fetched & set(t["rel"])]
    assert [address for address in loaded if REMOTE.match(address)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_loaded_file_is_there(page):
    content = soup(page)
    names = [tag["src"] for tag in content.find_all(["script", "img"], src=True)]
    names += [tag["href"] for tag in content.find_all("link", rel="stylesheet")]
    names = [name for name in names if not name.startswith("data:")]
    missing = [name for name in names if not (SITE / name.partition("?")[0]).is_file()]
    assert missing == []


def test_style_sheets_load_nothing_from_elsewhere():
    for path in SITE.rglob("*.css"):
        text = path.read_text(encoding="utf-8", errors="replace")
        assert not re.search(r"(@import\s+|url\()\s*['\"]?(https?:)?//", text), path.name


def test_the_mathematics_comes_with_the_pages():
    assert (SITE / "_static" / "mathjax" / "tex-chtml.js").is_file()
    assert any((SITE / "_static" / "mathjax" / "output" / "chtml" / "fonts").rglob("*.woff"))


@pytest.mark.parametrize("page", PAGES)
def test_every_image_says_what_it_shows(page):
    for image in soup(page).find_all("img"):
        said = image.get("alt", "").strip()
        assert said, image
        if image.find_parent("figure"):
            assert "/" not in said or " " in said, f"the alternative text is a path: {said}"
            assert len(said) >= 20, f"the alternative text is too short: {said}"


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_unresolved(page):
    content = soup(page)
    assert content.select(".system-message, .problematic, .pasted-text:empty") == []
    for code in content(["script", "style", "pre", "code"]):
        code.decompose()
    text = content.get_text(" ")
    assert re.findall(r"\{[a-z:-]+\}`|\?\?\?|\bnan\b", text) == []


@pytest.mark.parametrize("page", PAGES)
def test_no_cell_of_a_table_is_cut(page):
    cells = [cell.get_text().strip() for cell in soup(page).select("table :is(td, th)")]
    assert [text for text in cells if text.endswith(("...", "…"))] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_book_lead_somewhere(page):
    for link in soup(page).select("article a[href]"):
        name, _, anchor = link["href"].partition("#")
        if re.match(r"[a-z]+:", name):
            continue
        target = name or page
        assert (SITE / target).is_file(), link["href"]
        if anchor and target.endswith(".html"):
            assert anchor in anchors(target), link["href"]


def test_the_register_lists_every_claim_and_every_check():
    tables = soup("register.html").select("table.claims-filtered")
    found = [{row["id"] for row in table.select("tr[id]")} for table in tables]
    assert found == [
        {f"claim-{key}" for key, claim in load_register().items() if claim.role == role}
        for role in ("claim", "check")
    ]
    claims = json.loads((SITE / "claims.json").read_text(encoding="utf-8"))["claims"]
    assert [claim["id"] for claim in claims] == list(load_register())


def test_verdicts_are_told_without_colour():
    signs = {"supported": "✓", "mixed": "◐", "not supported": "✗", "not measured": "–"}
    signs |= {"holds": "✓", "open": "◐", "fails": "✗"}
    for badge in soup("register.html").select("table.claims-table .verdict"):
        symbol, _, verdict = badge.get_text().partition(" ")
        assert signs[verdict] == symbol
