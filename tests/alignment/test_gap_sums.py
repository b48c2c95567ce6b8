"""Gaps from sums over rows: those of the rows, whatever the design."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bbb_core.alignment.gap_sums import ScoreSums, gaps_from_sums
from bbb_core.alignment.gaps import group_gaps, stratum_codes
from bbb_core.alignment.groups import group_table
from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.stats.rounding import rounding_error


def summed(frame, *, within, order):
    """Return the sums over cells of a table with the columns g, h, prompt and x."""
    strata, k = stratum_codes(frame["prompt"] if within else None, len(frame))
    means = np.bincount(strata, frame["x"], k) / np.bincount(strata, minlength=k)
    d = frame["x"].to_numpy() - means[strata]
    cell = pd.factorize(pd.MultiIndex.from_arrays([strata, frame["g"], frame["h"]]))[0]
    first = np.unique(cell, return_index=True)[1]
    labels = {name: frame[name].to_numpy()[first] for name in ("g", "h")}
    return ScoreSums(
        group_table(labels, len(first), order=order), strata[first], within, means,
        np.bincount(cell), np.stack([np.bincount(cell, d**i) for i in (1, 2, 3, 4)]),
        float(d.min()), float(d.max()), rounding_error(frame["x"].to_numpy()),
    )  # fmt: skip


LAWS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "skewed": lambda rng, n: rng.exponential(size=n),
    "rare": lambda rng, n: (rng.random(n) < 0.05) * 1.0,
    "shifted": lambda rng, n: 25 + 3 * rng.normal(size=n),
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("within", [True, False])
@pytest.mark.parametrize("order", [1, 2])
def test_gaps_are_those_of_the_rows(law, within, order):
    rng = generator(7, law)
    n = 1200
    frame = pd.DataFrame(
        {
            "g": rng.choice(["a", "b", "c", None], n, p=[0.5, 0.3, 0.1, 0.1]),
            "h": rng.choice(["x", "y"], n),
            "prompt": rng.integers(0, 12, n),
        }
    )
    frame["x"] = LAWS[law](rng, n) + 0.2 * (frame["g"] == "a") + 0.1 * frame["prompt"]
    groups = {name: frame[name] for name in ("g", "h")}
    rows = group_gaps(
        frame["x"].to_numpy(), groups, within=frame["prompt"] if within else None, order=order,
        margin=0.05, seed=3,
    )  # fmt: skip
    found = gaps_from_sums(summed(frame, within=within, order=order), margin=0.05, seed=3)
    pd.testing.assert_frame_equal(found.pairs, rows.pairs, rtol=1e-9)
    pd.testing.assert_frame_equal(found.by_group, rows.by_group, rtol=1e-9)
    assert [found.bound, found.bound_low, found.scale] == pytest.approx(
        [rows.bound, rows.bound_low, rows.scale], rel=1e-9
    )


def test_constant_scores_leave_no_unit():
    frame = pd.DataFrame({"g": ["a", "b"] * 20, "h": "x", "prompt": 0, "x": 1.0})
    with pytest.raises(InputError, match="constant within every stratum"):
        gaps_from_sums(summed(frame, within=False, order=1))
