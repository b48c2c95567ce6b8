"""Files are written whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys

import pytest

from bbb_core.io.writing import atomic_write, cache_dir, sha256, workspace, write_json, write_text


@pytest.fixture(params=[0o002, 0o022, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_a_failed_write_keeps_the_old_file(tmp_path):
    target = tmp_path / "new" / "note.txt"
    write_text(target, "old\n")

    def interrupted():
        with atomic_write(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_text() == "old\n"
    assert [p.name for p in target.parent.iterdir()] == ["note.txt"]


def test_the_temporary_file_keeps_name_and_device(tmp_path):
    with atomic_write(tmp_path / "a.npz") as temporary:
        assert temporary.parent.parent == tmp_path
        assert temporary.name == "a.npz"
        temporary.write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(tmp_path / "a.npz") == expected


def test_json_is_strict(tmp_path):
    write_json(tmp_path / "x.json", {"ä": [1, 2.5]})
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == {"ä": [1, 2.5]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "y.json", {"x": float("nan")})
    assert not (tmp_path / "y.json").exists()


def test_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BBB_CACHE_DIR", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("BBB_CACHE_DIR")
    assert cache_dir().name == "bbb_core"


def test_files_and_folders_have_the_mode_of_the_umask(tmp_path, umask):
    def private(path):
        """Write as safetensors and `tempfile` do."""
        path.unlink()
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))

    with atomic_write(tmp_path / "new" / "model.safetensors") as temporary:
        private(temporary)
    with workspace(tmp_path) as folder:
        (folder / "made").mkdir()
        (folder / "made").rename(tmp_path / "made")
    found = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("new", "made")]
    assert found == [0o777 & ~umask] * 2
    mode = stat.S_IMODE((tmp_path / "new" / "model.safetensors").stat().st_mode)
    assert mode == 0o666 & ~umask


def test_the_longest_name_that_a_file_can_have_is_written(tmp_path):
    longest = "n" * (255 - len(".json")) + ".json"
    write_json(tmp_path / longest, 1)
    assert (tmp_path / longest).read_text() == "1\n"


KILLED = """
import sys, time
from bbb_core.io.writing import workspace
with workspace(sys.argv[1]) as folder:
    (folder / "half").mkdir()
    print("working", flush=True)
    time.sleep(60)
"""


def test_the_workspace_of_a_killed_process_goes_and_that_of_a_live_one_stays(tmp_path):
    mine = tmp_path / ".bbb.thesis"
    mine.mkdir()
    alike = tmp_path / ".bbb.0123456789ab"
    alike.mkdir()
    (alike / "notes.txt").write_text("no workspace, though it has the name of one")
    children = [
        subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE)
        for _ in "ab"
    ]
    try:
        for child in children:
            assert child.stdout.readline() == b"working\n"
        children[0].kill()
        children[0].wait()
        assert len([*tmp_path.iterdir()]) == 4
        with workspace(tmp_path):
            pass
        assert len([*tmp_path.iterdir()]) == 3
        children[1].send_signal(signal.SIGKILL)
        children[1].wait()
        write_text(tmp_path / "note.txt", "the next to come tidies up")
        assert {path.name for path in tmp_path.iterdir()} == {mine.name, alike.name, "note.txt"}
    finally:
        for child in children:
            child.kill()
            child.communicate()
