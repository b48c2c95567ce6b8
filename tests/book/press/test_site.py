"""The pages of the sample book: the table of claims, missing claims, failures, one page alone."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from docutils import nodes

from bbb_book.press import claims_summary, site
from bbb_book.press.beside import CITATION, FILES, bibtex
from bbb_book.press.chapters import chapter
from bbb_book.press.claims_summary import margin
from bbb_book.press.failures import BuildFailed
from bbb_book.press.site import build_book, build_page, site_key

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def built(executed, tmp_path_factory):
    html = tmp_path_factory.mktemp("site") / "html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BBB_REGISTER", str(DATA / "register"))
        return build_book(executed.parents[1], {"sample": executed}, html)


def soup(page: Path) -> BeautifulSoup:
    """A page without the names of columns that cells carry for phones."""
    content = BeautifulSoup(page.read_text(), "html.parser")
    for label in content.select(".cell-label"):
        label.decompose()
    return content


def rows(page: Path) -> dict[str, list[str]]:
    content = soup(page)
    return {
        row["id"]: [" ".join(cell.get_text().split()) for cell in row.find_all("td")]
        for row in content.select("table.claims-table tr[id]")
    }


def test_the_table_is_filled_from_the_notebooks_of_the_build(built):
    found = rows(built)
    names = ("mean", "largest", "later", "whole", "level")
    assert list(found) == [f"claim-sample-{name}" for name in names]
    assert found["claim-sample-mean"][1].startswith("0.50 [0.4")
    assert found["claim-sample-mean"][1].endswith("n = 100 (tosses)")
    assert found["claim-sample-largest"][1:] == ["0.987 (exact)", "below 1 (ratio)", "✓ supported"]
    assert "Claimed by the paper" in found["claim-sample-largest"][0]
    assert found["claim-sample-later"][1:] == ["", "above 0 (none)", "– not measured"]
    assert found["claim-sample-whole"][3] == "✓ holds"
    assert found["claim-sample-level"][3] == "◐ open"
    assert found["claim-sample-level"][0].endswith("A check")


def test_the_register_holds_claims_with_their_place_in_the_family_and_checks_folded(built):
    page = built.with_name("register.html")
    found = rows(page)
    assert found["claim-sample-mean"][4] == "0.027"
    assert found["claim-sample-largest"][4] == "none"
    assert len(found["claim-sample-whole"]) == 4
    content = BeautifulSoup(page.read_text(), "html.parser")
    folded = content.select_one("details table.claims-table")
    assert [row["id"] for row in folded.select("tr[id]")] == [
        "claim-sample-whole", "claim-sample-level"
    ]  # fmt: skip
    assert content.select_one("tr.origin-paper")["id"] == "claim-sample-largest"
    text = " ".join(content.get_text().split())
    assert "Supported: 1 of 3, standing 0, not standing: none. Checks: 2, 1 holds." in text
    assert any(
        tag["src"].startswith("_static/register.js") for tag in content.find_all("script", src=True)
    )


def test_claims_stand_under_their_chapter_and_its_verdicts_are_counted(built):
    content = soup(built)
    full, counts, near = content.select("table.claims-table")
    (heading,) = full.select("tr.claims-chapter")
    assert heading.find("a")["href"].startswith("sample.html")
    cells = [[c.get_text(strip=True) for c in row.find_all("td")] for row in counts.select("tr")]
    assert cells[1][1:] == ["1", "1", "·", "1", "1 ✓, 1 ◐"]
    assert cells[2] == ["all", "1", "1", "·", "1", "1 ✓, 1 ◐"]
    assert len(near.select("tbody tr")) == 0  # one is mixed, one exact, one not measured


def test_close_calls_are_listed_with_their_margin():
    rule = {"kind": "inside", "low": 0.4, "high": 0.6}
    record = {"id": "sample-mean", "value": 0.5, "low": 0.45, "high": 0.55, "rule": rule}
    record["role"] = "claim"
    statement = nodes.inline("", "A statement.")
    table = claims_summary._close_calls([record], {"sample-mean": statement}, 3)
    (row,) = table.findall(lambda node: node.tagname == "tbody")
    assert row.astext().split("\n\n") == [
        "A statement.", "Value [interval]: 0.50 [0.45, 0.55]",
        "Rule: between 0.4 and 0.6 (share)", "Verdict: ✓ supported", "Margin: 1.0",
    ]  # fmt: skip


def test_the_margin_is_measured_in_half_widths():
    rule = {"kind": "inside", "low": 0.0, "high": 1.0}
    claim = {"value": 0.5, "low": 0.25, "high": 0.5, "rule": rule}
    assert margin(claim) == 2.0
    assert margin({**claim, "low": 0.9, "high": 1.1}) == math.inf  # mixed
    assert margin({**claim, "low": 1.5, "high": 2.5}) == 1.0  # not supported
    assert margin({**claim, "low": 0.5}) == math.inf  # exact
    assert margin({**claim, "value": None}) == math.inf


def test_a_claim_can_be_quoted_on_another_page(built):
    text = " ".join(BeautifulSoup(built.read_text(), "html.parser").get_text().split())
    assert "The share of heads is 0.50, [0.4" in text
    assert "another one is not measured." in text


def test_claims_json_lies_beside_the_pages(built):
    stored = json.loads((built.parent / "claims.json").read_text())
    claims = stored["claims"]
    assert stored["format"] == 2
    verdicts = ["mixed", "supported", "not measured", "holds", "open"]
    assert [claim["verdict"] for claim in claims] == verdicts
    assert [claim["role"] for claim in claims] == ["claim"] * 3 + ["check"] * 2
    assert claims[0]["p"] == claims[0]["p_holm"] > 0.025  # alone in its family, and mixed
    assert [claim["p"] for claim in claims[1:]] == [None] * 4


def test_what_is_offered_to_take_away_lies_beside_the_pages(built):
    offered = [link["href"] for link in soup(built).select("a.download")]
    assert offered == list(FILES)
    assert all((built.parent / name).is_file() for name in offered)
    assert (built.parent / "CITATION.cff").read_bytes() == CITATION.read_bytes()


def test_the_citation_is_the_one_that_the_front_page_shows():
    text = (CITATION.parent / "book" / "index.md").read_text(encoding="utf-8")
    shown = text.partition("```bibtex\n")[2].partition("```")[0]
    first, second = bibtex(CITATION, "2026").split("\n\n")
    assert f"{first}\n" == shown
    assert second.startswith("@misc{kuchlous2024,\n  author = {Kuchlous, Sahil and Li, Marvin and")


def test_a_file_that_lies_nowhere_is_not_offered(executed, book, tmp_path):
    index = book / "index.md"
    index.write_text(index.read_text() + "\nSee {beside}`claims.csv`.\n")
    with pytest.raises(BuildFailed, match=r"no file 'claims.csv' lies beside the pages; there are"):
        build_book(book, {"sample": executed}, tmp_path / "html")


def test_the_checks_on_pages_pass_on_the_sample(built):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, str(Path(__file__).with_name("site_checks.py"))],
        env={**os.environ, "BBB_SITE": str(built.parent)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_the_checks_on_pages_see_a_remote_script_and_a_lost_claim(built, tmp_path):
    for page in built.parent.glob("*.html"):
        (tmp_path / page.name).write_text(page.read_text())
    register = tmp_path / "register.html"
    register.write_text(register.read_text().replace('id="claim-sample-later"', ""))
    index = tmp_path / "index.html"
    text = index.read_text()
    index.write_text(text.replace("</head>", '<script src="https://example.org/x.js"></script>'))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, str(Path(__file__).with_name("site_checks.py"))],
        env={**os.environ, "BBB_SITE": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert "test_nothing_is_loaded_from_elsewhere[index.html]" in done.stdout
    assert "test_the_register_lists_every_claim" in done.stdout


def test_a_warning_fails_the_build_and_keeps_the_older_pages(executed, book, tmp_path):
    html = tmp_path / "html"
    html.mkdir()
    (html / "index.html").write_text("older")
    index = book / "index.md"
    index.write_text(index.read_text() + "\nSee {numref}`fig-nowhere`.\n")
    with pytest.raises(BuildFailed, match="fig-nowhere"):
        build_book(book, {"sample": executed}, html)
    assert (html / "index.html").read_text() == "older"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_unknown_claim_on_a_page_fails_the_build(executed, book, tmp_path):
    index = book / "index.md"
    index.write_text(index.read_text() + "\nSee {claim}`sample-maen`.\n")
    with pytest.raises(BuildFailed, match="did you mean 'sample-mean'"):
        build_book(book, {"sample": executed}, tmp_path / "html")


def test_pages_are_stale_when_a_text_a_notebook_or_what_is_stored_changes(
    executed, book, tmp_path, monkeypatch
):
    notebook = tmp_path / "sample.ipynb"
    notebook.write_bytes(executed.read_bytes())
    keys = [site_key(book, [notebook])]
    assert site_key(book, [notebook]) == keys[0]
    notebook.write_text(notebook.read_text().replace("0.50", "0.51"))
    keys.append(site_key(book, [notebook]))
    (book / "index.md").write_text("# Other\n")
    keys.append(site_key(book, [notebook]))
    monkeypatch.setattr(site, "committed_dir", lambda: tmp_path)
    keys.append(site_key(book, [notebook]))
    assert len(set(keys)) == 4


ELSEWHERE = """
See {prf:ref}`thm-t1`, {numref}`fig-other`, {ref}`sec-other`, [Another](biased_embeddings),
[notes](notation.md), {doc}`references`, {eq}`eq-other`, {prf:ref}`the theorem <thm-t2>`,
{prf:ref}`thm-sample`, {numref}`fig-sample`.
"""


def test_a_page_alone_has_no_dead_links(executed, book, tmp_path):
    content = json.loads(executed.read_text())
    content["cells"][-1]["source"] = ELSEWHERE
    notebook = tmp_path / "sample.ipynb"
    notebook.write_text(json.dumps(content))
    page = build_page(book, chapter(book, "sample"), notebook, tmp_path / "html")
    last = BeautifulSoup(page.read_text(), "html.parser").select("article p")[-1]
    assert "thm-t1 (see the full book), fig-other (see the full book)" in last.get_text()
    assert "Another,\nnotes," in last.get_text()
    assert [link.get_text() for link in last.find_all("a")] == ["Theorem 1", "Fig. 1"]
