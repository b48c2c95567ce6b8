"""A folder of small pictures and the study made from it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from bbb_core.study import Settings, Study, new_study, write_study


def _draw(path: Path, number: int, *, size: int = 48) -> None:
    picture = Image.new("RGB", (size, size), (40 + 12 * number % 200, 90, 160))
    ImageDraw.Draw(picture).text((8, 12), str(number), fill="white")
    picture.save(path)


@pytest.fixture
def draw() -> Callable[[Path, int], None]:
    return _draw


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(12):
        _draw(folder / f"picture {i:02d} {'woman' if i % 3 else 'man'}.png", i)
    return folder


@pytest.fixture(scope="session")
def metadata(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "metadata.csv"
    names = sorted(p.name for p in pictures.iterdir())
    with path.open("w", newline="") as handle:
        rows = [(name, "doctor" if i % 2 else "nurse") for i, name in enumerate(names)]
        csv.writer(handle).writerows([("file", "prompt"), *rows])
    return path


@pytest.fixture(scope="session")
def made(pictures: Path, metadata: Path) -> tuple[Study, str]:
    return new_study(pictures, Settings(metadata=metadata, repeat_share=0.3, attention_checks=3))


@pytest.fixture(scope="session")
def study(made: tuple[Study, str]) -> Study:
    return made[0]


@pytest.fixture(scope="session")
def truth(study: Study) -> dict[str, str]:
    return {
        image.id: "woman" if "woman" in image.file else "man"
        for image in study.images
        if image.role == "rated"
    }


@pytest.fixture(scope="session")
def folder(made: tuple[Study, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study") / "made"
    write_study(out, *made)
    return out
