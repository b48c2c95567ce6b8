"""Every public result of `balance`: finite, inside its own interval, or refused in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbb_book.chapters.emoji_model.agreement import cohen_kappa
from bbb_book.chapters.published_generations.amplification import amplification
from bbb_core import balance
from bbb_core.balance.by_prompt import balance_by_prompt, change_by_prompt
from bbb_core.errors import InputError
from bbb_core.rng import generator

Triples = Iterator[tuple[float, float, float]]
NAMES = ("a", "b", "none")


def counts_of(row: np.ndarray) -> dict[str, int]:
    return dict(zip(NAMES, row.tolist(), strict=True))


def representational(table: np.ndarray) -> Triples:
    for row in table:
        b = balance.representational_balance(counts_of(row))
        yield (b.interval[0], b.imbalance, b.interval[1])
        yield from ((b.share_intervals[g][0], b.shares[g], b.share_intervals[g][1]) for g in NAMES)


def corrected(method: str) -> Callable[[np.ndarray], Triples]:
    def found(table: np.ndarray) -> Triples:
        confusion = {g: counts_of(row) for g, row in zip(NAMES, table[1:], strict=False)}
        made = balance.correct_labels(counts_of(table[0]), confusion, method=method)
        yield from ((made.interval[g][0], made.shares[g], made.interval[g][1]) for g in made.shares)

    return found


def means(kind: str) -> Callable[[np.ndarray], Triples]:
    def found(table: np.ndarray) -> Triples:
        target = (0.5, 0.5, 0.0)
        made = balance.mean_imbalance(table, target=target, prompts=kind)
        e = made.corrected
        yield (e.low, e.value, e.high)
        yield (e.low, made.plug_in, e.high)
        e = balance.mean_change(table, table[::-1], target=target, prompts=kind)
        yield (e.low, e.value, e.high)

    return found


def tables(table: np.ndarray) -> Triples:
    frame = balance_by_prompt(table, target=[0.5, 0.5, 0.0])
    yield from zip(frame["low"], frame["imbalance"], frame["high"], strict=True)
    frame = change_by_prompt(table, table[::-1], target=[0.5, 0.5, 0.0])
    yield from zip(frame["low"], frame["change"], frame["high"], strict=True)


def amplified(table: np.ndarray) -> Triples:
    made = amplification(table[:, :2], table[::-1, :2], n_resamples=99, rng=generator(0))
    for e in (made.slope, made.correlation, made.rank_correlation, made.more_extreme, made.excess):
        yield (e.low, e.value, e.high)


def agreed(table: np.ndarray) -> Triples:
    first = np.repeat(np.tile(NAMES, len(table)), table.ravel())
    second = np.repeat(np.roll(np.tile(NAMES, len(table)), len(table)), table.ravel())
    e = cohen_kappa(first.tolist(), second.tolist(), n_resamples=99, rng=generator(0)).kappa
    yield (e.low, e.value, e.high)


RESULTS = {
    "representational_balance": representational,
    "correct_labels, combined": corrected("combined"),
    "correct_labels, exact": corrected("exact"),
    "mean_imbalance and mean_change, fixed": means("fixed"),
    "mean_imbalance and mean_change, sampled": means("sampled"),
    "by prompt": tables,
    "amplification": amplified,
    "cohen_kappa": agreed,
}


@pytest.mark.parametrize("name", list(RESULTS))
@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    rows=st.lists(
        st.lists(st.sampled_from([0, 0, 1, 2, 7, 40]), min_size=3, max_size=3),
        min_size=5, max_size=7,
    )
)  # fmt: skip
def test_estimates_lie_in_their_own_interval(name, rows):
    try:
        triples = list(RESULTS[name](np.array(rows)))
    except InputError:  # one sentence instead of a number
        return
    for low, value, high in triples:
        assert np.isfinite([low, value, high]).all()
        assert low - 1e-12 <= value <= high + 1e-12
