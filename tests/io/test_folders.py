"""Deliveries: rehearsed before the work, whole or not at all after it, and printed in any case."""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bbb_core.cli import main
from bbb_core.errors import InputError
from bbb_core.io import folders
from bbb_core.io import writing as files
from bbb_core.io.folders import deliver, placed, require_new


def give(out, **options):
    deliver(out, {"a.txt": "a\n"}, command="test", settings={}, **options)


def test_a_new_folder_appears_whole_with_its_manifest(tmp_path):
    out = tmp_path / "deep" / "run"
    assert require_new(out) == out
    assert list(tmp_path.iterdir()) == []  # a rehearsal leaves nothing
    give(out)
    assert {path.name for path in out.iterdir()} == {"a.txt", "manifest.json"}
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["sha256"] == {"a.txt": files.sha256(out / "a.txt")}
    assert [path.name for path in out.parent.iterdir()] == ["run"]


def test_modes_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        give(tmp_path / "run")
    finally:
        os.umask(before)
    found = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "run").iterdir()}
    assert found == {0o640}
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o750


def test_an_empty_folder_is_filled_and_stays_itself(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    number = (tmp_path / "real").stat().st_ino
    monkeypatch.chdir(tmp_path / "real")  # as a mounted disk, it cannot be replaced
    give(Path("../link"))
    assert (tmp_path / "real").stat().st_ino == number
    assert {path.name for path in (tmp_path / "real").iterdir()} == {"a.txt", "manifest.json"}
    assert (tmp_path / "link").is_symlink()


def test_what_a_killed_command_left_in_the_folder_gives_way(tmp_path):
    left = tmp_path / "run" / ".bbb.0123456789ab"
    left.mkdir(parents=True)
    (left / files._HELD).touch()
    give(require_new(tmp_path / "run"))
    assert not left.exists()


def test_the_longest_name_is_taken_and_a_longer_one_refused(tmp_path):
    give(require_new(tmp_path / ("n" * 255)))
    with pytest.raises(InputError, match="File name too long"):
        require_new(tmp_path / ("n" * 256))
    deep = tmp_path.joinpath(*["d" * 200] * 21)
    with pytest.raises(InputError, match="File name too long"):
        require_new(deep)
    assert [len(path.name) for path in tmp_path.iterdir()] == [255]


def test_causes_are_named_before_the_work(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    (tmp_path / "loop").symlink_to("loop")
    for name, said in {
        "": "no name",
        "a\0b": "no name",
        "file": "it is no folder",
        "file/below": "file is no folder",
        "full": "it holds other files",
        "loop": "it is no folder",
        "/": "it holds other files",
    }.items():
        with pytest.raises(
            InputError, match=rf"^--out .*\({'.*' + said}\); name another folder\.$"
        ):
            require_new(str(tmp_path / name) if name else name)
    assert (tmp_path / "full" / "thesis.txt").read_text() == "years of work"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs users")
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_place_where_nothing_can_be_made_is_found_before_the_work():
    with pytest.raises(InputError, match="cannot be written"):
        require_new("/proc/self/run")


def test_a_full_disk_is_found_before_the_work(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(folders.os, "fsync", full)
    with pytest.raises(InputError, match=r"No space left on device\); make room"):
        require_new(tmp_path / "new" / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_delivery_that_fails_leaves_what_was_there(tmp_path):
    def fill(made):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(InputError, match="No space left on device"):
        give(tmp_path / "new" / "run", fill=fill)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "run").mkdir()
    with pytest.raises(InputError, match="No space left on device"):
        give(tmp_path / "run", fill=fill)
    assert list((tmp_path / "run").iterdir()) == []


def test_an_error_of_the_block_passes_as_it_is(tmp_path):
    def interrupted():
        with placed(tmp_path / "run"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_input_that_is_gone_is_not_blamed_on_the_folder(tmp_path):
    with pytest.raises(InputError, match=r"file .*gone\.csv cannot be read"):
        give(tmp_path / "run", inputs={"file": tmp_path / "gone.csv"})


def test_options_that_are_no_unicode_reach_the_manifest_spelled_out(tmp_path):
    settings = {"file": "a\udcff.csv", "groups": ("b\udcff",), "n": 1}
    deliver(tmp_path / "run", {}, command="test", settings=settings)
    told = json.loads((tmp_path / "run" / "manifest.json").read_text())["settings"]
    assert told == {"file": "a\\udcff.csv", "groups": ["b\\udcff"], "n": 1}


def test_a_result_that_cannot_be_delivered_is_printed(tmp_path, monkeypatch):
    (tmp_path / "counts.csv").write_text("prompt,man,woman\njudge,3,1\n")
    real = folders.write_text

    def full(path, text):
        if path.name == "report.txt":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, text)

    monkeypatch.setattr(folders, "write_text", full)
    words = ["audit", "generations", str(tmp_path / "counts.csv"), "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr
    assert "judge" in done.stdout
    assert not (tmp_path / "run").exists()
