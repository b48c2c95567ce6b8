"""The register's filters in a browser, and that the page is whole without scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[3] / "book" / "_static" / "register.js"
ROW = '<tr class="origin-{}" id="{}"><td>So.</td><td><span class="verdict">{}</span></td></tr>'
PAGE = """<!doctype html><title>Register</title><style>tr[hidden] {{ display: none }}</style>
<table class="claims-table claims-filtered"><thead><tr><th>Claim</th><th>Verdict</th></tr></thead>
<tbody><tr class="claims-chapter"><td>First</td></tr>{}{}
<tr class="claims-chapter"><td>Second</td></tr>{}</tbody></table><script>{}</script>"""


def opened(browser: Any, folder: Path, *, scripts: bool) -> Any:
    rows = [
        ROW.format("ours", "a", "✓ supported"),
        ROW.format("paper", "b", "◐ mixed"),
        ROW.format("ours", "c", "✓ supported"),
    ]
    path = folder / "register.html"
    path.write_text(PAGE.format(*rows, SCRIPT.read_text(encoding="utf-8")), encoding="utf-8")
    page = browser.new_context(offline=True, java_script_enabled=scripts).new_page()
    page.set_default_timeout(5000)
    page.goto(path.as_uri())
    return page


def visible(page: Any) -> list[bool]:
    rows = page.locator("tbody tr")
    return [rows.nth(i).is_visible() for i in range(5)]


def test_without_scripts_all_rows_are_there_and_no_filters(browser: Any, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, scripts=False)
    assert visible(page) == [True] * 5
    assert page.locator("form").count() == 0


def test_rows_are_filtered_by_keyboard_with_the_headings_of_what_is_left(
    browser: Any, tmp_path: Path
) -> None:
    page = opened(browser, tmp_path, scripts=True)
    assert visible(page) == [True] * 5
    page.get_by_label("Verdict").focus()
    page.keyboard.press("ArrowDown")
    assert visible(page) == [True, True, False, True, True]
    assert page.locator("output").inner_text() == "2 of 3 shown"
    page.get_by_label("Chapter").select_option("First")
    assert visible(page) == [True, True, False, False, False]
    page.get_by_label("Verdict").select_option("")
    page.get_by_label("Made by").select_option("the paper")
    assert visible(page) == [True, False, True, False, False]
    assert page.locator("output").inner_text() == "1 of 3 shown"
