"""Labels from the readings of several people: the model of Dawid and Skene (open question 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["DawidSkene", "dawid_skene", "majority_shares"]

LEAST = 1e-10
"""Smallest probability of an answer, so that no logarithm is infinite."""


@dataclass(frozen=True, kw_only=True)
class DawidSkene:
    r"""A maximum-likelihood fit of the model of Dawid and Skene.

    Attributes
    ----------
    posterior : pandas.DataFrame
        Probability of each label (column) of each item (row); rows sum to one.
    errors : pandas.DataFrame
        :math:`\pi^{(j)}_{ky}`, the probability that reader j answers y where the label is k: rows
        are (reader, label), columns answers; rows sum to one.
    prior : pandas.Series
        Share of each label among the items.
    log_likelihood : float
        Of the readings, in nats, at the last step.
    iterations : int
        Steps of the EM algorithm.
    converged : bool
        Whether the last step moved no posterior probability by more than the tolerance.
    """

    posterior: pd.DataFrame
    errors: pd.DataFrame
    prior: pd.Series
    log_likelihood: float
    iterations: int
    converged: bool


def dawid_skene(
    items: Any,
    readers: Any,
    answers: Any,
    *,
    tolerance: float = 1e-6,
    iterations: int = 20_000,
) -> DawidSkene:
    r"""Estimate labels of items and error rates of readers from repeated readings.

    Item i has a label k with probability :math:`p_k`; reader j answers y with probability
    :math:`\pi^{(j)}_{ky}`, independently given the label. EM starts from the shares of votes and
    ends when the *labels* stand still, not when the likelihood grows slowly: near the maximum it is
    flat while posteriors still move, and a stop by its growth leaves labels half way.

    Parameters
    ----------
    items, readers, answers : array_like
        One entry per reading, equally many of each, none missing. A reader may read an item more
        than once; the readings count as independent.
    tolerance
        Largest change of a posterior probability in the last step.
    iterations
        Most steps; where they do not suffice, `converged` is False.

    Returns
    -------
    DawidSkene

    Raises
    ------
    InputError
        If there is no reading, the lengths differ, or an entry is missing.

    Notes
    -----
    Only agreement is seen: if most readers err alike, the error becomes the label. Readers with
    few readings are fitted as freely as others, so with few readings per reader the posterior is
    too sure of itself.

    References
    ----------
    Dawid and Skene (1979), ``dawid1979`` in the references.

    Examples
    --------
    >>> found = dawid_skene([0, 0, 0, 1, 1, 1], list("xyzxyz"), list("aaabbb"))
    >>> found.posterior.round(3).to_numpy().tolist(), found.converged
    ([[1.0, 0.0], [0.0, 1.0]], True)
    """
    checks.number("tolerance", tolerance, low=0)
    checks.integer("iterations", iterations, low=1)
    (i, item_names), (j, reader_names), (y, labels) = (
        _codes(name, x) for name, x in zip(("items", "readers", "answers"),
                                           (items, readers, answers), strict=True)
    )  # fmt: skip
    if len({len(i), len(j), len(y)}) > 1:
        raise InputError(
            f"items, readers and answers have {len(i)}, {len(j)} and {len(y)} entries; pass one of "
            "each per reading."
        )
    n, r, k = len(item_names), len(reader_names), len(labels)
    posterior = _votes(i, y, n, k)
    converged = False
    for step in range(1, iterations + 1):  # noqa: B007
        # M step: shares of labels; answers of each reader, weighted by what the labels seem to be
        prior = posterior.mean(axis=0).clip(LEAST)
        errors = np.stack(
            [np.bincount(j * k + y, posterior[i, label], r * k) for label in range(k)]
        ).reshape(k, r, k)  # [label, reader, answer]
        errors = errors.clip(LEAST)
        errors = errors / errors.sum(axis=2, keepdims=True)
        # E step: Bayes' rule for each item
        log = np.log(errors)[:, j, y]
        joint = np.log(prior) + np.stack([np.bincount(i, log[label], n) for label in range(k)], 1)
        evidence = logsumexp(joint, axis=1)
        before, posterior = posterior, np.exp(joint - evidence[:, None])
        if np.abs(posterior - before).max() <= tolerance:
            converged = True
            break
    rows = pd.MultiIndex.from_product([reader_names, labels], names=["reader", "label"])
    return DawidSkene(
        posterior=pd.DataFrame(posterior, index=item_names, columns=labels),
        errors=pd.DataFrame(errors.swapaxes(0, 1).reshape(r * k, k), index=rows, columns=labels),
        prior=pd.Series(prior, index=labels),
        log_likelihood=float(evidence.sum()),
        iterations=step,
        converged=converged,
    )


def majority_shares(items: Any, answers: Any) -> pd.DataFrame:
    """Return the share of each answer (column) among the readings of each item (row).

    Examples
    --------
    >>> majority_shares([0, 0, 0, 1], list("abbb")).round(2).to_numpy().tolist()
    [[0.33, 0.67], [0.0, 1.0]]
    """
    (i, item_names), (y, labels) = _codes("items", items), _codes("answers", answers)
    if len(i) != len(y):
        raise InputError(f"items has {len(i)} entries, answers {len(y)}; pass one per reading.")
    shares = _votes(i, y, len(item_names), len(labels))
    return pd.DataFrame(shares, index=item_names, columns=labels)


def _votes(i: np.ndarray, y: np.ndarray, n: int, k: int) -> np.ndarray:
    counts = np.bincount(i * k + y, minlength=n * k).reshape(n, k).astype(np.float64)
    return counts / counts.sum(axis=1, keepdims=True)


def _codes(name: str, values: Any) -> tuple[np.ndarray, pd.Index]:
    codes, found = pd.factorize(pd.Series(values), sort=True)
    if not len(codes):
        raise InputError(f"{name} is empty; pass one entry per reading.")
    if (codes < 0).any():
        row = int(np.flatnonzero(codes < 0)[0])
        raise InputError(f"{name} is missing at reading {row}; leave that reading out.")
    return codes.astype(np.int64), pd.Index(found)
