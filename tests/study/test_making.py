"""`bbb study new`: the page and its key, and everything that is refused."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import shutil
import struct
import unicodedata
import zlib
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image as Pixels

from bbb_core.cli import main
from bbb_core.errors import InputError
from bbb_core.study import Settings, deal, new_study, read_study
from bbb_core.study.images import load_picture


def run(*arguments: object):
    return CliRunner().invoke(main, ["study", "new", *map(str, arguments)])


def data_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="study">(.*?)</script>', page, re.S)
    return json.loads(found.group(1))


def test_command_makes_a_page_and_a_key(pictures, metadata, tmp_path):
    out = tmp_path / "out"
    found = run(pictures, "--out", out, "--metadata", metadata, "--per-participant", 6)
    assert found.exit_code == 0, found.output
    assert sorted(p.name for p in out.iterdir()) == [
        "manifest.json",
        "study.html",
        "study.json",
    ]
    study = read_study(out / "study.json")
    assert (study.per_participant, study.checks, study.repeats) == (6, 4, 1)
    assert {image.prompt for image in study.images if image.role == "rated"} == {"doctor", "nurse"}
    assert "5.0 readings" in found.output
    assert run(pictures, "--out", out).exit_code == 2


def test_the_same_folder_makes_the_same_study(pictures, metadata, made):
    settings = Settings(metadata=metadata, repeat_share=0.3, attention_checks=3)
    assert new_study(pictures, settings) == made
    other = new_study(pictures, dataclasses.replace(settings, question="Who is this?"))
    assert other[0].id != made[0].id


def test_page_gives_nothing_away(made):
    study, page = made
    data = data_of(page)
    assert set(data) == {
        "id", "groups", "last", "labels", "rated", "checks", "each", "shown", "repeats",
    }  # fmt: skip
    assert all(set(one) == {"id", "source"} for one in [*data["rated"], *data["checks"]])
    text = re.sub(r"data:image[^\"]*", "", page)
    for image in study.images:
        assert not image.file or image.file not in text
        assert image.prompt not in text
        assert image.sha256 not in text
    assert [one["id"] for one in data["rated"]] == sorted(one["id"] for one in data["rated"])


def test_page_loads_and_sends_nothing(made):
    page = made[1]
    text = re.sub(r"data:image[^\"]*", "", page)
    assert not re.search(r"https?:|//[a-z]|fetch\(|XMLHttp|WebSocket|sendBeacon|import\(", text)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_texts_are_escaped(pictures):
    nasty = '</script><script>alert(1)</script>"&<b>'
    settings = Settings(question=nasty, title=nasty, contact=nasty, offer_none=nasty)
    page = new_study(pictures, settings)[1]
    assert nasty not in page
    assert page.count("<script") == 2
    assert data_of(page)["labels"]["none"] == nasty


def test_metadata_of_the_pixels_stays_behind(tmp_path):
    path = tmp_path / "a.jpg"
    exif = Pixels.Exif()
    exif[0x010E] = "secret place"
    exif[0x0112] = 6  # lies on its side
    Pixels.new("RGB", (900, 300), "red").save(path, exif=exif, comment=b"secret place")
    source = load_picture(path).source
    import base64

    raw = base64.b64decode(source.split(",")[1])
    assert b"secret" not in raw
    assert Pixels.open(io.BytesIO(raw)).size == (171, 512)


def test_known_images_are_checks_and_not_rated(pictures, tmp_path):
    names = sorted(p.name for p in pictures.iterdir())
    known = tmp_path / "known.csv"
    known.write_text(f"file,answer\n{names[0]},man\n{names[1]},unclear\n")
    study, _ = new_study(pictures, Settings(known=known))
    assert len(study.rated_ids) == 10
    assert study.checks == 2
    assert {i.answer for i in study.images if i.role == "check"} == {"man", "unclear"}
    with pytest.raises(InputError, match="names 2 images"):
        new_study(pictures, Settings(known=known, attention_checks=3))
    known.write_text(f"file,answer\n{names[0]},cat\n")
    with pytest.raises(InputError, match="'cat'"):
        new_study(pictures, Settings(known=known))


def test_drawn_checks_ask_for_different_answers(made):
    answers = [image.answer for image in made[0].images if image.role == "check"]
    assert len(set(answers)) == 3


def test_deal_is_fair(study):
    places: dict[str, int] = {}
    firsts: dict[str, int] = {}
    for i in range(400):
        dealt = deal(study, f"{i * 0x9E3779B97F4A7C15 % 2**64:016x}")
        assert len(dealt.images) == study.shown
        rated = [one for one in dealt.images if study.by_id[one].role == "rated"]
        assert sum(rated.count(one) == 2 for one in set(rated)) == study.repeats
        for one in set(rated):
            if rated.count(one) == 2:
                first = rated.index(one)
                assert rated.index(one, first + 1) - first >= 3
        assert study.by_id[dealt.images[0]].role == "rated"
        places[dealt.images[0]] = places.get(dealt.images[0], 0) + 1
        firsts[dealt.options[0]] = firsts.get(dealt.options[0], 0) + 1
    # 12 images, 400 draws: all counts within 33 +- 25 unless an event of about 1e-4 happens
    assert len(places) == 12
    assert max(places.values()) < 58
    assert min(firsts.values()) > 150
    with pytest.raises(InputError, match="16 hexadecimal"):
        deal(study, "x")


def png(width: int, height: int) -> bytes:
    """A PNG that claims to be that large."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 10)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def spoil(folder: Path, kind: str) -> None:
    if kind == "broken":
        whole = (folder / "0.png").read_bytes()
        (folder / "0.png").write_bytes(whole[: len(whole) // 2])
    elif kind == "no image":
        (folder / "notes.txt").write_text("hello")
    elif kind == "svg":
        (folder / "x.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    elif kind == "huge":
        (folder / "huge.png").write_bytes(png(60000, 60000))
    elif kind == "large":
        (folder / "large.png").write_bytes(png(7000, 7000))
    elif kind == "twice":
        (folder / "9.png").write_bytes((folder / "0.png").read_bytes())
    elif kind == "folder":
        (folder / "more").mkdir()
    elif kind == "few":
        (folder / "1.png").unlink()
        (folder / "2.png").unlink()
    elif kind == "empty":
        for path in folder.iterdir():
            path.unlink()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("broken", "'?0.png'? is broken"),
        ("no image", "notes.txt"),
        ("svg", "x.svg"),
        ("huge", "huge.png"),
        ("large", "7000 x 7000"),
        ("twice", "'9.png' and '0.png'"),
        ("folder", "'more'"),
        ("few", "at least two"),
        ("empty", "empty"),
    ],
)
def test_bad_folders_are_one_line_and_write_nothing(tmp_path, draw, kind, words):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for i in range(3):
        draw(folder / f"{i}.png", i)
    spoil(folder, kind)
    found = run(folder, "--out", out)
    assert found.exit_code == 2
    assert found.stderr.startswith("Error: ")
    assert found.stderr.count("\n") == 1
    assert re.search(words, found.stderr)
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--groups", "man"], "two to seven"),
        (["--groups", "man,Man"], "twice"),
        (["--groups", "man,none"], "'none'"),
        (["--groups", "man,=cmd"], "begins with"),
        (["--groups", "man,"], "begins with"),
        (["--question", " "], "question"),
        (["--per-participant", "13"], "13"),
        (["--per-participant", "0"], "per_participant"),
        (["--attention-checks", "-1"], "attention_checks"),
        (["--repeat-share", "0.5"], "repeat_share"),
        (["--side", "5"], "side"),
        (["--seed", "-1"], "seed"),
        (["--metadata", "absent.csv"], "absent.csv"),
    ],
)
def test_bad_settings_write_nothing(pictures, tmp_path, options, words):
    out = tmp_path / "out"
    found = run(pictures, "--out", out, *options)
    assert found.exit_code == 2, found.output
    assert words in found.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must begin"),
        ("file,prompt\n", "names no image"),
        ("file,prompt\nabsent.png,doctor\n", "no image 'absent.png'"),
        ("file,prompt\n{0},doctor\n{0},nurse\n", "twice"),
        ("file,prompt\n{0},\n", "row 2"),
        ("file,prompt\n{0},doctor\n", "no line for"),
        ('file,prompt\n"{0},x\n', "no CSV"),
    ],
)
def test_bad_metadata(pictures, tmp_path, text, words):
    path = tmp_path / "m.csv"
    path.write_text(text.format(sorted(p.name for p in pictures.iterdir())[0]))
    with pytest.raises(InputError, match=words):
        new_study(pictures, Settings(metadata=path))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_metadata_in_the_encodings_of_spreadsheets(pictures, tmp_path, encoding):
    names = sorted(p.name for p in pictures.iterdir())
    path = tmp_path / "m.csv"
    path.write_text(
        "file,prompt\r\n" + "".join(f"{name},NA\r\n" for name in names), encoding=encoding
    )
    study, _ = new_study(pictures, Settings(metadata=path))
    assert {image.prompt for image in study.images if image.role == "rated"} == {"NA"}
    path.write_bytes(b"file,prompt\n" + f"{names[0]},médecin\n".encode("latin-1"))
    with pytest.raises(InputError, match="no UTF-8 text"):
        new_study(pictures, Settings(metadata=path))


