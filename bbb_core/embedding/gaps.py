r"""The bias gap of definition D4, its ratio form, and directions in embedding space.

Every function takes embeddings and returns numbers in float64; none knows an encoder.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["bias_gap", "bias_ratio", "group_direction", "position", "projection"]


def bias_gap(
    neutral: Float[Tensor, "n d"], group_a: Float[Tensor, "n d"], group_b: Float[Tensor, "n d"]
) -> Float[Tensor, " n"]:
    r"""Return how much nearer each neutral prompt lies to group a than to group b.

    .. math:: \mathrm{gap}_{a,b}(p) = \cos(E(p), E(p_a)) - \cos(E(p), E(p_b))

    Parameters
    ----------
    neutral, group_a, group_b
        Unit rows of the neutral prompts p and of the group prompts, row by row.

    Returns
    -------
    Tensor
        In [-2, 2]; positive: nearer to a. Equal distances give 0, but *zero is not the value of a
        prompt without bias*: the word "person" has a gap too, so compare with a baseline.

    Raises
    ------
    InputError
        When rows are not unit, not finite, or the shapes differ.

    Notes
    -----
    Swapping the groups flips the sign; rotating all embeddings changes nothing. The gap is a
    difference of cosines, so it means nothing for scores on another scale (logits, say).
    The book's definition D4 is in the spirit of `kuchlous2024`.

    Examples
    --------
    >>> x = torch.eye(2)
    >>> bias_gap(x[:1], x[:1], x[1:]).tolist()
    [1.0]
    """
    p, a, b = _three(neutral, group_a, group_b)
    return (p * (a - b)).sum(1)


def bias_ratio(
    neutral: Float[Tensor, "n d"], group_a: Float[Tensor, "n d"], group_b: Float[Tensor, "n d"]
) -> Float[Tensor, " n"]:
    r"""Return the quotient of the two cosines of `bias_gap`.

    .. math:: \cos(E(p), E(p_a)) \,/\, \cos(E(p), E(p_b))

    Returns
    -------
    Tensor
        In (0, inf); 1 for equal cosines; swapping the groups gives the reciprocal.

    Raises
    ------
    InputError
        When a cosine is zero or negative: a quotient of such cosines has no reading. The gap has.

    Notes
    -----
    The ratio shrinks towards 1 when all cosines grow, so ratios of two encoders do not compare.

    Examples
    --------
    >>> x = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.8, 0.6]], dtype=torch.float64)
    >>> round(float(bias_ratio(x[:1], x[1:2], x[2:])), 6)
    0.75
    """
    p, a, b = _three(neutral, group_a, group_b)
    to_a, to_b = (p * a).sum(1), (p * b).sum(1)
    for name, cosines in (("group_a", to_a), ("group_b", to_b)):
        bad = torch.nonzero(cosines <= 0).flatten()
        if len(bad):
            row = int(bad[0])
            raise InputError(
                f"{name} row {row} has cosine {float(cosines[row]):.4g} with its neutral prompt; "
                "a ratio needs positive cosines, so use bias_gap."
            )
    return to_a / to_b


def position(
    neutral: Float[Tensor, "n d"], group_a: Float[Tensor, "n d"], group_b: Float[Tensor, "n d"]
) -> Float[Tensor, " n"]:
    r"""Return where each neutral prompt lies on the way from group prompt a to group prompt b.

    .. math:: t(p) = \frac12 + \frac{\langle E(p), E(p_b) - E(p_a) \rangle
        - (\lVert E(p_b) \rVert^2 - \lVert E(p_a) \rVert^2) / 2}
        {\lVert E(p_b) - E(p_a) \rVert^2}

    The foot of the perpendicular from E(p) to the line through the two group prompts. For unit rows
    it is :math:`\frac12 + \mathrm{gap}_{b,a}(p) / \lVert E(p_b) - E(p_a) \rVert^2`, the
    *normalised gap*, which compares between encoders as the gap itself does not.

    Parameters
    ----------
    neutral, group_a, group_b
        Rows of the neutral prompts and of the group prompts, row by row; they need not be unit.

    Returns
    -------
    Tensor
        0 at a, 1 at b, 1/2 when p lies as near to one as to the other; not clipped.

    Raises
    ------
    InputError
        When a value is not finite, the shapes differ, or two group prompts are one point.

    Examples
    --------
    >>> a, b = torch.tensor([[0.0, 1.0]]), torch.tensor([[4.0, 1.0]])
    >>> position(torch.tensor([[1.0, 7.0]]), a, b).tolist()
    [0.25]
    """
    checks.same_shape(neutral=neutral, group_a=group_a, group_b=group_b)
    p, a, b = (
        torch.as_tensor(checks.matrix(name, rows)).to(torch.float64)
        for name, rows in (("neutral", neutral), ("group_a", group_a), ("group_b", group_b))
    )
    way = b - a
    square = (way**2).sum(1)
    same = torch.nonzero(square == 0).flatten()
    if len(same):
        row = int(same[0])
        raise InputError(
            f"group_a and group_b are one point in row {row}; name groups that differ."
        )
    return ((p - a) * way).sum(1) / square


def group_direction(
    group_a: Float[Tensor, "n d"],
    group_b: Float[Tensor, "n d"],
    *,
    method: Literal["mean-difference", "principal"] = "mean-difference",
) -> Float[Tensor, " d"]:
    r"""Return the unit direction from group b to group a that several pairs share.

    ``mean-difference``: the direction of :math:`\frac1n \sum_i (a_i - b_i)`. ``principal``: the
    first principal direction of the pairs, each centred at its middle (`bolukbasi2016`), turned
    so that the a side is positive.

    Raises
    ------
    InputError
        When the pairs have no common direction (their differences cancel).

    Examples
    --------
    >>> x = torch.eye(2)
    >>> [round(value, 4) for value in group_direction(x[:1], x[1:]).tolist()]
    [0.7071, -0.7071]
    """
    checks.choice("method", method, ("mean-difference", "principal"))
    a, b = _rows("group_a", group_a), _rows("group_b", group_b)
    checks.same_shape(group_a=a, group_b=b)
    difference = a - b
    mean = difference.mean(0)
    size = float(mean.norm())
    if size < 1e-9 * max(float(difference.norm(dim=1).mean()), 1e-300) or size == 0.0:
        raise InputError("group_a and group_b differ by nothing on average; choose other pairs.")
    if method == "mean-difference":
        return mean / size
    direction = torch.linalg.svd(difference, full_matrices=False).Vh[0]
    side = float(direction @ mean)
    if abs(side) < 1e-9 * size:
        raise InputError("the principal direction does not tell group_a from group_b; use means.")
    return direction * (1.0 if side > 0 else -1.0)


def projection(rows: Float[Tensor, "n d"], direction: Float[Tensor, " d"]) -> Float[Tensor, " n"]:
    r"""Return the coordinate :math:`\langle E(p), g \rangle` of unit rows along a unit direction.

    In [-1, 1]; its sign is that of `direction`. With :math:`g = (E(p_a) - E(p_b)) / \|E(p_a) -
    E(p_b)\|` this *is* the bias gap divided by :math:`\|E(p_a) - E(p_b)\|`: an identity, so a
    correlation of the two is no evidence of anything.

    Examples
    --------
    >>> projection(torch.eye(2), torch.tensor([0.0, 1.0])).tolist()
    [0.0, 1.0]
    """
    g = checks.vector("direction", direction).to(torch.float64)
    if abs(float(g.norm()) - 1.0) > checks.UNIT_TOLERANCE:
        raise InputError(f"direction has norm {float(g.norm()):.4g}; divide it by its norm.")
    checks.unit_rows("rows", rows, len(g))
    return rows.to(g) @ g


def _rows(name: str, x: Tensor) -> Tensor:
    return checks.unit_rows(name, x).to(torch.float64)


def _three(neutral: Tensor, group_a: Tensor, group_b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    checks.same_shape(neutral=neutral, group_a=group_a, group_b=group_b)
    return _rows("neutral", neutral), _rows("group_a", group_a), _rows("group_b", group_b)
