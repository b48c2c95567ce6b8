"""The law of inheritance for several groups: a prompt's coordinates and the shares foretold."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["barycentric_coordinates", "inherited_shares"]


def inherited_shares(coordinates: Any, log_shares: Any) -> np.ndarray:
    r"""Return the shares of m groups that the law of inheritance foretells.

    The shares at a prompt are the weighted geometric mean of those at the group prompts, made to
    sum to 1; the weights are the prompt's barycentric coordinates :math:`\lambda`:

    .. math:: D_p(S_i) = \frac{e^{\eta_i}}{\sum_r e^{\eta_r}}, \qquad
              \eta_i = \sum_j \lambda_j(p)\, \ell_{ji}, \qquad
              \ell_{ji} = \log D_{p_j}(S_i)

    So the log-odds of two groups are affine in :math:`\lambda`: a multinomial logit. The prompt
    draws balance if and only if all :math:`\eta_i` are equal.

    Parameters
    ----------
    coordinates : array_like, shape [..., m]
        :math:`\lambda` with sum 1 (`barycentric_coordinates`).
    log_shares : array_like, shape [m, m]
        Row j: logarithms of the shares at the prompt of group j, up to a number of the row's own
        (`bbb_book.chapters.intersections.group_calibration.calibrate_groups`).

    Returns
    -------
    numpy.ndarray, shape [..., m]
        Shares with sum 1; 1/m each is balanced.

    Raises
    ------
    InputError
        If shapes do not match, a value is not finite, or coordinates do not sum to 1.

    Notes
    -----
    *Two groups.* With :math:`t = \lambda_b` the log-odds of b are linear in t, from
    :math:`-k t^*` at the prompt of a to :math:`k (1 - t^*)` at that of b:
    `bbb_core.theory.inherited_share`.

    *Where it is a theorem.* For m captions of weights :math:`\pi_i` with equal noise
    (`bbb_book.chapters.inheritance.ideal_generator.kernel_weights`), and c at the barycentric
    coordinates :math:`\lambda`,

    .. math:: \log\frac{w_i(c)}{w_r(c)} = \frac{|c - e_r|^2 - |c - e_i|^2}{2\tau^2}
              + \log\frac{\pi_i}{\pi_r}
              = \sum_j \lambda_j \frac{|e_j - e_r|^2 - |e_j - e_i|^2}{2\tau^2}
              + \log\frac{\pi_i}{\pi_r} ,

    for a difference of two such squares is affine in c and does not change off the hull. This is
    the law with :math:`\ell_{ji} = \log \pi_i - |e_j - e_i|^2 / 2\tau^2`: one slope
    :math:`1/\tau^2` and m - 1 prior odds. A trained generator may have any matrix; that it obeys
    some matrix is an empirical statement.

    Examples
    --------
    >>> log_shares = np.log([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    >>> inherited_shares([0.5, 0.5, 0.0], log_shares).round(3).tolist()
    [0.425, 0.425, 0.15]
    """
    from scipy.special import softmax

    at = np.asarray(checks.finite("coordinates", coordinates), np.float64)
    rows = np.asarray(checks.matrix("log_shares", log_shares), np.float64)
    m = len(rows)
    if rows.shape != (m, m) or at.ndim == 0 or at.shape[-1] != m:
        raise InputError(
            f"log_shares has shape {rows.shape} and coordinates {at.shape}; for m groups give "
            "[m, m] and [..., m]."
        )
    if not np.allclose(total := at.sum(-1), 1, atol=1e-6):
        worst = total.flat[np.abs(total - 1).argmax()]
        raise InputError(f"coordinates sum to {worst:.4g}; barycentric ones sum to 1.")
    return np.asarray(softmax(at @ rows, axis=-1))


def barycentric_coordinates(
    neutral: Float[Tensor, "n d"], groups: Float[Tensor, "n m d"], *, tolerance: float = 0.1
) -> Float[Tensor, "n m"]:
    r"""Return where each neutral prompt lies among m group prompts.

    .. math:: \sum_j \lambda_j(p)\, E(p_j) = \text{the point of the affine hull nearest to } E(p),
        \qquad \sum_j \lambda_j(p) = 1

    Where several sets of coordinates give that point, the one with the smallest sum of squares. For
    two groups :math:`\lambda = (1 - t, t)`, and t is
    `bbb_core.embedding.position`.

    Parameters
    ----------
    neutral
        Rows of the neutral prompts; they need not be unit.
    groups
        The group prompts of each row, at least two that differ.
    tolerance
        In [0, 1]. Directions in which the group prompts of a row spread (singular value about their
        mean) less than this part of their widest spread are left out of the hull. The prompts of
        two attributes nearly form a parallelogram: what little they leave its plane is no
        measure, and coordinates along it would be huge.

    Returns
    -------
    Tensor
        Affine in E(p), not clipped: negative outside the simplex. 1/m at the groups' mean.

    Raises
    ------
    InputError
        When a value is not finite, the shapes do not match, or all groups of a row are one point.

    Examples
    --------
    >>> corners = torch.tensor([[[0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [0.0, 2.0, 1.0]]])
    >>> barycentric_coordinates(torch.tensor([[0.5, 1.0, 9.0]]), corners).round(decimals=4).tolist()
    [[0.25, 0.25, 0.5]]
    """
    p = torch.as_tensor(checks.matrix("neutral", neutral)).to(torch.float64)
    e = torch.as_tensor(checks.finite("groups", groups)).to(torch.float64)
    if e.ndim != 3 or e.shape[::2] != p.shape or e.shape[1] < 2:
        raise InputError(
            f"groups has shape {tuple(e.shape)}; give [{len(p)}, groups, {p.shape[1]}] with at "
            "least two groups."
        )
    low = checks.number("tolerance", tolerance, low=0, high=1)
    middle = e.mean(1, keepdim=True)
    u, spread, v = torch.linalg.svd(e - middle, full_matrices=False)
    same = torch.nonzero(spread[:, 0] <= 1e-12 * e.flatten(1).norm(dim=1)).flatten()
    if len(same):
        raise InputError(f"groups are one point in row {int(same[0])}; name groups that differ.")
    kept = spread >= max(low, 1e-9) * spread[:, :1]
    along = torch.einsum("nrd,nd->nr", v, p - middle[:, 0])
    return 1 / e.shape[1] + torch.einsum("nmr,nr->nm", u, torch.where(kept, along / spread, 0.0))
