"""The front page's picture comes from stored artefacts; its version is the package's."""

from __future__ import annotations

import base64
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from bbb_book.press import front_page
from bbb_book.press.front_page import Way, ways
from bbb_book.results.artefacts import committed_dir
from bbb_core import __version__
from bbb_core.theory import inherited_share

ROOT = Path(__file__).parents[3]


def a_way(**changes: object) -> Way:
    pictures = np.zeros((11, 3, 4, 4), np.uint8)
    pictures[3, 0] = 255  # the fourth picture is red
    known = {"position": 0.46, "switch": 0.39, "foretold": 0.7, "women": 35, "read": 40}
    return Way("cook", pictures, **{**known, **changes})


def test_the_stored_ways_follow_the_law_of_their_generator():
    found = ways()
    assert [way.occupation for way in found] == ["cook", "pilot", "police officer"]
    for way in found:
        assert way.pictures.shape == (11, 3, 32, 32)
        assert 0 <= way.women <= way.read <= 40
        assert (way.foretold > 0.5) == (way.position > way.switch)
    slopes = {
        round(np.log(w.foretold / (1 - w.foretold)) / (w.position - w.switch), 6) for w in found
    }
    assert len(slopes) == 1  # one generator, one slope
    assert inherited_share(0.5, slopes.pop(), 0.5) == 0.5


def test_without_one_of_its_artefacts_there_is_no_picture(tmp_path):
    assert ways(tmp_path) == []
    for path in committed_dir().glob("people-s[w]*"):
        shutil.copytree(path, tmp_path / path.name)
    assert ways(tmp_path) == []  # sweep and switch, and no drawn neutral prompts
    for path in committed_dir().glob("people-draw-*"):
        shutil.copytree(path, tmp_path / path.name)
    assert len(ways(tmp_path)) == 3


def test_pictures_and_marks_lie_where_the_positions_say():
    row = BeautifulSoup(front_page._row(a_way(position=0.3, switch=1.0)), "html.parser")
    data = base64.b64decode(row.img["src"].partition(",")[2])
    strip = np.asarray(Image.open(io.BytesIO(data)))
    width = strip.shape[1]
    prompt = float(re.search(r"left:([\d.]+)%", row.select_one(".bbb-way-prompt")["style"])[1])
    assert strip[0, int(prompt / 100 * width)].tolist() == [255, 0, 0]
    switch = float(re.search(r"left:([\d.]+)%", row.select_one(".bbb-way-switch")["style"])[1])
    assert switch == pytest.approx(100 - 50 / 11, abs=0.01)  # the middle of the last picture
    assert "lies before the switch" in row.img["alt"]
    assert "35 of 40 women28 foretold" in row.select_one(".bbb-way-drawn").get_text().replace(
        "\n", ""
    )


def test_the_summary_counts_sides():
    half = a_way(women=20)
    assert front_page._summary([a_way(), half]).startswith("All 2 neutral prompts lie nearer to")
    said = front_page._summary([a_way(position=0.6), half, a_way(women=3)])
    assert said.startswith("2 of 3 neutral prompts")
    assert "draws 1 of them mostly as women, 1 mostly as men" in said


def test_the_page_cites_the_version_of_the_package():
    text = (ROOT / "book" / "index.md").read_text(encoding="utf-8")
    assert set(re.findall(r"version\D{1,8}(\d+\.\d+\.\d+)", text)) == {__version__}
