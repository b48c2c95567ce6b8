r"""A law of inheritance: evidence of the embedding plus prior odds of the generator."""

from __future__ import annotations

from typing import Any

import numpy as np

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = [
    "caption_noise_window",
    "inherited_log_odds",
    "inherited_share",
    "inherited_shares",
    "kernel_weights",
]


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


def inherited_log_odds(position: Any, slope: Any, switch: Any) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the log-odds of drawing group b in two parts: begotten and the generator's own.

    .. math:: \log \frac{D_p(S_b)}{D_p(S_a)} = k\,(t - t^*)
              = \underbrace{k\,(t - \tfrac12)}_{\text{begotten}}
              + \underbrace{k\,(\tfrac12 - t^*)}_{\text{own}}

    This is Bayes' rule: the evidence that the embedding gives, plus prior odds. Repairing the
    embedding (t = 1/2) leaves the own part, repairing the generator (t* = 1/2) the begotten one;
    the prompt draws balance if and only if they cancel.

    Parameters
    ----------
    position : array_like
        :math:`t`, 0 at the prompt of group a and 1 at that of b (`bbb_core.embedding.position`).
    slope, switch : array_like
        :math:`k` and :math:`t^*` of the generator (`bbb_core.diffusion.calibrate`).

    Returns
    -------
    begotten, own : numpy.ndarray
        Natural logarithms of odds; positive favours b, zero is balanced.

    Examples
    --------
    >>> begotten, own = inherited_log_odds(0.25, slope=8.0, switch=0.5)
    >>> float(begotten), float(own)
    (-2.0, 0.0)
    """
    t, k, s = (
        np.asarray(checks.finite(name, value), np.float64)
        for name, value in (("position", position), ("slope", slope), ("switch", switch))
    )
    begotten, own = np.broadcast_arrays(k * (t - 0.5), k * (0.5 - s))
    return begotten, own


def inherited_share(position: Any, slope: Any, switch: Any) -> np.ndarray:
    r"""Return the share of group b that the law of inheritance foretells.

    .. math:: D_p(S_b) = \frac{1}{1 + e^{-k (t - t^*)}}

    Two captions of equal weight with noise :math:`\tau` have :math:`t^* = 1/2` and
    :math:`k = \lVert e_b - e_a \rVert^2 / \tau^2`: there the law is a theorem. That a trained
    generator obeys it with a slope and a switch of its own is an empirical statement.

    Parameters
    ----------
    position, slope, switch : array_like
        As for `inherited_log_odds`.

    Returns
    -------
    numpy.ndarray
        In [0, 1]; 1/2 is balanced.

    Examples
    --------
    >>> inherited_share([0.0, 0.5, 1.0], slope=8.0, switch=0.5).round(3).tolist()
    [0.018, 0.5, 0.982]
    """
    from scipy.special import expit

    return np.asarray(expit(np.add(*inherited_log_odds(position, slope, switch))))


def inherited_shares(coordinates: Any, log_shares: Any) -> np.ndarray:
    r"""Return the shares of m groups that the law of inheritance foretells.

    The shares at a prompt are the weighted geometric mean of those at the group prompts, made to
    sum to 1; the weights are the prompt's barycentric coordinates :math:`\lambda`:

    .. math:: D_p(S_i) = \frac{e^{\eta_i}}{\sum_r e^{\eta_r}}, \qquad
              \eta_i = \sum_j \lambda_j(p)\, \ell_{ji}, \qquad
              \ell_{ji} = \log D_{p_j}(S_i)

    So the log-odds of two groups are affine in :math:`\lambda`: a multinomial logit. The prompt
    draws balance if and only if all :math:`\eta_i` are equal.

    Parameters
    ----------
    coordinates : array_like, shape [..., m]
        :math:`\lambda` with sum 1 (`bbb_core.embedding.barycentric_coordinates`).
    log_shares : array_like, shape [m, m]
        Row j: logarithms of the shares at the prompt of group j, up to a number of the row's own
        (`bbb_core.diffusion.calibrate_groups`).

    Returns
    -------
    numpy.ndarray, shape [..., m]
        Shares with sum 1; 1/m each is balanced.

    Raises
    ------
    InputError
        If shapes do not match, a value is not finite, or coordinates do not sum to 1.

    Notes
    -----
    *Two groups.* With :math:`t = \lambda_b` the log-odds of b are linear in t, from
    :math:`-k t^*` at the prompt of a to :math:`k (1 - t^*)` at that of b: `inherited_share`.

    *Where it is a theorem.* For m captions of weights :math:`\pi_i` with equal noise
    (`kernel_weights`), and c at the barycentric coordinates :math:`\lambda`,

    .. math:: \log\frac{w_i(c)}{w_r(c)} = \frac{|c - e_r|^2 - |c - e_i|^2}{2\tau^2}
              + \log\frac{\pi_i}{\pi_r}
              = \sum_j \lambda_j \frac{|e_j - e_r|^2 - |e_j - e_i|^2}{2\tau^2}
              + \log\frac{\pi_i}{\pi_r} ,

    for a difference of two such squares is affine in c and does not change off the hull. This is
    the law with :math:`\ell_{ji} = \log \pi_i - |e_j - e_i|^2 / 2\tau^2`: one slope
    :math:`1/\tau^2` and m - 1 prior odds. A trained generator may have any matrix; that it obeys
    some matrix is an empirical statement.

    Examples
    --------
    >>> log_shares = np.log([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    >>> inherited_shares([0.5, 0.5, 0.0], log_shares).round(3).tolist()
    [0.425, 0.425, 0.15]
    """
    from scipy.special import softmax

    at = np.asarray(checks.finite("coordinates", coordinates), np.float64)
    rows = np.asarray(checks.matrix("log_shares", log_shares), np.float64)
    m = len(rows)
    if rows.shape != (m, m) or at.ndim == 0 or at.shape[-1] != m:
        raise InputError(
            f"log_shares has shape {rows.shape} and coordinates {at.shape}; for m groups give "
            "[m, m] and [..., m]."
        )
    if not np.allclose(total := at.sum(-1), 1, atol=1e-6):
        worst = total.flat[np.abs(total - 1).argmax()]
        raise InputError(f"coordinates sum to {worst:.4g}; barycentric ones sum to 1.")
    return np.asarray(softmax(at @ rows, axis=-1))


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
