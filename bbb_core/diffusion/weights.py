"""Maps from a condition to the weights of a mixture (the oracle of section T1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["AffineWeights", "simplex"]

SIMPLEX_TOLERANCE = 1e-9


def simplex(name: str, weights: Tensor) -> Tensor:
    """Return `weights` [..., k] if every row is a probability vector; tiny negatives become 0."""
    checks.finite(name, weights)
    if float(weights.min()) < -SIMPLEX_TOLERANCE:
        value = float(weights.min())
        raise InputError(f"{name} gives the weight {value:.4g}; use a condition with weights >= 0.")
    total = weights.sum(-1)
    if float((total - 1).abs().max()) > SIMPLEX_TOLERANCE:
        value = float(total.flatten()[(total - 1).abs().argmax()])
        raise InputError(f"{name} gives weights that sum to {value:.6g}; make them sum to 1.")
    return weights.clamp(min=0)


@dataclass(frozen=True, eq=False)
class AffineWeights:
    r"""Weights that are affine in the condition, :math:`w(c) = M c + b`.

    Parameters
    ----------
    matrix : Tensor, shape [k, e]
        M; each column sums to zero.
    offset : Tensor, shape [k]
        b; sums to one.

    Raises
    ------
    InputError
        If the sums are wrong; and on a call, if a condition leads out of the simplex.

    Examples
    --------
    >>> share = AffineWeights.scalar()
    >>> share(torch.tensor([0.25], dtype=torch.float64)).tolist()
    [0.25, 0.75]
    """

    matrix: Float64[Tensor, "k e"]
    offset: Float64[Tensor, "k"]

    def __post_init__(self) -> None:
        checks.matrix("matrix", self.matrix)
        checks.vector("offset", self.offset, minimum=2)
        if len(self.matrix) != len(self.offset):
            raise InputError(
                f"matrix has {len(self.matrix)} rows and offset {len(self.offset)} values; "
                "pass one row and one value per component."
            )
        columns = self.matrix.sum(0).abs().max()
        if float(columns) > SIMPLEX_TOLERANCE:
            raise InputError(f"matrix has a column that sums to {float(columns):.4g}; make it 0.")
        if abs(float(self.offset.sum()) - 1) > SIMPLEX_TOLERANCE:
            raise InputError(f"offset sums to {float(self.offset.sum()):.6g}; make it sum to 1.")

    @classmethod
    def scalar(cls) -> AffineWeights:
        """Return the map of a scalar condition c = w to (w, 1 - w)."""
        return cls(torch.tensor([[1.0], [-1.0]]).double(), torch.tensor([0.0, 1.0]).double())

    @classmethod
    def from_anchors(
        cls, anchors: Float64[Tensor, "n e"], weights: Float64[Tensor, "n k"]
    ) -> AffineWeights:
        """Return the flattest affine map that gives the anchors (group prompts) these weights.

        Flattest: the linear part of least Frobenius norm, so it ignores directions in which the
        anchors do not differ.

        Parameters
        ----------
        anchors : Tensor, shape [n, e]
            Conditions, affinely independent (n <= e + 1).
        weights : Tensor, shape [n, k]
            One probability vector per anchor.

        Raises
        ------
        InputError
            If no affine map does it.

        Examples
        --------
        >>> eye = torch.eye(2, dtype=torch.float64)
        >>> AffineWeights.from_anchors(eye, eye)(eye.mean(0)).tolist()
        [0.5, 0.5]
        """
        checks.matrix("anchors", anchors)
        simplex("weights", checks.matrix("weights", weights))
        if len(anchors) != len(weights):
            raise InputError(f"weights has {len(weights)} rows for {len(anchors)} anchors.")
        centre, middle = anchors.mean(0), weights.mean(0)
        matrix = (torch.linalg.pinv(anchors - centre) @ (weights - middle)).T
        affine = cls(matrix=matrix, offset=middle - matrix @ centre)
        worst = float((anchors @ matrix.T + affine.offset - weights).abs().max())
        if worst > SIMPLEX_TOLERANCE:
            raise InputError(
                f"anchors are not affinely independent (error {worst:.3g}); drop one or move it."
            )
        return affine

    def __call__(self, condition: Float64[Tensor, "*n e"]) -> Float64[Tensor, "*n k"]:
        """Return the weights of one condition [e] or of n conditions [n, e]."""
        if condition.shape[-1] != self.matrix.shape[1]:
            raise InputError(
                f"condition has {condition.shape[-1]} dimensions; pass {self.matrix.shape[1]}."
            )
        return simplex("condition", condition @ self.matrix.T + self.offset)