def test_metadata_name_files_in_either_form_of_accents(pictures, tmp_path):
    folder = tmp_path / "accents"
    shutil.copytree(pictures, folder)
    first = sorted(folder.iterdir())[0]
    first.rename(folder / unicodedata.normalize("NFD", "é.png"))
    path = tmp_path / "m.csv"
    names = [unicodedata.normalize("NFC", p.name) for p in folder.iterdir()]
    path.write_text("file,prompt\n" + "".join(f"{name},doctor\n" for name in names))
    study, _ = new_study(folder, Settings(metadata=path))
    assert {image.prompt for image in study.images if image.role == "rated"} == {"doctor"}


def test_changed_keys_are_noticed(folder, tmp_path):
    told = json.loads((folder / "study.json").read_text())
    path = tmp_path / "study.json"

    def say(value: object) -> None:
        path.write_text(json.dumps(value))

    say(told | {"repeats": 0})
    with pytest.raises(InputError, match="was changed"):
        read_study(path)
    for value, words in (
        ([], "no key"),
        (told | {"version": 9}, "another version"),
        (told | {"more": 1}, "lacks or adds"),
        ({k: v for k, v in told.items() if k != "images"}, "lacks or adds"),
    ):
        say(value)
        with pytest.raises(InputError, match=words):
            read_study(path)
    path.write_text("{")
    with pytest.raises(InputError, match="is no study"):
        read_study(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_study(tmp_path)
