r"""What a joint law says beyond its margins: interaction, hidden imbalance.

Serves the chapter on gender, tone and occupation. Rows are one reading of an image (gender),
columns another one (tone); a table holds the counts of an image in each cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = [
    "Interaction",
    "cell_table",
    "interaction_test",
    "interaction_tv",
    "product_of_margins",
]


def cell_table(name: str, counts: Any, *, others: int = 0) -> np.ndarray:
    """Check a table of counts [a, b], at least 2 x 2; return it as int64.

    It may be all zero only if there are `others`: images outside the table.
    """
    x = np.asarray(checks.matrix(name, counts), dtype=np.float64)
    if (x < 0).any() or (x != np.floor(x)).any():
        row, column = (int(i) for i in np.argwhere((x < 0) | (x != np.floor(x)))[0])
        raise InputError(
            f"{name} holds {x[row, column]:g} at ({row}, {column}); pass counts, 0 or more."
        )
    if min(x.shape) < 2:
        raise InputError(f"{name} has shape {x.shape}; pass at least two rows and two columns.")
    if x.sum() + others == 0:
        raise InputError(f"{name} counts nothing; pass at least one image.")
    return x.astype(np.int64)


def product_of_margins(shares: Any) -> np.ndarray:
    """Return the law with the same margins and independent readings, shape [..., a, b]."""
    p = np.asarray(shares, dtype=np.float64)
    total = p.sum(axis=(-2, -1), keepdims=True)
    product = p.sum(axis=-1, keepdims=True) * p.sum(axis=-2, keepdims=True)
    return np.asarray(product / np.where(total > 0, total, 1))  # nothing stays nothing


def interaction_tv(shares: Any) -> Any:
    r"""Return :math:`TV(P, P_1 \otimes P_2)`: how far the readings are from independent.

    Parameters
    ----------
    shares : array_like, shape [..., a, b]
        A joint law, or counts (each table is divided by its sum).

    Returns
    -------
    float or numpy.ndarray
        In [0, 1); zero when the margins say everything (and for an empty table).

    Examples
    --------
    >>> interaction_tv([[0.5, 0.0], [0.0, 0.5]])
    0.5
    """
    p = np.asarray(shares, dtype=np.float64)
    total = p.sum(axis=(-2, -1))
    found = np.abs(p - product_of_margins(p)).sum(axis=(-2, -1)) / np.where(total > 0, 2 * total, 1)
    return float(found) if np.ndim(found) == 0 else found


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """Interaction of two readings, beside what independence would show in a sample of this size.

    Attributes
    ----------
    interaction : float
        TV between the observed joint shares and the product of their margins.
    interaction_floor : float
        Mean of the same over tables with the observed margins and independent readings.
    hidden : float
        Imbalance of the joint shares minus imbalance of the product of their margins.
    hidden_floor : float
        Mean of the same under independence; sampling alone makes a joint law look uneven.
    p_value : float
        Of "the readings are independent", by the interaction: valid at every sample size.
    hidden_p_value : float
        Of the same hypothesis, one-sided, by the hidden imbalance.
    n : int
        Number of images.
    """

    interaction: float
    interaction_floor: float
    hidden: float
    hidden_floor: float
    p_value: float
    hidden_p_value: float
    n: int

    @property
    def excess(self) -> float:
        """Hidden imbalance less its floor; zero on average when the readings are independent."""
        return self.hidden - self.hidden_floor


def interaction_test(
    counts: Any,
    *,
    target: Any | None = None,
    n_permutations: int = 9999,
    rng: np.random.Generator,
) -> Interaction:
    r"""Test whether two readings of the same images are independent, and what margins hide.

    Given both margins, tables of independent readings are hypergeometric, whatever the shares.
    Monte Carlo over them gives p-values :math:`(b + 1)/(m + 1)`, valid at every sample size.

    Parameters
    ----------
    counts : array_like, shape [a, b]
        Images per cell.
    target : array_like, shape [a, b], optional
        Target shares of the cells; uniform if left out.
    n_permutations : int
        Tables drawn.
    rng : numpy.random.Generator
        Their stream.

    Raises
    ------
    InputError
        If a count is negative or not whole, or the target does not fit.

    References
    ----------
    Phipson and Smyth (2010), ``phipson2010`` in the references.

    Examples
    --------
    >>> from bbb_core.rng import generator
    >>> found = interaction_test([[6, 0], [0, 6]], rng=generator(0), n_permutations=999)
    >>> found.interaction, found.p_value < 0.01
    (0.5, True)
    """
    x = cell_table("counts", counts)
    draws = checks.integer("n_permutations", n_permutations, low=1)
    aim = np.full(x.shape, 1 / x.size) if target is None else np.asarray(target, np.float64)
    checks.same_shape(counts=x, target=aim)
    checks.distribution("target", aim.ravel())
    n = int(x.sum())

    def imbalance(p: np.ndarray) -> Any:
        return np.abs(p - aim).sum(axis=(-2, -1)) / 2

    product = imbalance(product_of_margins(x / n))
    tables = stats.random_table(x.sum(axis=1), x.sum(axis=0)).rvs(draws, random_state=rng)
    null = np.asarray(interaction_tv(tables))
    null_hidden = imbalance(tables / n) - product
    found, hidden = float(interaction_tv(x)), float(imbalance(x / n) - product)
    return Interaction(
        interaction=found,
        interaction_floor=float(null.mean()),
        hidden=hidden,
        hidden_floor=float(null_hidden.mean()),
        p_value=float((1 + (null >= found - 1e-12).sum()) / (1 + draws)),
        hidden_p_value=float((1 + (null_hidden >= hidden - 1e-12).sum()) / (1 + draws)),
        n=n,
    )
