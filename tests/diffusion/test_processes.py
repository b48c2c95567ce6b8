"""Training with two processes, and the noise of images."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
import torch

from bbb_core.diffusion.noise import ImageStreams

SCRIPT = """
import os, sys, torch
from bbb_core.diffusion.network import NetworkConfig
from bbb_core.diffusion.training import TrainingConfig, TrainingSet, train

rows = torch.Generator().manual_seed(0)
images, prompts = torch.rand(8, 3, 8, 8, generator=rows), torch.randn(4, 4, generator=rows)
pairs = torch.stack([torch.arange(8), torch.arange(8) % 4], 1)
run = train(
    TrainingSet(images, prompts, pairs, torch.ones(8)),
    NetworkConfig(embedding_dim=4, resolution=8, channels=(8,), groups=4),
    TrainingConfig(steps=4, batch=8, precision="float32"),
    device="cpu",
)
if os.environ.get("RANK", "0") == "0":
    torch.save({"model": run.model.state_dict(), "losses": run.losses}, sys.argv[1])
if torch.distributed.is_initialized():
    assert torch.distributed.get_backend() == "gloo"
    torch.distributed.destroy_process_group()
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_two_processes_share_each_batch_and_end_like_one(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
    launch += ["--master_addr=127.0.0.1", f"--master_port={free_port()}"]
    results = []
    for name, command in (("one", [sys.executable]), ("two", launch)):
        out = tmp_path / f"{name}.pt"
        done = subprocess.run([*command, script, out], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        results.append(torch.load(out, weights_only=True))
    one, two = results
    assert one["losses"] == pytest.approx(two["losses"], abs=1e-5)
    for name, value in one["model"].items():
        torch.testing.assert_close(value, two["model"][name], atol=1e-5, rtol=1e-4)


def test_noise_of_an_image_does_not_depend_on_the_others():
    whole = ImageStreams(3, 21, "a").normal((3, 4, 4))
    assert whole.dtype == torch.float32
    for start, n in ((0, 5), (5, 9), (8, 13), (20, 1)):
        part = ImageStreams(3, n, "a", start=start).normal((3, 4, 4))
        assert torch.equal(part, whole[start : start + n])
    assert not torch.equal(whole, ImageStreams(3, 21, "b").normal((3, 4, 4)))


def test_second_draw_continues_each_stream():
    streams, part = ImageStreams(0, 16), ImageStreams(0, 3, start=9)
    first = [streams.normal((2,)) for _ in range(2)]
    second = [part.normal((2,)) for _ in range(2)]
    for whole, own in zip(first, second, strict=True):
        assert torch.equal(own, whole[9:12])
    assert not torch.equal(first[0], first[1])
