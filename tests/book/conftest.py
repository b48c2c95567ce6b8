"""Made-up scorers with planted facts, for the tests of the chapters on alignment scores."""

from __future__ import annotations

import numpy as np
import pytest

from bbb_book.scorers.caption_bias import shares_of_men
from bbb_book.scorers.design import audit_design
from bbb_book.scorers.models import STRATEGY_COLUMNS, ScoredModel, ScoredModels
from bbb_core.rng import generator

BIASES = ("balanced", "labour", "men:0.8")


def made_up(bias: str, seed: int) -> ScoredModel:
    """Return a scorer whose plain score prefers the captions' majority and whose repairs do not."""
    rng = generator(seed, "made-up", bias)
    d = audit_design(1, 0)
    men = shares_of_men(bias)
    lean = 0.5 * (men - 0.5)
    sign = np.where(d.group == 0, 1.0, -1.0)
    noise = 0.05 * rng.standard_normal((len(d.truth), len(STRATEGY_COLUMNS) + 6))
    columns = [
        *STRATEGY_COLUMNS,
        "score-then-average",
        "man",
        "woman",
        "read as woman",
        "average of four",
        "subclass of four",
    ]
    scores = d.truth[:, None] + noise
    scores[:, 0] += sign * lean[d.prompt]
    scores[:, columns.index("man")] += 0.2 * sign
    scores[:, columns.index("woman")] -= 0.2 * sign
    pool = 0.3 * rng.standard_normal((20, 2, 30, 3))
    pool[..., 0] += np.stack([lean, -lean], axis=1)[..., None]
    values = {
        "columns": columns, "scores": scores.astype(np.float32), "pool": pool,
        "text_gap": -2 * lean + 0.01 * rng.standard_normal(20), "factor": np.full(20, 0.8),
        "right": np.ones((80, 2), bool), "losses": np.ones(5), "seconds": 1.0,
    }  # fmt: skip
    return ScoredModel(bias, seed, d, values)


@pytest.fixture(scope="session")
def models() -> ScoredModels:
    return ScoredModels(tuple(made_up(bias, seed) for bias in BIASES for seed in (0, 1)))
