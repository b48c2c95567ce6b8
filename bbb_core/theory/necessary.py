"""Biased embeddings give imbalanced generations: the quantities of theorem T1."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from scipy.special import erf, ndtr, ndtri

from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.theory.inequalities import (
    kl_from_tv_bound,
    nonnegative,
    probabilities,
    tv_bound_from_kl,
)

__all__ = [
    "imbalance_lower_bound",
    "lipschitz_constant",
    "lipschitz_tv_bound",
    "necessary_radius",
    "share_lower_bound",
]

Form = Literal["gaussian", "sharp", "pinsker", "bretagnolle-huber"]
"""The sharp form of T1 (Gaussian shifts), or the triangle inequality with a bound from KL."""


def lipschitz_constant(step_constants: Any, sigmas: Any) -> float:
    r"""Return the Lipschitz constant from embedding to law, Lambda.

    .. math:: \Lambda = \sqrt{\tfrac12 \sum_{k=1}^{K} \frac{L_k^2}{2 \sigma_k^2}}

    Parameters
    ----------
    step_constants : array_like, shape [K] or []
        :math:`L_k`, Lipschitz constants of the reverse means in the condition; a single number is
        used for every step (the *global* form, whose sum is K times larger at worst).
    sigmas : array_like, shape [K]
        Standard deviations of the noise of the steps, in the same order, all positive.

    Returns
    -------
    float
        Lambda, in 1 / (unit of the embedding).

    Raises
    ------
    InputError
        If a standard deviation is zero: such a step moves mass without noise and nothing bounds it.

    References
    ----------
    :cite:`kuchlous2024` asks the question; the form is ours (theorem T1 of the book).

    Examples
    --------
    >>> lipschitz_constant([2.0, 0.0], [1.0, 1.0])
    1.0
    """
    sigmas = nonnegative("sigmas", sigmas)
    if sigmas.ndim != 1 or sigmas.size == 0:
        raise InputError(f"sigmas has shape {sigmas.shape}; pass one value per step.")
    if (sigmas == 0).any():
        step = int(np.flatnonzero(sigmas == 0)[0]) + 1
        raise InputError(f"sigmas is 0 at step {step}; use a sampler with noise in every step.")
    constants = nonnegative("step_constants", step_constants)
    if constants.ndim and constants.shape != sigmas.shape:
        raise InputError(
            f"step_constants has shape {constants.shape} but sigmas has {sigmas.shape}; "
            "pass one constant per step, or one number."
        )
    return float(np.sqrt(np.sum((constants / sigmas) ** 2) / 4))


def _product(constant: Any, radius: Any) -> np.ndarray:
    return np.asarray(nonnegative("constant", constant) * nonnegative("radius", radius))


def lipschitz_tv_bound(constant: Any, radius: Any, *, inequality: Form = "gaussian") -> Any:
    r"""Bound the total variation of two generations by the distance of their embeddings (T1).

    .. math:: \mathrm{TV}(D_c, D_{c'}) \le 2 \Phi(\Lambda \lVert c - c' \rVert) - 1

    Attained, for every number of steps, by a model with linear means. Below one at every finite
    distance (up to rounding), and at most :math:`\sqrt{2 / \pi}\, \Lambda \lVert c - c' \rVert`.

    Parameters
    ----------
    constant : array_like
        Lambda (see `lipschitz_constant`).
    radius : array_like
        Distances of embeddings.
    inequality : {"gaussian", "sharp", "pinsker", "bretagnolle-huber"}
        "gaussian" is the sharp form. The others apply `tv_bound_from_kl` to
        :math:`\mathrm{KL} \le 2 \Lambda^2 r^2` and are larger; "pinsker" gives :math:`\Lambda r`.

    Returns
    -------
    numpy.ndarray
        Bounds in [0, 1], by broadcasting.

    References
    ----------
    :cite:`dong2022`, on compositions of Gaussian shifts; the book proves it by induction.

    Examples
    --------
    >>> lipschitz_tv_bound(2.0, [0.1, 3.0]).round(4).tolist()
    [0.1585, 1.0]
    >>> lipschitz_tv_bound(2.0, [0.1, 3.0], inequality="pinsker").tolist()
    [0.2, 1.0]
    """
    checks.choice("inequality", inequality, list(get_args(Form)))
    product = _product(constant, radius)
    if inequality == "gaussian":
        return np.asarray(erf(product / np.sqrt(2)))  # 2 Phi(t) - 1 without cancellation
    if inequality == "pinsker":  # not through the square and its root: exact at every scale
        return np.asarray(np.minimum(product, 1.0))
    return tv_bound_from_kl(2 * product**2, inequality=inequality)


def share_lower_bound(
    constant: Any, radius: Any, *, delta: Any, inequality: Form = "gaussian"
) -> np.ndarray:
    r"""Bound the share of a group from below by the distance to its prompt (theorem T1).

    .. math:: D_p(S_a) \ge \Phi\bigl(\Phi^{-1}(1 - \delta) - 2 \Lambda\, r_a(p)\bigr)

    Parameters
    ----------
    constant, radius : array_like
        Lambda, and :math:`r_a(p) = \lVert E(p) - E(p_a) \rVert`.
    delta : array_like
        Separation error: images of p_a are read as a with probability at least 1 - delta. Zero
        gives a share of one at every finite distance: with noise in the last step, a region that
        one prompt never misses is missed by none. So pass an error that was measured.
    inequality : {"gaussian", "sharp", "pinsker", "bretagnolle-huber"}
        The others give 1 - delta - `lipschitz_tv_bound`, which is smaller.

    Returns
    -------
    numpy.ndarray
        Lower bounds on shares, in [0, 1]; zero says nothing.

    Examples
    --------
    >>> share_lower_bound(1.0, [0.1, 2.0], delta=0.05).round(3).tolist()
    [0.926, 0.009]
    >>> share_lower_bound(1.0, [0.1, 2.0], delta=0.05, inequality="pinsker").round(3).tolist()
    [0.85, 0.0]
    """
    delta = probabilities("delta", delta)
    if inequality == "gaussian":
        shift, quantile = np.broadcast_arrays(2 * _product(constant, radius), -ndtri(delta))
        bound = np.zeros(shift.shape)  # at an infinite shift nothing is known
        finite = np.isfinite(shift)
        bound[finite] = ndtr(quantile[finite] - shift[finite])
        return bound
    bound = lipschitz_tv_bound(constant, radius, inequality=inequality)
    return np.asarray(np.maximum(1 - delta - bound, 0.0))


def imbalance_lower_bound(
    constant: Any,
    radius: Any,
    *,
    target: Any,
    delta: Any,
    inequality: Form = "gaussian",
) -> np.ndarray:
    r"""Bound the imbalance of a prompt from below (theorem T1).

    .. math::
        \mathrm{imbalance}(D_p) \ge D_p(S_a) - \pi_a
        \ge \Phi\bigl(\Phi^{-1}(1 - \delta) - 2 \Lambda\, r_a(p)\bigr) - \pi_a

    Parameters
    ----------
    constant, radius, delta, inequality
        As in `share_lower_bound`.
    target : array_like
        Target share :math:`\pi_a` of that group.

    Returns
    -------
    numpy.ndarray
        Lower bounds in [0, 1]. Zero is compatible with a fair (balanced) prompt.

    Examples
    --------
    >>> imbalance_lower_bound(1.0, 0.1, target=0.5, delta=0.05).round(3).tolist()
    0.426
    """
    target = probabilities("target", target)
    share = share_lower_bound(constant, radius, delta=delta, inequality=inequality)
    return np.asarray(np.maximum(share - target, 0.0))


def necessary_radius(
    constant: Any,
    *,
    target: Any,
    delta: Any,
    epsilon: Any = 0.0,
    inequality: Form = "gaussian",
) -> np.ndarray:
    r"""Return the distance that a balanced prompt must keep from each group prompt (T1).

    .. math::
        r_a(p) \ge \frac{\Phi^{-1}(1 - \delta) - \Phi^{-1}(\pi_a + \varepsilon)}{2 \Lambda}

    Parameters
    ----------
    constant : array_like
        Lambda; zero gives an infinite radius where any distance is needed.
    target, delta, epsilon : array_like
        Target share, separation error, and the eps of eps-balance. A separation error of zero
        leaves no room for balance (see `share_lower_bound`): the radius is infinite.
    inequality : {"gaussian", "sharp", "pinsker", "bretagnolle-huber"}
        "pinsker" gives :math:`(1 - \delta - \pi_a - \varepsilon) / \Lambda`; every other form is
        at least that, and "gaussian" is the largest.

    Returns
    -------
    numpy.ndarray
        Radii; an embedding nearer than that to one group prompt cannot be eps-balanced.

    Examples
    --------
    >>> necessary_radius(2.0, target=0.5, delta=0.1, epsilon=0.1).round(3).tolist()
    0.257
    >>> triangle = necessary_radius(2.0, target=0.5, delta=0.1, epsilon=0.1, inequality="pinsker")
    >>> triangle.round(3).tolist()
    0.15
    """
    checks.choice("inequality", inequality, list(get_args(Form)))
    constant = nonnegative("constant", constant)
    target, delta = probabilities("target", target), probabilities("delta", delta)
    epsilon = probabilities("epsilon", epsilon)
    required = np.maximum(1 - delta - target - epsilon, 0.0)  # least TV(D_p, D_{p_a})
    if inequality == "gaussian":
        most = np.minimum(target + epsilon, 1.0)  # the largest share that is balanced
        low, high, needed = np.broadcast_arrays(ndtri(most), -ndtri(delta), required > 0)
        required = np.zeros(needed.shape)
        required[needed] = np.maximum(high[needed] - low[needed], 0.0) / 2
    elif inequality != "pinsker":
        # a required distance of one needs infinite KL under Bretagnolle-Huber
        below = np.minimum(required, np.nextafter(1.0, 0.0))
        required = np.sqrt(kl_from_tv_bound(below, inequality=inequality) / 2)
    required, constant = np.broadcast_arrays(required, constant)
    infinite = np.where(required > 0, np.inf, 0.0)
    return np.asarray(np.divide(required, constant, out=infinite, where=constant > 0))
