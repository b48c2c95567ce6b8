"""From a Kullback-Leibler divergence to total variation (theorem T0)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = [
    "Inequality",
    "is_vacuous",
    "kl_from_tv_bound",
    "nonnegative",
    "probabilities",
    "tv_bound_from_kl",
]

Inequality = Literal["sharp", "pinsker", "bretagnolle-huber"]
"""Which inequality turns KL into TV: the smaller of both, or one of them."""


def nonnegative(name: str, x: Any) -> np.ndarray:
    """Return `x` as a float64 array if no value is negative or NaN (infinity is allowed)."""
    try:
        values = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} is no array of numbers; pass numbers.") from None
    bad = ~(values >= 0)
    if bad.any():
        raise InputError(f"{name} is {values[bad][0]:.6g}; pass values of at least 0.")
    return values


def probabilities(name: str, x: Any) -> np.ndarray:
    """Return `x` as a float64 array if all of it lies in [0, 1]."""
    return np.asarray(checks.probability(name, np.asarray(x, dtype=np.float64)))


def tv_bound_from_kl(kl: Any, *, inequality: Inequality = "sharp") -> np.ndarray:
    r"""Bound total variation by a Kullback-Leibler divergence.

    .. math:: \mathrm{TV} \le \min\{\sqrt{\mathrm{KL}/2},\ \sqrt{1 - e^{-\mathrm{KL}}},\ 1\}

    The first is Pinsker's inequality, the second is Bretagnolle and Huber's. Pinsker is the smaller
    up to KL = 1.594 (a bound of 0.893); beyond that only the second stays below one.

    Parameters
    ----------
    kl : array_like
        Divergences in nats, in [0, inf].
    inequality : {"sharp", "pinsker", "bretagnolle-huber"}
        "sharp" takes the smaller of both.

    Returns
    -------
    numpy.ndarray
        Bounds in [0, 1], of the shape of `kl`. Zero means: the two laws are equal. One says nothing
        (see `is_vacuous`).

    Raises
    ------
    InputError
        If a divergence is negative or NaN.

    References
    ----------
    :cite:`tsybakov2009`, lemmas 2.5 and 2.6; :cite:`canonne2022`.

    Examples
    --------
    >>> tv_bound_from_kl([0.0, 0.02, 8.0]).round(4).tolist()
    [0.0, 0.1, 0.9998]
    """
    checks.choice("inequality", inequality, ["sharp", "pinsker", "bretagnolle-huber"])
    kl = nonnegative("kl", kl)
    pinsker = np.minimum(np.sqrt(kl / 2), 1.0)
    huber = np.sqrt(-np.expm1(-kl))  # expm1: exact for tiny divergences
    if inequality == "pinsker":
        return np.asarray(pinsker)
    return np.asarray(huber if inequality == "bretagnolle-huber" else np.minimum(pinsker, huber))


def kl_from_tv_bound(bound: Any, *, inequality: Inequality = "sharp") -> np.ndarray:
    r"""Return the smallest KL at which `tv_bound_from_kl` reaches a bound (its inverse).

    Parameters
    ----------
    bound : array_like
        Bounds in [0, 1).
    inequality : {"sharp", "pinsker", "bretagnolle-huber"}
        The inequality to invert.

    Returns
    -------
    numpy.ndarray
        Divergences in nats.

    Raises
    ------
    InputError
        If a bound lies outside [0, 1).

    Examples
    --------
    >>> kl_from_tv_bound(0.1).round(4).tolist()
    0.02
    """
    checks.choice("inequality", inequality, ["sharp", "pinsker", "bretagnolle-huber"])
    t = nonnegative("bound", bound)
    if (t >= 1).any():
        raise InputError(f"bound is {t[t >= 1][0]:.6g}; pass values below 1.")
    pinsker, huber = 2 * t**2, -np.log1p(-(t**2))
    if inequality == "pinsker":
        return np.asarray(pinsker)
    return np.asarray(huber if inequality == "bretagnolle-huber" else np.maximum(pinsker, huber))


def is_vacuous(bound: Any, *, threshold: float = 0.99) -> np.ndarray:
    r"""Say whether an upper bound on total variation says (next to) nothing.

    Total variation is at most one, so a bound of one is true of any two laws. Bretagnolle and
    Huber's bound is below one for every finite KL, but at 0.99 it no longer informs: therefore a
    threshold a little below one.

    Parameters
    ----------
    bound : array_like
        Upper bounds on total variation, clipped at one or not.
    threshold : float
        Bounds at or above it are called vacuous, in (0, 1].

    Returns
    -------
    numpy.ndarray of bool

    Examples
    --------
    >>> is_vacuous([0.05, 7.05]).tolist()
    [False, True]
    """
    if not 0 < checks.number("threshold", threshold) <= 1:
        raise InputError(f"threshold is {threshold}; pass a value in (0, 1].")
    return np.asarray(nonnegative("bound", bound) >= threshold)
