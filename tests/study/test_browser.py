"""The page in a real browser: clicks, keys, reload, export, collection, accessibility.

Skipped, with a sentence, where no Chromium or no Playwright is installed; everything else about
the study is tested without a browser.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from bbb_core.cli import main
from bbb_core.study import Study, deal, read_exports

SCREENS = ("intro", "welcome", "task", "paused", "done", "deleted")


@pytest.fixture
def tab(browser: Any, folder: Path) -> Iterator[Any]:
    """A page without a network; an error on it or a request for anything fails the test."""
    context = browser.new_context(accept_downloads=True, offline=True)
    page = context.new_page()
    page.set_default_timeout(5000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    page.on("dialog", lambda dialog: dialog.accept())
    page.on(
        "request",
        lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else wrong.append(r.url),
    )
    page.goto((folder / "study.html").as_uri())
    yield page
    context.close()
    assert not wrong


def begin(tab: Any) -> str:
    tab.check("#consent")
    tab.click("#begin")
    return json.loads(tab.evaluate("Object.values(localStorage)[0]"))["code"]


def wanted(study: Study, truth: dict[str, str], image: str) -> str:
    return study.by_id[image].answer or truth[image]


def count(tab: Any) -> str:
    return tab.inner_text("#count")


def test_answers_by_clicks_and_keys_are_exported_and_collected(tab, folder, study, truth, tmp_path):
    """The whole way: consent, clicks, keys, a pause, a reload, a step back, export, collection."""
    tab.click("#begin")
    assert "Tick the box" in tab.inner_text("#consent-error")
    code = begin(tab)
    dealt = deal(study, code)
    shown = tab.eval_on_selector_all("#options input", "all => all.map(one => one.value)")
    assert tuple(shown) == dealt.options
    assert shown[-2:] == ["none", "unclear"]
    tab.click("#next")
    assert "Choose an answer first" in tab.inner_text("#answer-error")
    answers = [wanted(study, truth, image) for image in dealt.images]
    number = next(i for i, image in enumerate(dealt.images) if i > 5 and image in truth)
    for i, answer in enumerate(answers):
        assert count(tab) == f"Picture {i + 1} of {study.shown}"
        place = shown.index(answer)
        if i == 2:  # pause and go on
            tab.click("#pause")
            assert tab.is_hidden("#task")
            tab.click("#resume")
        if i == 5:  # close and open again
            tab.reload()
            assert tab.inner_text("#welcome-count") == f"5 of {study.shown} pictures"
            tab.keyboard.press("Tab")
            tab.keyboard.press("Enter")
            assert count(tab) == f"Picture 6 of {study.shown}"
        if i == number:  # a wrong answer, taken back
            tab.keyboard.press(str(1 + (place == 0)))
            tab.keyboard.press("Enter")
            tab.click("#back")
            assert tab.is_checked(f"#option-{1 + (place == 0)}")
        if i % 3 == 0:  # by the mouse
            tab.click(f"label[for=option-{place + 1}]")
            tab.click("#next")
        elif i % 3 == 1:  # by number
            tab.keyboard.press(str(place + 1))
            tab.keyboard.press("Enter")
        else:  # by arrows, from the first option, on which the focus lies
            tab.keyboard.press("Space")
            for _ in range(place):
                tab.keyboard.press("ArrowDown")
            tab.keyboard.press("Enter")
    assert tab.inner_text("#code") == code
    with tab.expect_download() as waiting:
        tab.click("#save")
    saved = tmp_path / "in" / waiting.value.suggested_filename
    waiting.value.save_as(saved)
    assert code in saved.name
    assert "Nothing was sent" in tab.inner_text("#done .status")
    (export,) = read_exports([saved], study).exports
    assert [one.answer for one in export.answers] == answers
    assert export.complete
    assert not export.simulated
    assert export.answers[number].changes == 1
    out = tmp_path / "out"
    key = folder / "study.json"
    done = CliRunner().invoke(
        main,
        ["study", "collect", str(saved), "--study", str(key), "--out", str(out), "--fastest", "0"],
    )
    assert done.exit_code == 0, done.output
    labels = pd.read_csv(out / "labels.csv").set_index("image")["label"]
    assert labels.to_dict() == truth


def test_pictures_are_shown_and_alt_texts_tell_nothing(tab, study):
    code = begin(tab)
    sources = tab.evaluate("JSON.parse(document.getElementById('study').textContent)")
    by_id = {one["id"]: one["source"] for one in [*sources["rated"], *sources["checks"]]}
    picture = tab.locator("#picture")
    assert picture.get_attribute("src") == by_id[deal(study, code).images[0]]
    assert picture.evaluate("one => one.complete && one.naturalWidth") > 0
    assert picture.get_attribute("alt") == f"Picture 1 of {study.shown}, to be judged by eye"


def test_number_keys_can_be_switched_off_and_focus_is_seen(tab):
    begin(tab)
    assert tab.evaluate("document.activeElement.id") == "option-1"
    tab.uncheck("#keys")
    tab.keyboard.press("2")
    assert not tab.is_checked("#option-2")
    tab.focus("#option-1")
    tab.keyboard.press("ArrowDown")
    assert tab.is_checked("#option-2")
    width = tab.evaluate(
        "getComputedStyle(document.querySelector('input:checked + label')).outlineWidth"
    )
    assert width == "3px"


def test_part_export_delete_and_a_new_code(tab, study, tmp_path):
    code = begin(tab)
    tab.keyboard.press("1")
    tab.keyboard.press("Enter")
    tab.click("#pause")
    with tab.expect_download() as waiting:
        tab.click("#paused [data-save]")
    saved = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(saved)
    assert saved.name.endswith("-part.json")
    (export,) = read_exports([saved], study).exports
    assert (export.participant, export.complete, len(export.answers)) == (code, False, 1)
    tab.click("#paused [data-delete]")
    assert tab.is_visible("#deleted")
    assert tab.evaluate("localStorage.length") == 0
    tab.click("#again")
    assert begin(tab) != code


def test_damaged_storage_starts_anew(tab):
    key = "bbb-study-" + tab.evaluate("JSON.parse(document.getElementById('study').textContent).id")
    for damaged in (
        "{",
        '{"code": "x"}',
        '{"code": "0123456789abcdef", "answers": [{"image": 1}]}',
    ):
        tab.evaluate("([key, text]) => localStorage.setItem(key, text)", [key, damaged])
        tab.reload()
        assert tab.is_visible("#intro")


def test_every_screen_is_reached_by_tests_of_accessibility(tab):
    assert tab.eval_on_selector_all("main > section", "all => all.map(one => one.id)") == list(
        SCREENS
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_finding_of_axe(browser, folder, scheme):
    """axe-core finds nothing serious or critical on any screen, errors shown, light and dark."""
    package = pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
    axe = resources.files(package).joinpath("axe.min.js").read_text(encoding="utf-8")
    context = browser.new_context(
        color_scheme=scheme, reduced_motion="reduce", offline=True, bypass_csp=True
    )
    tab = context.new_page()
    tab.set_default_timeout(5000)
    tab.on("dialog", lambda dialog: dialog.accept())
    tab.goto((folder / "study.html").as_uri())
    tab.evaluate(axe)
    seen = []

    def look(screen: str) -> None:
        assert tab.is_visible(f"#{screen}")
        found = tab.evaluate("axe.run({resultTypes: ['violations']})")
        bad = [v["id"] for v in found["violations"] if v["impact"] in ("serious", "critical")]
        assert not bad, f"{screen}, {scheme}: {bad}"
        assert len(found["passes"]) > 5
        seen.append(screen)

    look("intro")
    tab.click("#begin")
    look("intro")
    begin(tab)
    look("task")
    tab.click("#next")
    look("task")
    tab.keyboard.press("2")
    look("task")
    tab.keyboard.press("Enter")
    tab.click("#pause")
    look("paused")
    tab.reload()
    tab.evaluate(axe)
    look("welcome")
    tab.click("#continue")
    while tab.is_visible("#task"):
        tab.keyboard.press("1")
        tab.keyboard.press("Enter")
    look("done")
    tab.click("#done [data-delete]")
    look("deleted")
    context.close()
    assert set(seen) == set(SCREENS)
