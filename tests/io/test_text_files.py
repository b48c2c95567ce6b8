"""Files of users: what is no regular text file of bounded size is refused in one line."""

from __future__ import annotations

import gzip
import os
import tracemalloc

import pytest

from bbb_core.errors import InputError
from bbb_core.io import files
from bbb_core.io.files import LONGEST_LINE, open_text, read_text, regular_file, shown

TEXT = "nurse\nzoë\nfür\n"


def read(path, most=1000):
    return read_text(path, name="--file", most=most)


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
        TEXT.replace("\n", "\r\n").encode("utf-8-sig"),
        TEXT.replace("\n", "\r").encode(),
        "nurse\n\ufeffzoë\n\ufefffür\n".encode(),  # three files joined end to end
    ],
    ids=["utf-8", "mark", "utf-16", "utf-16-be", "crlf", "cr", "marks within"],
)
def test_text_is_read_in_every_unicode(tmp_path, data):
    (tmp_path / "f").write_bytes(data)
    assert read(tmp_path / "f") == TEXT


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("zoë".encode("latin-1"), "no UTF-8 text; save it as UTF-8"),
        ("zoë".encode("utf-16-le"), "no UTF-8"),  # no mark
        (TEXT.encode("utf-32"), "no UTF-8"),
        (b"a\0b", "no UTF-8"),
        (b"\xff\xfea", "no UTF-8"),
        (b"\xff\xfe\x00\xd8", "no UTF-8"),  # half of a pair
        (b"PK\x03\x04" + b"a" * 20, "no UTF-8"),
        (gzip.compress(b"nurse", mtime=0), "no UTF-8"),
        (b"a" * 1001, "more than 1000 bytes"),
    ],
)
def test_other_files_are_refused(tmp_path, data, message):
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(InputError, match=message) as refused:
        read(tmp_path / "f")
    assert str(refused.value).startswith("--file ")


def test_a_line_is_bounded(tmp_path):
    (tmp_path / "f").write_bytes(b"a" * (LONGEST_LINE + 1))
    with pytest.raises(InputError, match="a line of more than"):
        read(tmp_path / "f", most=10**7)


def test_lines_are_counted_empty_ones_too(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_LINES", 100)
    (tmp_path / "f").write_bytes(b"\n" * 100)
    assert len(read(tmp_path / "f")) == 100
    (tmp_path / "f").write_bytes(b"\r" * 101)
    with pytest.raises(InputError, match="more than 100 lines"):
        read(tmp_path / "f")


def test_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path, message in (
        ("/dev/zero", "device or a pipe"),
        (tmp_path / "pipe", "device or a pipe"),
        (tmp_path, "cannot be read"),
        (tmp_path / "gone", "No such file"),
        (tmp_path / "loop", "cannot be read"),
        (tmp_path / ("x" * 300), "cannot be read"),
        ("a\0b", "Invalid argument"),
        ("\ud800", "Invalid argument"),
    ):
        for reader in (read, lambda path: regular_file(path, name="--file", most=10)):
            with pytest.raises(InputError, match=message):
                reader(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_unreadable_files_are_named(tmp_path):
    (tmp_path / "f").write_text("a")
    (tmp_path / "f").chmod(0)
    with pytest.raises(InputError, match="make it readable"):
        read(tmp_path / "f")


def test_links_to_files_and_odd_names_are_fine(tmp_path):
    file = tmp_path / os.fsdecode(b"caf\xe9.txt")
    file.write_text("x")
    (tmp_path / "link").symlink_to(file)
    assert read(file) == read(tmp_path / "link") == "x"
    assert regular_file(file, name="--file", most=1) == file
    assert "\\udce9" in shown(file)


def unpacked(path, most):
    with open_text(path, name="FILE", most=10**6, unpacked=most) as lines:
        return sum(map(len, lines))


def test_gzip_is_bounded_by_what_it_holds(tmp_path):
    (tmp_path / "f").write_bytes(gzip.compress(b"0.5\n" * 10_000_000, mtime=0))
    tracemalloc.start()
    with pytest.raises(InputError, match="more than 100000 bytes"):
        unpacked(tmp_path / "f", 100_000)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_damaged_gzip_is_refused(tmp_path):
    whole = gzip.compress(os.urandom(5000).hex().encode())
    for data in (whole[:-9], whole[:40] + b"x" * 40 + whole[80:], whole[:12], b"\x1f\x8b"):
        (tmp_path / "f").write_bytes(data)
        with pytest.raises(InputError, match="gzip"):
            unpacked(tmp_path / "f", 10**6)
    (tmp_path / "f").write_bytes(whole + gzip.compress(b"more", mtime=0))
    assert unpacked(tmp_path / "f", 10**6) == 10_004
