"""Repair baselines of the literature: on embeddings, and on scores by group (theorem T5)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bbb_core import checks
from bbb_core.alignment.groups import group_table
from bbb_core.errors import InputError
from bbb_core.stats.rounding import rounding_error

__all__ = [
    "calibrated_projection",
    "centre_by_group",
    "isotonic",
    "project_out",
    "standardise_by_group",
]


def _matrix(name: str, x: Any, columns: int | None = None) -> Tensor:
    return checks.matrix(name, torch.as_tensor(x), columns).to(torch.float64)


def _unit(name: str, rows: Tensor) -> Tensor:
    norms = rows.norm(dim=1, keepdim=True)
    if (norms < 1e-9).any():
        row = int(norms[:, 0].argmin())
        raise InputError(f"{name} row {row} vanishes under the repair; it has no direction left.")
    return rows / norms


def _complement(directions: Tensor) -> Tensor:
    """Return the orthogonal projection onto the complement of the span of the rows, [d, d]."""
    _, singular, right = torch.linalg.svd(directions, full_matrices=False)
    basis = right[singular > 1e-9 * singular.max()]
    return torch.eye(directions.shape[1], dtype=torch.float64) - basis.T @ basis


def project_out(embeddings: Any, directions: Any) -> Tensor:
    r"""Remove group directions from embeddings and make them unit rows again.

    Parameters
    ----------
    embeddings : array_like, shape [n, d]
    directions : array_like, shape [m, d]
        For instance E("a photo of a woman") - E("a photo of a man"); need not be orthogonal.

    Returns
    -------
    torch.Tensor, shape [n, d]
        Unit rows, orthogonal to every direction.

    References
    ----------
    :cite:`chuang2023`; Bolukbasi et al. (2016) for words.

    Examples
    --------
    >>> project_out([[0.6, 0.8]], [[1.0, 0.0]]).tolist()
    [[0.0, 1.0]]
    """
    rows = _matrix("embeddings", embeddings)
    projection = _complement(_matrix("directions", directions, rows.shape[1]))
    return _unit("embeddings", rows @ projection.T)


def calibrated_projection(
    embeddings: Any, directions: Any, pairs: tuple[Any, Any], *, strength: float = 1000.0
) -> Tensor:
    r"""Project out group directions, calibrated so that prompts differing in group only coincide.

    .. math::
        P = P_0 \Big(I + \frac{\lambda}{|S|} \sum_{(i, j) \in S} (z_i - z_j)(z_i - z_j)^T\Big)^{-1}

    which minimises :math:`\lVert P - P_0 \rVert^2 + \frac{\lambda}{|S|} \sum \lVert P z_i - P z_j
    \rVert^2` with :math:`P_0` the projection of `project_out`.

    Parameters
    ----------
    embeddings : array_like, shape [n, d]
        Prompts to repair.
    directions : array_like, shape [m, d]
        Directions of :math:`P_0`.
    pairs : tuple of array_like, each of shape [s, d]
        z_i and z_j: prompts that name one thing with two groups.
    strength : float
        :math:`\lambda \ge 0`; zero is `project_out`.

    Returns
    -------
    torch.Tensor, shape [n, d]
        Unit rows.

    References
    ----------
    :cite:`chuang2023`, equation 6 in spirit; re-derived, no code taken.
    """
    rows = _matrix("embeddings", embeddings)
    d = rows.shape[1]
    first, second = (_matrix(f"pairs[{i}]", pairs[i], d) for i in range(2))
    checks.same_shape(first=first, second=second)
    checks.number("strength", strength, low=0)
    difference = first - second
    gram = difference.T @ difference * (strength / len(difference))
    inverse = torch.linalg.inv(torch.eye(d, dtype=torch.float64) + gram)
    projection = _complement(_matrix("directions", directions, d)) @ inverse
    return _unit("embeddings", rows @ projection.T)


def centre_by_group(embeddings: Any, groups: Any) -> Tensor:
    """Move the mean of every group's (image) embeddings to the common mean; unit rows again.

    Parameters
    ----------
    embeddings : array_like, shape [n, d]
    groups : sequence, shape [n]
        Group of each row, true or predicted.

    References
    ----------
    :cite:`wang2021gender` (feature repair for image search) in spirit: no dimension is dropped.
    """
    rows = _matrix("embeddings", embeddings)
    table = group_table(groups, len(rows), order=1)
    means = {name: rows[torch.from_numpy(table.mask(name))].mean(dim=0) for name in table.names}
    common = torch.stack(list(means.values())).mean(dim=0)
    moved = rows.clone()
    for name, mean in means.items():
        moved[torch.from_numpy(table.mask(name))] += common - mean
    return _unit("embeddings", moved)


def standardise_by_group(scores: Any, groups: Any) -> np.ndarray:
    r"""Give every group the common mean and spread: :math:`\mu + \sigma (f - \mu_C)/\sigma_C`.

    It needs no truth, and so removes a gap that the truth may justify.

    Parameters
    ----------
    scores : array_like, shape [n]
    groups : sequence, shape [n]
        One attribute.

    Raises
    ------
    InputError
        If a group has one row, or scores that are constant up to rounding.

    Examples
    --------
    >>> standardise_by_group([0.0, 2.0, 1.0, 5.0], ["a", "a", "b", "b"]).round(3).tolist()
    [0.129, 3.871, 0.129, 3.871]
    """
    values = scores.detach().cpu().numpy() if hasattr(scores, "detach") else scores
    f = np.asarray(checks.vector("scores", values), dtype=np.float64)
    table = group_table(groups, len(f), order=1)
    out = f.copy()
    for name in table.names:
        rows = table.mask(name)
        spread = f[rows].std()
        if spread <= rounding_error(f[rows]):
            raise InputError(f"scores of group {name!r} are constant; leave that group out.")
        out[rows] = f.mean() + f.std() * (f[rows] - f[rows].mean()) / spread
    return out


def isotonic(
    scores: Any, truth: Any, groups: Any, *, new_scores: Any, new_groups: Any
) -> np.ndarray:
    """Fit an increasing map from score to truth per group and apply it to new scores.

    Parameters
    ----------
    scores, truth : array_like, shape [n]
    groups : sequence, shape [n], or None
        One attribute; None fits one map for everybody.
    new_scores, new_groups
        Where to apply it; groups without a fit take the common map.

    Returns
    -------
    numpy.ndarray
        Values in the range of `truth`.

    References
    ----------
    :cite:`zadrozny2002`.
    """
    from sklearn.isotonic import IsotonicRegression

    x, y, new = (
        np.asarray(checks.vector(name, v), dtype=np.float64)
        for name, v in (("scores", scores), ("truth", truth), ("new_scores", new_scores))
    )
    checks.same_shape(scores=x, truth=y)
    out = IsotonicRegression(out_of_bounds="clip").fit(x, y).predict(new)
    if groups is None:
        return out
    table, others = group_table(groups, len(x), order=1), group_table(new_groups, len(new), order=1)
    for name in set(table.names) & set(others.names):
        rows = table.mask(name)
        fitted = IsotonicRegression(out_of_bounds="clip").fit(x[rows], y[rows])
        out[others.mask(name)] = fitted.predict(new[others.mask(name)])
    return out
