"""Internal balance: shares and imbalance without a classifier (definition D3)."""

from __future__ import annotations

from typing import Any

import numpy as np

from bbb_core.errors import InputError
from bbb_core.theory.inequalities import probabilities

__all__ = ["internal_imbalance", "internal_share", "internal_share_bounds"]


def internal_imbalance(distances: Any) -> float:
    r"""Return the internal imbalance :math:`\max_{a,b} |TV(D_p, D_{p_a}) - TV(D_p, D_{p_b})|`.

    Parameters
    ----------
    distances : array_like, shape [k]
        Total variation between the neutral prompt and each of k >= 2 group prompts.

    Returns
    -------
    float
        In [0, 1]; zero is fair: the prompt is equally far from all groups.

    References
    ----------
    Definition D3 of the book, after a question in :cite:`kuchlous2024`.

    Examples
    --------
    >>> round(internal_imbalance([0.2, 0.8]), 3)
    0.6
    """
    values = probabilities("distances", distances)
    if values.ndim != 1 or values.size < 2:
        raise InputError(f"distances has shape {values.shape}; pass one value per group, >= 2.")
    return float(values.max() - values.min())


def internal_share(distance: Any) -> np.ndarray:
    r"""Return the internal share :math:`v_a = 1 - TV(D_p, D_{p_a})` of a group.

    For a mixture :math:`D_p = \sum_b w_b D_{p_b}` of laws with disjoint supports it is the weight
    :math:`w_a`; `internal_share_bounds` says how far it can be from the share of a classifier.

    Examples
    --------
    >>> internal_share([0.3, 0.7]).round(2).tolist()
    [0.7, 0.3]
    """
    return np.asarray(1 - probabilities("distance", distance))


def internal_share_bounds(
    distance: Any, *, delta: Any, weight: Any = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    r"""Bound the classifier's share by the internal share (lemma of D3).

    If p is delta-separated and :math:`D_p = \sum_b w_b D_{p_b}`, then

    .. math:: v_a - \delta \le D_p(S_a) \le v_a + (1 - w_a)\,\delta .

    The left side needs no mixture. Both sides are attained.

    Parameters
    ----------
    distance : array_like
        TV(D_p, D_{p_a}).
    delta : array_like
        Separation error of the classifier on the group prompts.
    weight : array_like
        A lower bound on the weight :math:`w_a`; zero if nothing is known.

    Returns
    -------
    (low, high) : tuple of numpy.ndarray
        Bounds in [0, 1].

    Examples
    --------
    >>> [x.round(2).tolist() for x in internal_share_bounds(0.4, delta=0.05)]
    [0.55, 0.65]
    """
    share = internal_share(distance)
    delta, weight = probabilities("delta", delta), probabilities("weight", weight)
    low, high = np.maximum(share - delta, 0.0), np.minimum(share + (1 - weight) * delta, 1.0)
    return np.asarray(low), np.asarray(high)
