"""What an ideal generator draws under caption noise, and which noises keep it balanced."""

from __future__ import annotations

from typing import Any

import numpy as np

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["caption_noise_window", "kernel_weights"]


def kernel_weights(condition: Any, captions: Any, *, noise: Any, priors: Any = None) -> np.ndarray:
    r"""Return how much of each training caption the ideal generator draws at a condition.

    Train on pairs of a caption's embedding :math:`e_i` and its pictures' law :math:`D_i`, with
    probability :math:`\pi_i`, and add noise :math:`N(0, \tau^2 I)` to the embedding whenever a pair
    is used. At every noise level the best denoiser at condition c is that of
    :math:`\sum_i w_i(c) D_i` with

    .. math:: w_i(c) = \frac{\pi_i \exp(-\lVert c - e_i \rVert^2 / 2 \tau^2)}
                            {\sum_j \pi_j \exp(-\lVert c - e_j \rVert^2 / 2 \tau^2)} .

    Parameters
    ----------
    condition : array_like, shape [..., d]
        Where the generator is asked.
    captions : array_like, shape [m, d]
        Embeddings of the training captions.
    noise : float
        :math:`\tau > 0`, per coordinate of the embedding.
    priors : array_like, shape [m], optional
        Training shares, positive with sum 1; equal shares by default.

    Returns
    -------
    numpy.ndarray, shape [..., m]
        Weights with sum 1. For laws that never overlap, the share of a group is the sum of the
        weights of its captions.

    Raises
    ------
    InputError
        If shapes do not match, or the noise or a prior is not positive.

    Notes
    -----
    *Why.* The best denoiser is the mean of the clean picture given its noisy one and the noisy
    caption c. Given c, the pair was i with probability :math:`w_i(c)` by Bayes' rule, and given i
    the picture follows :math:`D_i` whatever c is. So the best denoiser is the one for pictures from
    the mixture. It holds for an ideal generator; a trained one may have another slope and switch.

    Examples
    --------
    >>> kernel_weights([0.5, 0.0], [[0.0, 0.0], [1.0, 0.0]], noise=0.3).tolist()
    [0.5, 0.5]
    """
    c = np.asarray(checks.finite("condition", condition), np.float64)
    e = np.asarray(checks.matrix("captions", captions), np.float64)
    if c.ndim == 0 or c.shape[-1] != e.shape[1]:
        raise InputError(f"condition has shape {c.shape}; its rows need {e.shape[1]} numbers.")
    tau = checks.number("noise", noise, low=0)
    if tau == 0:
        raise InputError("noise is 0; without noise the nearest caption takes all.")
    shares = (
        np.full(len(e), 1 / len(e)) if priors is None else checks.distribution("priors", priors)
    )
    if np.shape(shares) != (len(e),) or not np.all(np.asarray(shares) > 0):
        raise InputError(f"priors must be {len(e)} positive shares, one for each caption.")
    squares = ((c[..., None, :] - e) ** 2).sum(-1)  # [..., m]
    logs = np.log(shares) - squares / (2 * tau**2)
    weights = np.exp(logs - logs.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def caption_noise_window(gap: Any, distance: Any, *, epsilon: Any, delta: Any) -> tuple[Any, Any]:
    r"""Return between which caption noises a generator is balanced and still obeys group prompts.

    For two captions of equal weight and unit embeddings, the ideal generator is
    :math:`\varepsilon`-balanced at p if and only if
    :math:`\tau^2 \ge |\mathrm{gap}(p)| / \mathrm{logit}(1/2 + \varepsilon)`, and draws the named
    group with probability at least :math:`1 - \delta` if and only if
    :math:`\tau^2 \le \lVert e_a - e_b \rVert^2 / (2\, \mathrm{logit}(1 - \delta))`.

    Parameters
    ----------
    gap : array_like
        `bbb_core.embedding.bias_gap` of the neutral prompt.
    distance : array_like
        :math:`\lVert e_a - e_b \rVert > 0`.
    epsilon, delta : float
        Tolerances in (0, 1/2).

    Returns
    -------
    low, high : numpy.ndarray
        Noises :math:`\tau`; no noise will do where ``low > high``.

    Raises
    ------
    InputError
        If a tolerance lies outside (0, 1/2) or a distance is not positive.

    Examples
    --------
    >>> low, high = caption_noise_window(0.02, 0.5, epsilon=0.1, delta=0.05)
    >>> low.round(3).tolist(), high.round(3).tolist()
    (0.222, 0.206)
    """
    from scipy.special import logit

    for name, value in (("epsilon", epsilon), ("delta", delta)):
        if not 0 < checks.number(name, value) < 0.5:
            raise InputError(f"{name} is {value}; choose a tolerance between 0 and 0.5.")
    far = np.asarray(checks.finite("distance", distance), np.float64)
    if (far <= 0).any():
        raise InputError(f"distance is {far.min():g}; the prompts of the groups must differ.")
    near = np.abs(np.asarray(checks.finite("gap", gap), np.float64))
    low, high = np.broadcast_arrays(
        np.sqrt(near / logit(0.5 + epsilon)), far / np.sqrt(2 * logit(1 - delta))
    )
    return low, high
