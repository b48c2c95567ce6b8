r"""A law of inheritance: evidence of the embedding plus prior odds of the generator."""

from __future__ import annotations

from typing import Any

import numpy as np

from bbb_core import checks

__all__ = ["inherited_log_odds", "inherited_share"]


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
