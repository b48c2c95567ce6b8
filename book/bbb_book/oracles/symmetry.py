"""Symmetry of exact generators: isometries, symmetrised copies and their defect (theorem T2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from bbb_core import checks
from bbb_core.diffusion.noise import Generators
from bbb_core.diffusion.process import ReverseProcess
from bbb_core.errors import InputError

__all__ = [
    "Isometry",
    "Switched",
    "Symmetrised",
    "cyclic_average",
    "reflection",
    "rotation",
    "switch",
]

Map = Callable[[Tensor], Tensor]
ORTHOGONAL = 1e-9
"""How far M^T M may be from the identity."""


def cyclic_average(
    function: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    condition: Tensor,
    *,
    sigma: Map,
    tau: Map,
    order: int,
) -> Tensor:
    r"""Return :math:`\frac1m \sum_{j=0}^{m-1} \sigma^{-j} f(\sigma^j x, \tau^j c)`.

    With :math:`\sigma^m = id` and :math:`\tau^m = id` it is equivariant in (x, c), whatever f is.

    Examples
    --------
    >>> import torch
    >>> sign = lambda v: -v
    >>> x, c = torch.tensor([2.0]), torch.tensor([1.0])
    >>> cyclic_average(lambda x, c: x**2 + c, x, c, sigma=sign, tau=sign, order=2).item()
    1.0
    """
    total = function(x, condition)
    for j in range(1, order):
        x, condition = sigma(x), tau(condition)
        turned = function(x, condition)
        for _ in range(order - j):  # sigma^(m - j) undoes sigma^j
            turned = sigma(turned)
        total = total + turned
    return total / order


@dataclass(frozen=True, eq=False)
class Isometry:
    r"""The map :math:`x \mapsto M x + b` with orthogonal M, acting on the last axis.

    Parameters
    ----------
    matrix : Tensor, shape [d, d]
        M.
    offset : Tensor, shape [d]
        b; zero for maps of image space, since only those keep the start N(0, I) as it is.

    Raises
    ------
    InputError
        If M is not orthogonal.
    """

    matrix: Float64[Tensor, "d d"]
    offset: Float64[Tensor, "d"]

    def __post_init__(self) -> None:
        checks.matrix("matrix", self.matrix)
        checks.vector("offset", self.offset)
        identity = torch.eye(len(self.matrix), dtype=torch.float64)
        error = float((self.matrix.T @ self.matrix - identity).abs().max())
        if error > ORTHOGONAL:
            raise InputError(f"matrix is off an orthogonal one by {error:.3g}; pass an isometry.")

    def __call__(self, x: Float64[Tensor, "*n d"]) -> Float64[Tensor, "*n d"]:
        """Return the images of one point [d] or of many [..., d]."""
        return x @ self.matrix.T + self.offset


def reflection(first: Float64[Tensor, "d"], second: Float64[Tensor, "d"]) -> Isometry:
    r"""Return the reflection that swaps two points (Householder, across their bisector).

    .. math:: \tau(c) = c - 2 \langle c - m, u \rangle u, \qquad
        m = \tfrac12 (e_a + e_b),\ u = (e_a - e_b) / \lVert e_a - e_b \rVert

    Raises
    ------
    InputError
        If the two points are equal.

    Examples
    --------
    >>> a, b = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    >>> swap = reflection(a, b)
    >>> swap(a).round(decimals=9).tolist()
    [0.0, 1.0]
    """
    axis = checks.vector("first", first) - checks.vector("second", second)
    length = torch.linalg.vector_norm(axis)
    if float(length) == 0:
        raise InputError("first equals second; pass two different points.")
    unit = axis / length
    matrix = torch.eye(len(unit), dtype=torch.float64) - 2 * torch.outer(unit, unit)
    return Isometry(matrix, 2 * ((first + second) / 2 @ unit) * unit)


def rotation(order: int) -> Isometry:
    """Return the rotation of the plane by 360 / `order` degrees about the origin.

    Examples
    --------
    >>> rotation(4)(torch.tensor([1.0, 0.0], dtype=torch.float64)).round(decimals=9).tolist()
    [0.0, 1.0]
    """
    angle = torch.tensor(2 * torch.pi / checks.integer("order", order, low=2), dtype=torch.float64)
    cos, sin = torch.cos(angle), torch.sin(angle)
    matrix = torch.stack([torch.stack([cos, -sin]), torch.stack([sin, cos])])
    return Isometry(matrix, torch.zeros(2, dtype=torch.float64))


@dataclass(frozen=True, eq=False)
class Symmetrised:
    r"""The equivariant copy of a reverse process: an average over a cyclic group.

    .. math:: \bar\mu_k(x, c) = \frac1m \sum_{j=0}^{m-1}
        \sigma^{-j} \mu_k(\sigma^j x, \tau^j c)

    For two groups (m = 2) this is :math:`\frac12 (\mu_k(x, c) + \sigma \mu_k(\sigma x, \tau c))`.
    It costs m evaluations per step and has the same noise.

    Parameters
    ----------
    process : ReverseProcess
        Any process; it is not changed.
    image : callable
        :math:`\sigma` on a batch of images [n, ...]: a linear isometry of order m, such as a
        mirror or a swap of two colour channels.
    embedding : callable
        :math:`\tau` on conditions [e] or [n, e], of order m.
    order : int
        m, at least 2.
    """

    process: ReverseProcess
    image: Callable[[Tensor], Tensor]
    embedding: Callable[[Tensor], Tensor]
    order: int = 2

    def __post_init__(self) -> None:
        checks.integer("order", self.order, low=2)

    @property
    def sigmas(self) -> Tensor:
        """Noise of the steps, that of the process."""
        return self.process.sigmas

    def initial(self, n: int, *, generators: Generators) -> Tensor:
        """Return x_K, that of the process."""
        return self.process.initial(n, generators=generators)

    def mean(self, x: Tensor, step: int, condition: Tensor) -> Tensor:
        """Return the averaged mean [n, ...]."""
        return cyclic_average(
            lambda x, c: self.process.mean(x, step, c),
            x,
            condition,
            sigma=self.image,
            tau=self.embedding,
            order=self.order,
        )


@dataclass(frozen=True, eq=False)
class Switched:
    """Two processes with the same noise in one: the last entry of the condition chooses.

    Zero chooses `first`, one `second`. So whatever compares two conditions of one process (path
    KL, quadrature) also compares two processes, for instance one with its symmetrised copy.
    """

    first: ReverseProcess
    second: ReverseProcess

    def __post_init__(self) -> None:
        if not torch.equal(self.first.sigmas, self.second.sigmas):
            raise InputError("first and second differ in their sigmas; compare equal noise only.")

    @property
    def sigmas(self) -> Tensor:
        """Noise of the steps, common to both."""
        return self.first.sigmas

    def initial(self, n: int, *, generators: Generators) -> Tensor:
        """Return x_K of the first process."""
        return self.first.initial(n, generators=generators)

    def mean(self, x: Tensor, step: int, condition: Tensor) -> Tensor:
        """Return the mean of the chosen process; one condition [e + 1] for all rows."""
        if condition.ndim != 1 or float(condition[-1]) not in (0.0, 1.0):
            raise InputError("condition must be one vector that ends in 0 or 1; see `switch`.")
        chosen = self.second if float(condition[-1]) else self.first
        return chosen.mean(x, step, condition[:-1])


def switch(condition: Float64[Tensor, "e"], which: int) -> Float64[Tensor, "e1"]:
    """Return the condition of a `Switched` process: `which` is 0 for the first, 1 for the second.

    Examples
    --------
    >>> switch(torch.tensor([0.5], dtype=torch.float64), 1).tolist()
    [0.5, 1.0]
    """
    checks.choice("which", which, (0, 1))
    return torch.cat([condition, torch.tensor([float(which)], dtype=condition.dtype)])
