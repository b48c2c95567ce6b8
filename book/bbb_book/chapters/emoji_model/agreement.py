"""Agreement between two readers of the same images (T7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bbb_core.errors import InputError
from bbb_core.stats import Estimate, bootstrap

__all__ = ["Agreement", "cohen_kappa"]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Agreement of two readers.

    Parameters
    ----------
    kappa : Estimate
        Cohen's kappa: 1 is full agreement, 0 what chance gives, negative is worse than chance.
    observed, expected : float
        Share of images read alike, and the share expected if the readers were independent.
    labels : tuple of str
        Rows and columns of `table`.
    table : numpy.ndarray
        Counts ``[label of the first reader, label of the second]``.
    """

    kappa: Estimate
    observed: float
    expected: float
    labels: tuple[str, ...]
    table: np.ndarray


def cohen_kappa(
    first: Sequence[str],
    second: Sequence[str],
    *,
    clusters: Any | None = None,
    n_resamples: int = 1999,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> Agreement:
    r"""Return Cohen's kappa of two readers with a bootstrap interval.

    :math:`\kappa = (p_o - p_e)/(1 - p_e)`, where :math:`p_o` is the share read alike and
    :math:`p_e = \sum_l p_{l\cdot} p_{\cdot l}`. *None of these* is a label like the others. A
    resample in which both readers give one and the same label to everything counts as 1.

    Parameters
    ----------
    first, second
        One label per image, in the same order.
    clusters
        A label per image (a prompt, say): whole clusters are then resampled.

    Raises
    ------
    InputError
        If the lengths differ, or both readers give everything one and the same label: agreement
        then says nothing, and kappa is undefined.

    References
    ----------
    Cohen (1960), ``cohen1960`` in the references.

    Examples
    --------
    >>> from bbb_core.rng import generator
    >>> a, b = ["x", "x", "y", "y"] * 5, ["x", "x", "y", "x"] * 5
    >>> round(cohen_kappa(a, b, rng=generator(0), n_resamples=99).kappa.value, 3)
    0.5
    """
    if len(first) != len(second):
        raise InputError(
            f"first has {len(first)} labels and second {len(second)}; pass one per image."
        )
    labels = tuple(dict.fromkeys([*first, *second]))
    if len(labels) < 2:
        raise InputError("both readers give one label to everything; kappa is undefined.")
    code = {label: i for i, label in enumerate(labels)}
    x, y = (np.array([code[v] for v in side], dtype=np.float64) for side in (first, second))
    k = len(labels)

    def kappa(a: np.ndarray, b: np.ndarray) -> float:
        return _kappa(_table(a, b, k))

    estimate = bootstrap(
        kappa, x, y, clusters=clusters, n_resamples=n_resamples, confidence=confidence, rng=rng
    )
    table = _table(x, y, k)
    observed, expected = _shares(table)
    return Agreement(
        kappa=estimate,
        observed=observed,
        expected=expected,
        labels=labels,
        table=table.astype(np.int64),
    )


def _table(a: np.ndarray, b: np.ndarray, k: int) -> np.ndarray:
    cells = (a * k + b).astype(np.int64)
    return np.bincount(cells, minlength=k * k).reshape(k, k).astype(np.float64)


def _shares(table: np.ndarray) -> tuple[float, float]:
    p = table / table.sum()
    return float(np.trace(p)), float(p.sum(axis=1) @ p.sum(axis=0))


def _kappa(table: np.ndarray) -> float:
    observed, expected = _shares(table)
    return 1.0 if expected > 1 - 1e-12 else (observed - expected) / (1 - expected)
