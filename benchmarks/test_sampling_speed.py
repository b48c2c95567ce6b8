"""Speed of the certified sampler and of the certificate; run by ``make bench``."""

from __future__ import annotations

import statistics
import time

import pytest
import torch

from bbb_core import rng
from bbb_core.diffusion.network import NetworkConfig, build_denoiser
from bbb_core.diffusion.noise import ImageStreams
from bbb_core.diffusion.paths import path_kl
from bbb_core.diffusion.process import reverse_states
from bbb_core.diffusion.sampling import DenoiserProcess
from bbb_core.diffusion.training import noise_scheduler

STEPS, BATCH, REPEATS = 12, 64, 10


@pytest.fixture(scope="module")
def network():
    return build_denoiser(NetworkConfig(embedding_dim=384)).eval()


@pytest.fixture(scope="module")
def prompts():
    return torch.randn(2, 384, generator=rng.torch_generator(0))


def diffusers_loop(network, condition):
    """The loop of diffusers' DDPM pipeline, with the condition passed on."""
    scheduler = noise_scheduler()
    scheduler.set_timesteps(STEPS)
    g = torch.Generator().manual_seed(0)
    rows = condition.expand(BATCH, -1)
    image = torch.randn((BATCH, *network.config.image_shape), generator=g)
    with torch.no_grad():
        for t in scheduler.timesteps:
            output = network(image, t.expand(BATCH), rows)
            image = scheduler.step(output, t, image, generator=g).prev_sample
    return image


def certified_loop(process, condition):
    for _, x, _ in reverse_states(process, condition, BATCH, generators=ImageStreams(0, BATCH)):
        last = x
    return last


def bare_evaluations(network, condition):
    """The network evaluations that a certificate needs: two per step and path."""
    x = torch.randn(BATCH, *network.config.image_shape, generator=rng.torch_generator(1))
    rows = condition.expand(BATCH, -1)
    with torch.no_grad():
        for t in range(STEPS):
            for _ in range(2):
                network(x, torch.full((BATCH,), t), rows)


def in_turns(first, second):
    """Return the ratio of median seconds, first / second, and both medians.

    The two take turns at going first, because whoever does is a little slower.
    """
    tasks, seconds = (first, second), ([], [])
    for turn in range(REPEATS + 1):
        for i in (0, 1) if turn % 2 else (1, 0):
            began = time.perf_counter()
            tasks[i]()
            seconds[i].append(time.perf_counter() - began)
    ours, theirs = (statistics.median(column[1:]) for column in seconds)  # the first warms up
    return ours / theirs, ours, theirs


def test_sampler_against_the_loop_of_diffusers(benchmark, network, prompts):
    """Equal network, steps and batch; ours has a float64 state and streams of noise per image."""
    process = DenoiserProcess(network, steps=STEPS, batch=BATCH)
    ratio, ours, theirs = in_turns(
        lambda: certified_loop(process, prompts[0]), lambda: diffusers_loop(network, prompts[0])
    )
    benchmark.extra_info.update(ratio=ratio, ours=ours, theirs=theirs)
    benchmark.pedantic(certified_loop, args=(process, prompts[0]), rounds=1)
    assert ratio < 1.02  # at least as fast, up to the noise of the clock


def test_certificate_against_its_evaluations(benchmark, network, prompts):
    """path_kl against the bare network evaluations that it needs."""
    process = DenoiserProcess(network, steps=STEPS, batch=BATCH)
    a, b = prompts
    certify = {"n": BATCH, "seed": 0, "batch": BATCH}
    ratio, ours, bare = in_turns(
        lambda: path_kl(process, a, b, **certify), lambda: bare_evaluations(network, a)
    )
    benchmark.extra_info.update(ratio=ratio, ours=ours, bare=bare)
    benchmark.pedantic(path_kl, args=(process, a, b), kwargs=certify, rounds=1)
    assert ratio < 1.15
