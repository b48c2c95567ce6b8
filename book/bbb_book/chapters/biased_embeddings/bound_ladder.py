"""The ladder of bounds and their tightness on the oracle (chapter "Biased embeddings")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pandas as pd
import torch
from scipy.special import ndtr
from torch import Tensor

from bbb_book.chapters.biased_embeddings.assumption_breaks import ConditionalClipping, Guided
from bbb_book.oracles.exact_law import exact_comparison
from bbb_book.oracles.lipschitz import lipschitz_constants
from bbb_core import checks, device
from bbb_core.diffusion.oracle import GaussianMixtureOracle, two_group_oracle
from bbb_core.diffusion.path_tv import certificate
from bbb_core.theory import lipschitz_constant, lipschitz_tv_bound, tv_bound_from_kl

__all__ = [
    "Rungs",
    "ladder",
    "ladder_table",
    "law_ratio_limit",
    "tightness_table",
    "weight",
    "wrong_means_table",
]


def weight(w: float) -> Tensor:
    """Return the scalar condition [w] of `bbb_core.diffusion.two_group_oracle`."""
    return torch.tensor([float(w)], dtype=torch.float64)


@dataclass(frozen=True)
class Rungs:
    r"""Upper bounds of one total variation, from the coarsest to the truth.

    Attributes
    ----------
    distance : float
        :math:`\lVert c - c' \rVert`.
    global_form, per_step : float
        :math:`\Lambda \lVert c - c' \rVert` with one constant max_k L_k for all steps, and with the
        L_k themselves (over the segment between the conditions); not clipped at one.
    sharp : float
        T1: :math:`2 \Phi(\Lambda \lVert c - c' \rVert) - 1` with the L_k themselves.
    path_kl : float
        The bound from the exact path KL, the smaller direction.
    certified : float
        The certificate's bound, from sampled paths.
    path_tv : float
        Total variation of the paths, estimated from the same ones (`Certificate.tv`).
    law_kl : float
        The bound from the exact KL of the laws of x_0, the smaller direction.
    exact : float
        Total variation of the sampler's laws.
    mixture : float
        Total variation of the mixtures that the sampler approximates.
    error : float
        Numerical error of `exact` and of the path KL.
    """

    distance: float
    global_form: float
    per_step: float
    sharp: float
    path_kl: float
    certified: float
    path_tv: float
    law_kl: float
    exact: float
    mixture: float
    error: float


def ladder(
    oracle: GaussianMixtureOracle,
    condition: Tensor,
    other: Tensor,
    *,
    n: int,
    seed: int,
    confidence: float = 0.95,
) -> Rungs:
    """Compute every rung of the ladder for one pair of conditions.

    Parameters
    ----------
    oracle : GaussianMixtureOracle
        With affine weights, and means on a line.
    condition, other : Tensor, shape [e]
        c and c', different.
    n, seed, confidence
        Of the certificate; n paths in each direction.

    Examples
    --------
    >>> rungs = ladder(two_group_oracle(steps=20), weight(0.5), weight(0.55), n=200, seed=0)
    >>> rungs.global_form > rungs.per_step > rungs.path_kl > rungs.law_kl > rungs.exact
    True
    """
    constants = lipschitz_constants(oracle, torch.stack([condition, other]))
    distance = float(torch.linalg.vector_norm(condition - other))
    exact = exact_comparison(oracle, condition, other)
    certified = certificate(oracle, condition, other, n=n, seed=seed, confidence=confidence)
    sigmas = oracle.sigmas.numpy()
    constant = lipschitz_constant(constants.numpy(), sigmas)
    return Rungs(
        distance=distance,
        global_form=lipschitz_constant(float(constants.max()), sigmas) * distance,
        per_step=constant * distance,
        sharp=float(lipschitz_tv_bound(constant, distance)),
        path_kl=float(tv_bound_from_kl(min(exact.path_kl, exact.path_kl_back))),
        certified=certified.tv_bound,
        path_tv=certified.tv,
        law_kl=float(tv_bound_from_kl(max(0.0, min(exact.law_kl, exact.law_kl_back)))),
        exact=exact.total_variation,
        mixture=oracle.total_variation(condition, other),
        error=exact.error,
    )


@device.threads(1)  # steps on small grids: more threads only wait for each other
def ladder_table(
    *,
    separations: Sequence[float],
    distances: Sequence[float],
    steps: int,
    n: int,
    seed: int,
    start: float = 0.5,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Return the ladder between w = `start` and w = `start` + distance, for every separation.

    Parameters
    ----------
    separations : sequence of float
        m / s.
    distances : sequence of float
        Distances of the two weights.
    steps : int
        K.
    n, seed, confidence
        Of the certificates.
    start : float
        The first weight.

    Returns
    -------
    DataFrame
        One row per pair: `separation` and the fields of `Rungs`.

    Examples
    --------
    >>> table = ladder_table(separations=[4.0], distances=[0.1], steps=10, n=50, seed=0)
    >>> len(table), "certified" in table
    (1, True)
    """
    rows = []
    for separation in separations:
        oracle = two_group_oracle(separation=separation, steps=steps)
        for distance in distances:
            pair = weight(start), weight(start + distance)
            rungs = ladder(oracle, *pair, n=n, seed=seed, confidence=confidence)
            rows.append({"separation": separation, **asdict(rungs)})
    return pd.DataFrame(rows)


