"""Symmetric models draw symmetric groups alike: the quantities of theorem T2."""

from __future__ import annotations

from typing import Any

import numpy as np

from bbb_core import checks
from bbb_core.errors import InputError
from bbb_core.theory.inequalities import nonnegative
from bbb_core.theory.necessary import lipschitz_tv_bound

__all__ = ["reflection_distance", "symmetric_imbalance_bound"]


def reflection_distance(neutral: Any, group_a: Any, group_b: Any) -> np.ndarray:
    r"""Return how far the reflection that swaps two group prompts moves the neutral prompt (T2).

    .. math::
        \eta(p) = \lVert E(p) - \tau E(p) \rVert = \frac{\left| \lVert E(p) - E(p_b) \rVert^2
        - \lVert E(p) - E(p_a) \rVert^2 \right|}{\lVert E(p_a) - E(p_b) \rVert}

    For unit vectors this is twice the absolute bias gap, divided by the distance of the groups.

    Parameters
    ----------
    neutral, group_a, group_b : array_like, shape [..., d]
        Embeddings.

    Returns
    -------
    numpy.ndarray, shape [...]
        Distances; zero is fair: the prompt lies on the mirror.

    Raises
    ------
    InputError
        If the two group embeddings are equal, so that no mirror is defined.

    Examples
    --------
    >>> reflection_distance([0.2, 1.0], [1.0, 0.0], [-1.0, 0.0]).round(2).tolist()
    0.4
    """
    vectors = [np.asarray(v, dtype=np.float64) for v in (neutral, group_a, group_b)]
    names = ("neutral", "group_a", "group_b")
    p, a, b = (checks.finite(name, v) for name, v in zip(names, vectors, strict=True))
    if len({v.shape[-1] if v.ndim else None for v in (p, a, b)} | {None}) != 2:
        raise InputError(
            f"neutral, group_a and group_b have shapes {p.shape}, {a.shape}, {b.shape}; "
            "pass vectors of one dimension."
        )
    axis = a - b
    length = np.linalg.norm(axis, axis=-1)
    if (length == 0).any():
        raise InputError("group_a equals group_b; pass two different group embeddings.")
    # (|p-b|^2 - |p-a|^2) = 2 <p - (a+b)/2, a - b>: no difference of large squares
    return np.asarray(2 * np.abs(np.sum((p - (a + b) / 2) * axis, axis=-1)) / length)


def symmetric_imbalance_bound(
    constant: Any, reflection: Any, *, defect_kl: Any = 0.0, defect_constant: Any = 0.0
) -> np.ndarray:
    r"""Bound the difference of two groups' shares for a (nearly) equivariant model (T2).

    .. math::
        |D_p(S_a) - D_p(S_b)| \le 2 \Phi(\Lambda\,\eta(p) + 2 \kappa) - 1
        + 2 \sqrt{\mathrm{KL}_{defect} / 2}

    A defect is measured in one of two ways; leave the other at zero. If no mean of the model leaves
    that of its symmetrised copy by more than :math:`\varepsilon_k`, whatever the picture, then
    :math:`\kappa = (\tfrac12 \sum_k \varepsilon_k^2 / 2 \sigma_k^2)^{1/2}` is one more Gaussian
    shift. A path KL is a mean over pictures and bounds no shift, so its total variation is added,
    twice because mass can leave one group *for* the other.

    Parameters
    ----------
    constant, reflection : array_like
        Lambda of the symmetrised copy, and eta (see `reflection_distance`).
    defect_kl : array_like
        Path KL between the model and its symmetrised copy, in nats; zero for an equivariant model.
    defect_constant : array_like
        kappa, that is `lipschitz_constant` of the epsilons; zero for an equivariant model.

    Returns
    -------
    numpy.ndarray
        Bounds in [0, 1]; zero guarantees equal shares.

    Examples
    --------
    >>> symmetric_imbalance_bound(0.5, 0.2, defect_kl=0.0002).round(4).tolist()
    0.0997
    """
    added = 2 * np.sqrt(nonnegative("defect_kl", defect_kl) / 2)
    product = nonnegative("constant", constant) * nonnegative("reflection", reflection)
    shift = product + 2 * nonnegative("defect_constant", defect_constant)
    return np.asarray(np.minimum(lipschitz_tv_bound(1.0, shift) + added, 1.0))
