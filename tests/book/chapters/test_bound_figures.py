"""Figures of the chapter on biased embeddings draw the series that their captions name."""

from __future__ import annotations

import numpy as np
import torch

from bbb_book.chapters.biased_embeddings import bound_ladder as ladder
from bbb_book.chapters.biased_embeddings import certificate_coverage as coverage
from bbb_book.chapters.biased_embeddings import figures
from bbb_book.chapters.biased_embeddings import neutral_positions as positions
from bbb_book.oracles.exact_law import exact_comparison
from bbb_book.oracles.lipschitz import lipschitz_constants
from bbb_core.diffusion import two_group_oracle


def labels(figure) -> set[str]:
    return {t for axes in figure.axes for t in axes.get_legend_handles_labels()[1]}


def test_laws_and_steps() -> None:
    oracle, pair = two_group_oracle(steps=10), (ladder.weight(0.9), ladder.weight(0.5))
    exact = exact_comparison(oracle, *pair)
    mixture = oracle.density(exact.grid[:, None], pair[0]).numpy()
    assert "mixture behind it" in labels(figures.laws(exact, mixture, names=("a", "balanced")))
    moves = lipschitz_constants(oracle, torch.stack(pair), scope="pair")
    assert len(labels(figures.step_divergences(exact, moves.numpy()))) == 2


def test_ladder_and_tightness() -> None:
    table = ladder.ladder_table(
        separations=[2.0, 4.0], distances=[0.05, 0.2], steps=8, n=40, seed=0
    )
    figure = figures.ladder(table)
    assert len(figure.axes) == 2
    assert "certified (sampled)" in labels(figure)
    rows = ladder.tightness_table(separations=[2.0, 4.0], steps=[8], distance=0.05)
    assert "ceiling of KL of distributions" in labels(figures.tightness(rows, rows))


def test_shares_price_and_coverage() -> None:
    table = positions.position_table(
        positions=[0.1, 0.5], purity=0.9, separation=4.0, steps=8, n=40, seed=0
    )
    assert "drawn (exact)" in labels(figures.shares(table, purity=0.9))
    prices = positions.price_table(
        radii=np.geomspace(0.1, 1, 3), purity=0.9, separation=4.0, steps=8
    )
    assert len(labels(figures.price(prices))) == 3
    made = coverage.coverage_results(n_oracles=3, n=40, seed=0, unkind_sizes=[20], unkind_runs=3)
    rates = coverage.miss_rates(made["unkind"])
    assert rates.index.tolist() == ["rare spikes, n = 20", "log-normal, n = 20"]
    found = rates.loc["rare spikes, n = 20", "misses"]
    assert found["low"] <= found["rate"] == made["unkind"].misses[0] / 3 <= found["high"]
    drawn = figures.coverage(made["table"], rates, nominal=0.025)
    assert len(drawn.axes) == 2