def law_ratio_limit(separation: float) -> float:
    r"""Return the proved ceiling of :math:`\sqrt{KL/2} / TV` near w = 1/2, at the level of laws.

    It is :math:`(2 \Phi(m / s) - 1)^{-1/2}`, and it tends to one with the separation.

    Examples
    --------
    >>> round(law_ratio_limit(4.0), 5)
    1.00003
    """
    return float((2 * ndtr(checks.number("separation", separation, low=0.0)) - 1) ** -0.5)


def tightness_table(
    *, separations: Sequence[float], steps: Sequence[int], distance: float = 0.05
) -> pd.DataFrame:
    """Return the ratios bound / exact between w = 1/2 and 1/2 + distance, without sampling.

    Returns
    -------
    DataFrame
        Columns separation, steps, path_ratio and law_ratio (bound over the sampler's exact total
        variation), gap (sampler's over mixture's total variation), limit, error.

    Examples
    --------
    >>> table = tightness_table(separations=[4.0], steps=[10, 20])
    >>> bool(table.path_ratio.is_monotonic_decreasing)
    True
    """
    rows = []
    for separation in separations:
        for count in steps:
            oracle = two_group_oracle(separation=separation, steps=count)
            pair = weight(0.5), weight(0.5 + distance)
            exact = exact_comparison(oracle, *pair)
            path = tv_bound_from_kl(min(exact.path_kl, exact.path_kl_back))
            law = tv_bound_from_kl(min(exact.law_kl, exact.law_kl_back))
            rows.append(
                {
                    "separation": separation,
                    "steps": count,
                    "path_ratio": float(path) / exact.total_variation,
                    "law_ratio": float(law) / exact.total_variation,
                    "gap": exact.total_variation / oracle.total_variation(*pair),
                    "limit": law_ratio_limit(separation),
                    "error": exact.error,
                }
            )
    return pd.DataFrame(rows)


def wrong_means_table(*, separation: float, steps: int, w: float, other: float) -> pd.DataFrame:
    """Return exact total variations beside bounds from the right and from the wrong means.

    The wrong means are the plain oracle's, while the sampler clips or guides.

    Returns
    -------
    DataFrame
        Index: the sampler; columns exact, right_bound, wrong_bound, error.

    Examples
    --------
    >>> table = wrong_means_table(separation=4.0, steps=20, w=0.49, other=0.51)
    >>> bool((table.right_bound >= table.exact).all())
    True
    """
    oracle = two_group_oracle(separation=separation, steps=steps)
    pair = weight(w), weight(other)
    plain = exact_comparison(oracle, *pair)
    samplers = {
        "as the oracle says": oracle,
        "clips by the condition": ConditionalClipping(oracle, low=0.8, high=1.2),
        "guides, strength 3": Guided(oracle, reference=weight(0.5), strength=3.0),
    }
    rows = {}
    for name, process in samplers.items():
        exact = exact_comparison(process, *pair)
        rows[name] = {
            "exact": exact.total_variation,
            "right_bound": float(tv_bound_from_kl(min(exact.path_kl, exact.path_kl_back))),
            "wrong_bound": float(tv_bound_from_kl(min(plain.path_kl, plain.path_kl_back))),
            "error": exact.error,
        }
    return pd.DataFrame(rows).T
