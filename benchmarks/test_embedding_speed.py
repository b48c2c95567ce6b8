"""Speed of the measures on embeddings; run by ``make bench``, no part of the tests."""

from __future__ import annotations

import pytest
import torch

from bbb_core.embedding import association_test
from bbb_core.rng import generator


def unit(seed: int, n: int, d: int = 50) -> torch.Tensor:
    values = torch.from_numpy(generator(seed, n, d).normal(size=(n, d)))
    return values / values.norm(dim=1, keepdim=True)


@pytest.mark.parametrize("n", [8, 12, 20])
def test_exact_weat(benchmark, n):
    """The exact p-value of n + n targets: 12,870 splits for n = 8, 1.4e11 for n = 20."""
    sets = unit(1, n), unit(2, n), unit(3, 8), unit(4, 8)
    result = benchmark(association_test, *sets)
    assert result.exact
    benchmark.extra_info["splits"] = result.n_permutations
