"""Random streams: named, independent, the same in every batch, without global state."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bbb_core import rng
from bbb_core.errors import InputError


def test_keys_name_different_streams():
    keys = [(), ("a",), ("b",), ("1",), (1,), ("a", "b"), ("ab",), ("a", 1), ("b", "a")]
    draws = {rng.generator(3, *k).integers(2**62) for k in keys}
    assert len(draws) == len(keys)
    seeds = {rng.torch_generator(3, *k).initial_seed() for k in keys}
    assert len(seeds) == len(keys)
    assert rng.generator(3, "a").integers(2**62) == rng.generator(3, "a").integers(2**62)


def test_a_seed_means_the_same_for_ever():
    assert rng.generator(0, "pinned").integers(1000, size=3).tolist() == list(PINNED)


PINNED = (274, 651, 143)


def test_a_sample_does_not_depend_on_its_batch():
    whole = rng.normal([rng.torch_generator(7, "x", i) for i in range(5)], 5, (3,))
    part = rng.normal([rng.torch_generator(7, "x", i) for i in (2, 3)], 2, (3,))
    assert torch.equal(whole[2:4], part)
    assert whole.dtype == torch.float64
    block = rng.normal(rng.torch_generator(7), 5, (3,), dtype=torch.float32)
    assert block.shape == (5, 3)
    assert block.dtype == torch.float32
    assert rng.normal([], 0, (3,)).shape == (0, 3)


def test_streams_are_uncorrelated():
    # 2,000 pairs: a correlation beyond .12 has probability 1e-7
    pairs = np.array(
        [[rng.generator(s, "a").normal(), rng.generator(s, "b").normal()] for s in range(2000)]
    )
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.12


def test_bad_input_is_named():
    with pytest.raises(InputError, match="seed is -1"):
        rng.generator(-1)
    with pytest.raises(InputError, match="generators has 2 entries"):
        rng.normal([rng.torch_generator(0, i) for i in range(2)], 3)


def test_first_weights_come_from_their_generator_and_leave_the_global_stream_alone():
    before = torch.get_rng_state()
    layers = []
    for seed in (3, 3, 4):
        with rng.weights_from(rng.torch_generator(seed, "weights")):
            layers.append(torch.nn.Linear(4, 4).weight)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(layers[0], layers[1])
    assert not torch.equal(layers[0], layers[2])
