"""What the chapter on the sufficient condition computes on mirror-symmetric oracles (T2, T3).

Tensors are tiny here: one thread is several times faster than two that wait for each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch

from bbb_book.chapters.sufficient_condition.mirror_models import (
    ANCHORS,
    MIRROR,
    CurvedWeights,
    cyclic_oracle,
    mirror_oracle,
    position,
)
from bbb_book.oracles.exact_law import exact_comparison
from bbb_book.oracles.lipschitz import lipschitz_constants
from bbb_book.oracles.symmetry import Switched, Symmetrised, reflection, switch
from bbb_core import rng, theory
from bbb_core.device import threads
from bbb_core.diffusion.oracle import GaussianMixtureOracle
from bbb_core.diffusion.path_tv import certificate
from bbb_core.diffusion.process import sample
from bbb_core.diffusion.schedule import Schedule
from bbb_core.stats import multinomial_intervals, tv_interval

__all__ = [
    "cyclic_shares",
    "defects",
    "subclass_comparison",
    "two_sided",
    "two_sided_tables",
    "violation",
]


def _pinsker(kl: float) -> float:
    return float(theory.tv_bound_from_kl(kl))


def two_sided_tables(
    *, positions: list[float], separation: float, leak: float, steps: int
) -> dict[str, Any]:
    """Return `two_sided` of the mirror oracle."""
    return two_sided(mirror_oracle(separation=separation, leak=leak, steps=steps), positions)


@threads(1)
def two_sided(oracle: GaussianMixtureOracle, positions: list[float]) -> dict[str, Any]:
    """Return, per position, the exact imbalance and both bounds in the Lambda and KL forms.

    Returns
    -------
    dict
        ``table`` with the columns ``position``, ``share`` (of group a), ``imbalance``, ``error``
        (numerical), ``lower`` and ``upper`` (T1, T2 with Lambda), ``lower_triangle`` and
        ``upper_triangle`` (their weaker forms, straight in Lambda), ``lower_kl`` and ``upper_kl``
        (path KL); ``constant``: Lambda between the group prompts; ``delta``: separation error.
    """
    constant = theory.lipschitz_constant(
        lipschitz_constants(oracle, ANCHORS).numpy(), oracle.sigmas.numpy()
    )
    ends = exact_comparison(oracle, ANCHORS[0], ANCHORS[1])
    delta = max(1 - float(ends.shares[0]), 1 - float(ends.other_shares[1]))
    rows = []
    for t in positions:
        c = position(t)
        mirrored = exact_comparison(oracle, c, reflection(*ANCHORS)(c))
        share = float(mirrored.shares[0])  # the line runs from the first mean to the second
        nearer = ANCHORS[0] if t >= 0.5 else ANCHORS[1]
        radius = float(torch.linalg.vector_norm(c - nearer))
        near = exact_comparison(oracle, c, nearer) if radius > 0 else None
        kl = min(near.path_kl, near.path_kl_back) if near else 0.0
        turn = float(theory.reflection_distance(c, *ANCHORS))
        goal = {"target": 0.5, "delta": delta}
        low = theory.imbalance_lower_bound(constant, radius, **goal)
        weak = theory.imbalance_lower_bound(constant, radius, **goal, inequality="pinsker")
        rows.append(
            {
                "position": t,
                "share": share,
                "imbalance": abs(share - 0.5),
                "error": mirrored.error,
                "lower": float(low),
                "upper": float(theory.symmetric_imbalance_bound(constant, turn)) / 2,
                "lower_triangle": float(weak),
                "upper_triangle": min(constant * turn, 1.0) / 2,
                "lower_kl": max(0.5 - delta - _pinsker(kl), 0.0),
                "upper_kl": _pinsker(min(mirrored.path_kl, mirrored.path_kl_back)) / 2,
            }
        )
    return {"table": pd.DataFrame(rows), "constant": float(constant), "delta": float(delta)}


@threads(1)
def defects(leans: list[float], *, separation: float, leak: float, steps: int) -> pd.DataFrame:
    """Return what broken symmetry does at zero gap, for several leans of the weights.

    A lean is the weight that group a gains, as a share of `leak`, in [0, 1].
    Columns: ``lean``, ``difference`` (exact, of the shares), ``symmetrised`` (the same for the
    symmetrised copy), ``kl`` (path KL between the two), ``single`` and ``double`` (one and two
    times sqrt(KL / 2)), ``error`` (numerical).
    """
    rows = []
    for lean in leans:
        oracle = mirror_oracle(separation=separation, leak=leak, steps=steps, lean=lean * leak)
        copy = Symmetrised(oracle, MIRROR, reflection(*ANCHORS))
        both = Switched(oracle, copy)
        exact = exact_comparison(both, switch(position(0.5), 0), switch(position(0.5), 1))
        kl = min(exact.path_kl, exact.path_kl_back)
        rows.append(
            {
                "lean": lean,
                "difference": abs(float(exact.shares[1] - exact.shares[0])),
                "symmetrised": abs(float(exact.other_shares[1] - exact.other_shares[0])),
                "kl": kl,
                "single": (kl / 2) ** 0.5,
                "double": float(theory.symmetric_imbalance_bound(0.0, 0.0, defect_kl=kl)),
                "error": exact.error,
            }
        )
    return pd.DataFrame(rows)


@threads(1)
def cyclic_shares(
    order: int,
    positions: list[float],
    *,
    separation: float,
    leak: float,
    steps: int,
    n: int,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Return sampled imbalance of the cyclic oracle and the bound of T2 for several groups.

    Positions run from the centre of the anchors (0) to the first anchor (1). Shares are read from
    `n` generations per position; intervals are exact; the bound is the mean of the certified
    bounds on total variation over the rotations, which hold together at level 0.95.
    """
    oracle, anchors, turn = cyclic_oracle(order, separation=separation, leak=leak, steps=steps)
    rows, shares, each = [], [], 1 - 0.05 / (order - 1)
    for i, t in enumerate(positions):
        c = t * anchors[0]
        drawn = sample(oracle, c, n, seed=int(rng.generator(seed, "cyclic", i).integers(2**31)))
        read = torch.cdist(drawn, oracle.means).argmin(1)
        counts = torch.bincount(read, minlength=order).numpy()
        low, high = tv_interval(counts, np.full(order, 1 / order))
        other, bound = c, 0.0
        for _ in range(order - 1):
            other = turn(other)
            if t > 0:
                made = certificate(oracle, c, other, n=max(500, n // 4), seed=seed, confidence=each)
                bound += made.tv_bound / order
        rows.append(
            {
                "position": t,
                "imbalance": float(np.abs(counts / n - 1 / order).sum() / 2),
                "low": low,
                "high": high,
                "bound": bound,
            }
        )
        box = multinomial_intervals(counts)
        shares += [
            {"position": t, "group": g, "share": counts[g] / n, "low": box[g, 0], "high": box[g, 1]}
            for g in range(order)
        ]
    return {"imbalance": pd.DataFrame(rows), "shares": pd.DataFrame(shares)}


@threads(1)
def subclass_comparison(
    powers: list[float], *, separation: float, leak: float, steps: int
) -> pd.DataFrame:
    """Return the imbalance of subclass sampling and of the average embedding (T3), exactly.

    Columns: ``power``, ``delta`` (separation error), ``subclass``, ``average``, ``error``.
    """
    rows = []
    for power in powers:
        oracle = GaussianMixtureOracle(
            means=torch.tensor([[1.0], [-1.0]], dtype=torch.float64),
            scale=1 / separation,
            weights=CurvedWeights(leak, power),
            schedule=Schedule.linear(steps),
            variance="forward",
        )
        ends = exact_comparison(oracle, ANCHORS[0], ANCHORS[1])
        middle = exact_comparison(oracle, position(0.5), ANCHORS[0])
        share = (float(ends.shares[0]) + float(ends.other_shares[0])) / 2
        rows.append(
            {
                "power": power,
                "delta": max(1 - float(ends.shares[0]), 1 - float(ends.other_shares[1])),
                "subclass": abs(share - 0.5),
                "average": abs(float(middle.shares[0]) - 0.5),
                "error": ends.error + middle.error,
            }
        )
    return pd.DataFrame(rows)


def violation(table: pd.DataFrame) -> float:
    """Return by how much the exact imbalance leaves its bounds at worst (negative: never).

    `table` is that of `two_sided`; both the Lambda and the path-KL forms count, and the numerical
    error is allowed for.
    """
    lower = table[["lower", "lower_kl"]].max(axis=1) - table["imbalance"]
    upper = table["imbalance"] - table[["upper", "upper_kl"]].min(axis=1)
    return float((np.maximum(lower, upper) - table["error"]).max())
