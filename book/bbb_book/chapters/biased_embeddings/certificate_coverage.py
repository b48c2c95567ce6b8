"""Random oracles and the coverage of the certificate (chapter "Biased embeddings")."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bbb_book.chapters.biased_embeddings.spiky_oracles import unkind_coverage
from bbb_book.oracles.exact_law import exact_comparison
from bbb_core import checks, device, rng
from bbb_core.diffusion.oracle import GaussianMixtureOracle
from bbb_core.diffusion.path_tv import certificate
from bbb_core.diffusion.schedule import Schedule
from bbb_core.diffusion.weights import AffineWeights
from bbb_core.stats import binomial_interval
from bbb_core.theory import tv_bound_from_kl

__all__ = ["coverage", "coverage_results", "miss_rates", "random_oracle"]


def random_oracle(generator: np.random.Generator) -> tuple[GaussianMixtureOracle, Tensor, Tensor]:
    """Draw an oracle and two conditions: any dimension, separation, schedule and weights.

    Examples
    --------
    >>> oracle, c, other = random_oracle(np.random.default_rng(0))
    >>> oracle.weight(c).shape == oracle.weight(other).shape
    True
    """
    dimension = int(generator.choice([1, 2, 5]))
    centre, axis = generator.normal(size=(2, dimension))
    axis *= generator.uniform(0.5, 1.5) / np.linalg.norm(axis)
    means = torch.from_numpy(np.stack([centre * 0.3 + axis, centre * 0.3 - axis]))
    anchors = torch.from_numpy(generator.normal(size=(2, 3)))
    oracle = GaussianMixtureOracle(
        means=means,
        scale=float(np.linalg.norm(axis) / generator.uniform(0.5, 6.0)),
        weights=AffineWeights.from_anchors(anchors, torch.eye(2, dtype=torch.float64)),
        schedule=Schedule.linear(int(generator.integers(8, 40))),
        variance="certified" if generator.random() < 0.5 else "forward",
    )
    places = torch.from_numpy(generator.uniform(0.02, 0.98, size=2))
    conditions = anchors[1] + places[:, None] * (anchors[0] - anchors[1])
    return oracle, conditions[0], conditions[1]


@device.threads(1)  # steps on small grids: more threads only wait for each other
def coverage(*, n_oracles: int, n: int, seed: int, confidence: float = 0.95) -> pd.DataFrame:
    """Certify random oracles and compare with the exact total variation.

    Parameters
    ----------
    n_oracles : int
        Number of random oracles.
    n : int
        Paths per direction of a certificate.
    seed : int
        Oracle i depends on the seed and on i only.
    confidence : float
        1 - alpha.

    Returns
    -------
    DataFrame
        One row per oracle: exact, certified, kl_form (the bound from the exact path KL, the smaller
        direction), error, and miss (the bound lies below the exact total variation by more than the
        numerical error).

    Examples
    --------
    >>> table = coverage(n_oracles=3, n=50, seed=0)
    >>> len(table), int(table.miss.sum())
    (3, 0)
    """
    rows = []
    for i in range(checks.integer("n_oracles", n_oracles, low=1)):
        oracle, condition, other = random_oracle(rng.generator(seed, "random oracle", i))
        exact = exact_comparison(oracle, condition, other)
        result = certificate(oracle, condition, other, n=n, seed=seed + i, confidence=confidence)
        rows.append(
            {
                "exact": exact.total_variation,
                "certified": result.tv_bound,
                "kl_form": float(tv_bound_from_kl(min(exact.path_kl, exact.path_kl_back))),
                "error": exact.error,
                "miss": result.tv_bound < exact.total_variation - exact.error,
            }
        )
    return pd.DataFrame(rows)


def coverage_results(
    *, n_oracles: int, n: int, seed: int, unkind_sizes: Sequence[int], unkind_runs: int
) -> dict[str, pd.DataFrame]:
    """Return `coverage` under the name "table" and `unkind_coverage` under "unkind"."""
    return {
        "table": coverage(n_oracles=n_oracles, n=n, seed=seed),
        "unkind": unkind_coverage(sizes=unkind_sizes, runs=unkind_runs, seed=seed),
    }


def miss_rates(unkind: pd.DataFrame) -> pd.DataFrame:
    """Return the rate at which each limit of `unkind_coverage` falls below the truth.

    Returns
    -------
    DataFrame
        Index: a row per model and size, ``"rare spikes, n = 20"``. Columns (limit, rate), (limit,
        low) and (limit, high), with exact 95 % intervals; the limits are kl_misses, kl_tv_misses
        and misses.
    """
    names = [f"{model}, n = {n}" for model, n in zip(unkind["model"], unkind["n"], strict=True)]
    columns = {}
    for limit in ("kl_misses", "kl_tv_misses", "misses"):
        low, high = binomial_interval(unkind[limit].to_numpy(), unkind["runs"].to_numpy())
        columns[limit, "rate"] = (unkind[limit] / unkind["runs"]).to_numpy()
        columns[limit, "low"], columns[limit, "high"] = low, high
    return pd.DataFrame(columns, index=names)
