r"""Lipschitz constants of the oracle's reverse means in the condition (theorem T1).

The mean depends on c through the responsibilities only:
:math:`\mu_k(x, c) = A_k g_k \sum_j r_j(x, c)\, m_j + (\text{terms without } c)`, with
:math:`g_k = (1 - \bar\alpha_k) / (\bar\alpha_k s^2 + 1 - \bar\alpha_k)`.

*Two conditions.* r' is r reweighted by w'/w. If the logarithms of these ratios spread over D, then
:math:`TV(r, r') \le \tanh(D / 4)`, hence the mean moves by at most
:math:`A_k g_k\, \mathrm{diam}\, \tanh(D / 4)`. For two components some x attains it.

*All conditions of a convex hull.* Along a unit direction e the derivative of
:math:`\sum_j r_j m_j` is the covariance under r of :math:`\rho_j = (M e)_j / w_j` and of
:math:`m_j`; by Popoviciu's inequality it is at most :math:`(\max \rho - \min \rho)\,
\mathrm{diam} / 4`. For two components this is :math:`|M_1 e|\, \mathrm{diam} / (4 w (1 - w))`,
attained where r = 1/2; it is largest at a vertex of the hull.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from bbb_core import checks
from bbb_core.diffusion.oracle import GaussianMixtureOracle
from bbb_core.diffusion.weights import AffineWeights
from bbb_core.errors import InputError

__all__ = ["Scope", "largest_moves", "lipschitz_constants", "step_gains"]

Scope = Literal["pair", "hull"]
"""Constants for one pair of conditions, or for all pairs in the convex hull of some conditions."""


def step_gains(oracle: GaussianMixtureOracle) -> Float64[Tensor, "K"]:
    r"""Return :math:`A_k g_k\, \mathrm{diam}`: the largest move of each mean, whatever c does."""
    alpha_bar = oracle.schedule.alpha_bar
    pull = (1 - alpha_bar) / (alpha_bar * oracle.scale**2 + 1 - alpha_bar)
    return oracle.schedule.mean_coefficients[0] * pull * torch.pdist(oracle.means).max()


def largest_moves(
    oracle: GaussianMixtureOracle, condition: Tensor, other: Tensor
) -> Float64[Tensor, "K"]:
    r"""Return upper bounds of :math:`\sup_x \lVert \mu_k(x, c) - \mu_k(x, c') \rVert`.

    Exact for two components, an upper bound for more.
    """
    first, second = oracle.weight(condition), oracle.weight(other)
    if first.ndim != 1 or second.ndim != 1:
        raise InputError("condition must be one vector of shape [e]; pass two single conditions.")
    present = (first > 0) | (second > 0)  # a component absent from both plays no part
    ratios = torch.log(first[present]) - torch.log(second[present])
    return step_gains(oracle) * torch.tanh((ratios.max() - ratios.min()) / 4)


def _hull_slope(weights: AffineWeights, conditions: Tensor) -> float:
    """Return an upper bound of the spread of (M e)_j / w_j over the hull and its directions e."""
    values = weights(conditions)  # [m, k]
    if float(values.min()) <= 0:
        return float("inf")
    directions = torch.linalg.svd(conditions - conditions[0], full_matrices=False)
    rank = int(torch.linalg.matrix_rank(conditions - conditions[0]))
    slopes = weights.matrix @ directions.Vh[:rank].T  # [k, directions of the hull]
    if len(slopes) == 2:
        return float((slopes[0].norm() / (values[:, 0] * values[:, 1])).max())
    inverse = torch.stack([1 / values.max(0).values, 1 / values.min(0).values])  # [2, k]
    worst = 0.0
    for i in range(len(slopes)):
        for j in range(i):
            for a in inverse[:, i]:
                for b in inverse[:, j]:  # convex in (1/w_i, 1/w_j): largest at a corner
                    worst = max(worst, float((a * slopes[i] - b * slopes[j]).norm()))
    return worst


def lipschitz_constants(
    oracle: GaussianMixtureOracle, conditions: Float64[Tensor, "m e"], *, scope: Scope = "hull"
) -> Float64[Tensor, "K"]:
    r"""Return Lipschitz constants of the reverse means in the condition.

    .. math:: \lVert \mu_k(x, c) - \mu_k(x, c') \rVert \le L_k \lVert c - c' \rVert
        \quad \text{for all } x

    Parameters
    ----------
    oracle : GaussianMixtureOracle
        Two components give exact constants, more give upper bounds.
    conditions : Tensor, shape [m, e]
        At least two conditions.
    scope : {"hull", "pair"}
        "hull": for all c, c' in the convex hull of the conditions (needs `AffineWeights`); infinite
        when a weight vanishes in it. "pair": for the two given conditions only, always finite.

    Returns
    -------
    Tensor, shape [K]

    Raises
    ------
    InputError
        If the conditions are equal, or the weights are not affine and the scope is "hull".

    Examples
    --------
    >>> from bbb_core.diffusion import two_group_oracle
    >>> pair = torch.tensor([[0.5], [0.55]], dtype=torch.float64)
    >>> oracle = two_group_oracle(steps=2)
    >>> hull, chord = (lipschitz_constants(oracle, pair, scope=s) for s in ("hull", "pair"))
    >>> bool((chord < hull).all())
    True
    """
    checks.matrix("conditions", conditions)
    checks.choice("scope", scope, ["hull", "pair"])
    if len(conditions) < 2 or float((conditions - conditions[0]).abs().max()) == 0:
        raise InputError("conditions holds no two different rows; pass at least two conditions.")
    if scope == "pair":
        if len(conditions) != 2:
            raise InputError(f"conditions has {len(conditions)} rows; pass two for a pair.")
        distance = torch.linalg.vector_norm(conditions[0] - conditions[1])
        return largest_moves(oracle, conditions[0], conditions[1]) / distance
    if not isinstance(oracle.weights, AffineWeights):
        raise InputError('weights is no AffineWeights; use scope="pair" for other maps.')
    return step_gains(oracle) * _hull_slope(oracle.weights, conditions) / 4
