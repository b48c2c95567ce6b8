"""Repairs of embeddings from the literature: of prompts by projection, of images by group."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["calibrated_projection", "centre_by_group", "project_out"]


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

    Raises
    ------
    InputError
        If shapes differ, or a row lies in the span of the directions: it has no direction left.

    References
    ----------
    :cite:`chuang2023`; Bolukbasi et al. (2016) for words.

    Examples
    --------
    >>> project_out([[0.6, 0.8]], [[1.0, 0.0]]).tolist()
    [[0.0, 1.0]]
    """
    rows = _matrix("embeddings", embeddings)
    return _unit_rows(rows @ _complement(_matrix("directions", directions, rows.shape[1])).T)


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

    Raises
    ------
    InputError
        As `project_out`, and if the pairs differ in shape or the strength is negative.

    References
    ----------
    :cite:`chuang2023`, equation 6 in spirit; re-derived, no code taken.

    Examples
    --------
    >>> woman, man = torch.tensor([[0.6, 0.8, 0.0]]), torch.tensor([[0.6, 0.0, 0.8]])
    >>> calibrated_projection(woman, woman - man, (woman, man)).round(decimals=2).tolist()
    [[0.73, 0.49, 0.49]]
    """
    rows = _matrix("embeddings", embeddings)
    d = rows.shape[1]
    first, second = (_matrix(f"pairs[{i}]", pairs[i], d) for i in range(2))
    checks.same_shape(first=first, second=second)
    checks.number("strength", strength, low=0)
    difference = first - second
    gram = difference.T @ difference * (strength / len(difference))
    inverse = torch.linalg.inv(torch.eye(d, dtype=torch.float64) + gram)
    return _unit_rows(rows @ (_complement(_matrix("directions", directions, d)) @ inverse).T)


def centre_by_group(embeddings: Any, groups: Any) -> Tensor:
    """Move the mean of every group's (image) embeddings to the common mean; unit rows again.

    Parameters
    ----------
    embeddings : array_like, shape [n, d]
    groups : sequence, shape [n]
        Group of each row, true or predicted. Rows without a label (None, NaN) stay.

    Returns
    -------
    torch.Tensor, shape [n, d]
        Unit rows.

    Raises
    ------
    InputError
        If lengths differ, no row has a label, or a row has no direction left.

    References
    ----------
    :cite:`wang2021gender` (feature repair for image search) in spirit: no dimension is dropped.

    Examples
    --------
    >>> centre_by_group([[0.6, 0.8], [0.8, 0.6]], ["a", "b"]).round(decimals=3).tolist()
    [[0.707, 0.707], [0.707, 0.707]]
    """
    import pandas as pd

    rows = _matrix("embeddings", embeddings)
    labels = np.asarray(groups, dtype=object)
    if labels.shape != (len(rows),):
        raise InputError(f"groups has shape {labels.shape}; pass one label per row ({len(rows)}).")
    code, names = pd.factorize(labels)
    if not len(names):
        raise InputError("groups has no labelled row; give at least one row a group.")
    members = [torch.from_numpy(code == i) for i in np.argsort([str(name) for name in names])]
    means = [rows[inside].mean(dim=0) for inside in members]
    common = torch.stack(means).mean(dim=0)
    moved = rows.clone()
    for inside, mean in zip(members, means, strict=True):
        moved[inside] += common - mean
    return _unit_rows(moved)


def _matrix(name: str, x: Any, columns: int | None = None) -> Tensor:
    return checks.matrix(name, torch.as_tensor(x), columns).to(torch.float64)


def _complement(directions: Tensor) -> Tensor:
    """Return the orthogonal projection onto the complement of the span of the rows, [d, d]."""
    _, singular, right = torch.linalg.svd(directions, full_matrices=False)
    basis = right[singular > 1e-9 * singular.max()]
    return torch.eye(directions.shape[1], dtype=torch.float64) - basis.T @ basis


def _unit_rows(rows: Tensor) -> Tensor:
    norms = rows.norm(dim=1, keepdim=True)
    if (norms < 1e-9).any():
        row = int(norms[:, 0].argmin())
        raise InputError(f"embeddings row {row} vanishes under the repair; it has no direction.")
    return rows / norms
