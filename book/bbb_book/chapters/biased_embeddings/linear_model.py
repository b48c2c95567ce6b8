r"""The linear models that attain T1 (chapter on embeddings).

One dimension, the condition is a number c: :math:`\mu_k(x, c) = a_k x + L_k c`, so that the means
have the Lipschitz constants L_k exactly. The laws are normal. With the carries below the first step
forgets the start, and the shift of each step arrives in proportion to the noise that it must beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from bbb_core import rng
from bbb_core.theory import lipschitz_constant, lipschitz_tv_bound, share_lower_bound

__all__ = ["attained_table", "carries", "drawn_law"]


def carries(step_constants: Any, sigmas: Any) -> np.ndarray:
    r"""Return the factors a_1, ..., a_K with which the attaining model carries its state on.

    .. math:: a_k = \frac{L_{k+1} / \sigma_{k+1}^2}{L_k / \sigma_k^2} \ (k < K), \qquad a_K = 0

    Parameters
    ----------
    step_constants, sigmas : array_like, shape [K]
        L_k and sigma_k, positive, in the order k = 1, ..., K (the last step of the sampler first).

    Examples
    --------
    >>> carries([1.0, 2.0], [1.0, 1.0]).tolist()
    [2.0, 0.0]
    """
    weights = np.asarray(step_constants, dtype=np.float64) / np.square(sigmas)
    return np.append(weights[1:] / weights[:-1], 0.0)


def drawn_law(condition: float, step_constants: Any, sigmas: Any) -> tuple[float, float]:
    """Return mean and standard deviation of x_0, by going through the steps K, ..., 1.

    Examples
    --------
    >>> drawn_law(0.5, [2.0], [0.1])
    (1.0, 0.1)
    """
    mean, variance = 0.0, 1.0  # x_K
    steps = zip(carries(step_constants, sigmas), step_constants, sigmas, strict=True)
    for carry, constant, sigma in reversed([*steps]):
        mean = carry * mean + constant * condition
        variance = carry**2 * variance + sigma**2
    return float(mean), float(variance**0.5)


def attained_table(*, steps: Sequence[int], seed: int, delta: float = 0.05) -> pd.DataFrame:
    """Compare T1 with the exact law of linear models with random L_k, sigma_k and distance.

    Group a's prompt is 0, the neutral prompt lies `distance` to its right. A picture is read as a
    up to the point that group a's prompt exceeds with probability `delta`.

    Parameters
    ----------
    steps : sequence of int
        K, one model each.
    seed : int
        Of the constants: L_k and sigma_k are log-normal, 2 Lambda times the distance lies in
        [0.2, 3].
    delta : float
        Separation error of group a's prompt.

    Returns
    -------
    DataFrame
        steps, constant (Lambda), distance, triangle and sharp (the bounds on total variation),
        exact (total variation), guaranteed and share (of group a at the neutral prompt).

    Examples
    --------
    >>> table = attained_table(steps=[1, 5], seed=0)
    >>> bool(abs(table.sharp - table.exact).max() < 1e-12)
    True
    """
    rows = []
    for count in steps:
        random = rng.generator(seed, "linear-model", count)
        constants, sigmas = np.exp(random.normal(size=(2, count)))
        slope = lipschitz_constant(constants, sigmas)
        distance = random.uniform(0.2, 3.0) / (2 * slope)
        group, spread = drawn_law(0.0, constants, sigmas)
        neutral, _ = drawn_law(distance, constants, sigmas)
        edge = group - spread * ndtri(delta)
        rows.append(
            {
                "steps": count,
                "constant": slope,
                "distance": distance,
                "triangle": float(lipschitz_tv_bound(slope, distance, inequality="pinsker")),
                "sharp": float(lipschitz_tv_bound(slope, distance)),
                "exact": float(2 * ndtr((neutral - group) / (2 * spread)) - 1),
                "guaranteed": float(share_lower_bound(slope, distance, delta=delta)),
                "share": float(ndtr((edge - neutral) / spread)),
            }
        )
    return pd.DataFrame(rows)
