"""Device, threads and progress."""

from __future__ import annotations

import io
import sys

import pytest
import torch

from bbb_core import device, progress
from bbb_core.errors import InputError


def test_pick(monkeypatch):
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert device.pick().type == device.pick("auto").type == expected
    assert device.pick("cpu").type == "cpu"
    monkeypatch.setenv("BBB_DEVICE", "cpu")
    assert device.pick().type == "cpu"
    monkeypatch.setenv("BBB_DEVICE", "toaster")
    with pytest.raises(InputError, match="device is 'toaster'"):
        device.pick()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="0 CUDA devices"):
        device.pick("cuda")


def test_threads_are_restored_also_after_an_error():
    before = torch.get_num_threads()

    def fail():
        with device.threads(1) as n:
            assert n == torch.get_num_threads() == 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.get_num_threads() == before
    with device.threads() as n:
        assert n >= 1
    with pytest.raises(InputError, match="n is 0"), device.threads(0):
        pass


def test_description_names_versions_and_no_place():
    said = device.describe("cpu")
    assert said["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert said["device"] == "cpu"
    assert set(said) <= {"python", "system", "versions", "device", "threads", "accelerator", "cuda"}


def test_progress_is_silent_unless_watched(monkeypatch, capsys):
    assert list(progress.bar(range(3), desc="x")) == [0, 1, 2]
    progress.say("hello")
    assert capsys.readouterr().err == ""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.delenv("BBB_PROGRESS")
    list(progress.bar(range(3), desc="bar"))
    progress.say("hello")
    assert "bar" in terminal.getvalue()
    assert "hello" in terminal.getvalue()
    monkeypatch.setenv("BBB_PROGRESS", "0")
    assert not progress.watched()
