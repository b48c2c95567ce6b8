"""Where the neutral prompt lies and what is drawn: T1 on the oracle (chapter on embeddings)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from bbb_book.chapters.biased_embeddings.assumption_breaks import LateDecision
from bbb_book.chapters.biased_embeddings.bound_ladder import weight
from bbb_book.chapters.biased_embeddings.corollaries import smoothness_price
from bbb_book.oracles.exact_law import exact_comparison
from bbb_book.oracles.lipschitz import lipschitz_constants
from bbb_core import checks, device
from bbb_core.diffusion.oracle import GaussianMixtureOracle, two_group_oracle
from bbb_core.diffusion.path_tv import certificate
from bbb_core.diffusion.paths import path_kl
from bbb_core.diffusion.process import sample
from bbb_core.errors import InputError
from bbb_core.theory import (
    lipschitz_constant,
    necessary_radius,
    share_lower_bound,
    tv_bound_from_kl,
)

__all__ = [
    "impure_prompts_table",
    "late_decision_table",
    "position_table",
    "price_table",
    "radius_table",
]


def _constant(oracle: GaussianMixtureOracle, ends: tuple[float, float]) -> float:
    """Return Lambda over the segment between two weights."""
    pair = torch.stack([weight(w) for w in ends])
    constants = lipschitz_constants(oracle, pair)
    return lipschitz_constant(constants.numpy(), oracle.sigmas.numpy())


@device.threads(1)  # steps on small grids: more threads only wait for each other
def position_table(
    *,
    positions: Sequence[float],
    purity: float,
    separation: float,
    steps: int,
    n: int,
    seed: int,
    confidence: float = 0.95,
) -> pd.DataFrame:
    r"""Move the neutral prompt from group a (position 0) to group b (position 1).

    The group prompts have the weights `purity` and 1 - `purity` of component a, the neutral prompt
    lies on the straight way between them.

    Parameters
    ----------
    positions : sequence of float
        Positions in (0, 1].
    purity : float
        Weight of its own group in a group prompt, in (0.5, 1).
    separation : float
        m / s.
    steps : int
        K.
    n, seed, confidence
        Of the certificate of TV(D_p, D_{p_a}).

    Returns
    -------
    DataFrame
        position, radius (distance to p_a), share (exact, of group a), imbalance (exact, target
        one half), delta (exact separation error of p_a), and lower bounds of the share: lipschitz
        (T1, Lambda over the segment to p_a), triangle (its weaker form, same Lambda), pair (T1,
        Lambda of that one pair), certified, path (exact path KL).

    Examples
    --------
    >>> table = position_table(
    ...     positions=[0.1], purity=0.9, separation=4.0, steps=10, n=50, seed=0
    ... )
    >>> bool((table.share > table.certified).all())
    True
    """
    oracle = two_group_oracle(separation=separation, steps=steps)
    if not 0.5 < checks.probability("purity", purity) < 1:
        raise InputError(f"purity is {purity}; pass a value between 0.5 and 1.")
    group, rows = weight(purity), []
    for position in positions:
        neutral = weight(purity + position * (1 - 2 * purity))
        exact = exact_comparison(oracle, neutral, group)
        radius = float(torch.linalg.vector_norm(neutral - group))
        delta = 1 - float(exact.other_shares[0])
        moves = lipschitz_constants(oracle, torch.stack([neutral, group]), scope="pair")
        pair = lipschitz_constant(moves.numpy(), oracle.sigmas.numpy())
        hull = _constant(oracle, (float(neutral), purity))
        triangle = share_lower_bound(hull, radius, delta=delta, inequality="pinsker")
        bound = certificate(oracle, neutral, group, n=n, seed=seed, confidence=confidence)
        path = tv_bound_from_kl(min(exact.path_kl, exact.path_kl_back))
        share = float(exact.shares[0])
        rows.append(
            {
                "position": position,
                "radius": radius,
                "share": share,
                "imbalance": abs(share - 0.5),
                "delta": delta,
                "lipschitz": float(share_lower_bound(hull, radius, delta=delta)),
                "triangle": float(triangle),
                "pair": float(share_lower_bound(pair, radius, delta=delta)),
                "certified": max(0.0, 1 - delta - bound.tv_bound),
                "path": max(0.0, 1 - delta - float(path)),
                "error": exact.error,
            }
        )
    return pd.DataFrame(rows)


def radius_table(
    *, purity: float, separation: float, steps: int, epsilon: float, points: int
) -> pd.DataFrame:
    """Return exact imbalances of prompts inside the necessary radius around group a's prompt.

    Lambda is taken over the whole segment between the two group prompts, so that it covers every
    neutral prompt; the radius is the one for an imbalance of `epsilon`.

    Returns
    -------
    DataFrame
        radius, imbalance, necessary and triangle (the radius by T1 and by its weaker form, the same
        in all rows), constant (Lambda), error.

    Examples
    --------
    >>> table = radius_table(purity=0.9, separation=4.0, steps=10, epsilon=0.1, points=3)
    >>> bool((table.imbalance > 0.1).all())
    True
    """
    oracle = two_group_oracle(separation=separation, steps=steps)
    constant = _constant(oracle, (1 - purity, purity))
    group = weight(purity)
    delta = 1 - float(exact_comparison(oracle, group, group).shares[0])
    goal = {"target": 0.5, "delta": delta, "epsilon": epsilon}
    necessary = float(necessary_radius(constant, **goal))
    triangle = float(necessary_radius(constant, **goal, inequality="pinsker"))
    rows = []
    for radius in np.linspace(0, necessary, points):
        exact = exact_comparison(oracle, weight(purity - radius), group)
        imbalance = abs(float(exact.shares[0]) - 0.5)
        rows.append({"radius": radius, "imbalance": imbalance, "error": exact.error})
    found = {"necessary": necessary, "triangle": triangle, "constant": constant}
    return pd.DataFrame(rows).assign(**found)


def price_table(
    *, radii: Sequence[float] | np.ndarray, purity: float, separation: float, steps: int
) -> pd.DataFrame:
    """Return what balance costs in smoothness when the group prompts lie close together.

    One oracle, whose embedding space is shrunk so that the balanced prompt is at distance `radius`
    from both group prompts.

    Returns
    -------
    DataFrame
        radius, required and triangle (the least Lambda that T1 and its weaker form allow), constant
        (Lambda over the segment).

    Examples
    --------
    >>> table = price_table(radii=[0.1, 1.0], purity=0.9, separation=4.0, steps=10)
    >>> bool((table.triangle < table.required).all() and (table.required < table.constant).all())
    True
    """
    oracle = two_group_oracle(separation=separation, steps=steps)
    exact = exact_comparison(oracle, weight(0.5), weight(purity))
    delta = 1 - float(exact.other_shares[0])
    constant = _constant(oracle, (1 - purity, purity))
    radii = np.asarray(radii, dtype=np.float64)
    return pd.DataFrame(
        {
            "radius": radii,
            "required": smoothness_price(radii, target=0.5, delta=delta),
            "triangle": smoothness_price(radii, target=0.5, delta=delta, inequality="pinsker"),
            "constant": constant * (purity - 0.5) / radii,
        }
    )


def impure_prompts_table(
    *, purities: Sequence[float], position: float, separation: float, steps: int
) -> pd.DataFrame:
    """Return shares guaranteed with and without the separation error, beside the exact share.

    Returns
    -------
    DataFrame
        purity, share (exact), with_delta and without_delta (1 - [delta] - path-KL bound).

    Examples
    --------
    >>> table = impure_prompts_table(purities=[0.7], position=0.1, separation=4.0, steps=10)
    >>> bool((table.with_delta <= table.share).all() and (table.without_delta > table.share).all())
    True
    """
    oracle, rows = two_group_oracle(separation=separation, steps=steps), []
    for purity in purities:
        neutral = weight(purity + position * (1 - 2 * purity))
        exact = exact_comparison(oracle, neutral, weight(purity))
        bound = float(tv_bound_from_kl(min(exact.path_kl, exact.path_kl_back)))
        rows.append(
            {
                "purity": purity,
                "share": float(exact.shares[0]),
                "with_delta": max(0.0, float(exact.other_shares[0]) - bound),
                "without_delta": 1 - bound,
            }
        )
    return pd.DataFrame(rows)


def late_decision_table(*, steps: int, n: int, seed: int) -> pd.DataFrame:
    """Return what a sampler draws that decides in a last step without noise.

    Returns
    -------
    DataFrame
        Index: the weight of the condition; columns share (of positive samples) and noisy_kl (path
        KL of the noisy steps from that condition to the other one).

    Examples
    --------
    >>> late_decision_table(steps=5, n=20, seed=0).share.tolist()
    [1.0, 0.0]
    """
    process = LateDecision(two_group_oracle(steps=steps), middle=weight(0.5))
    ends, rows = (0.51, 0.49), {}
    for own, other in (ends, ends[::-1]):
        x = sample(process, weight(own), n, seed=seed)
        noisy = path_kl(process, weight(own), weight(other), n=max(n, 20), seed=seed, stop=1)
        rows[own] = {"share": float((x > 0).double().mean()), "noisy_kl": noisy.value}
    return pd.DataFrame(rows).T.rename_axis("w")
