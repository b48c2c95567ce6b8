r"""The law that a one-dimensional reverse process really draws, by quadrature (T0, T1).

The densities obey :math:`p_{k-1}(y) = \int p_k(x)\, N(y; \mu_k(x, c), \sigma_k^2)\, dx`, starting
from a standard normal law. Every grid resolves the kernel on both of its sides, and then the
trapezoidal rule converges faster than any power of the spacing. A mixture oracle whose means lie
on a line reduces to that line: across it the reverse means do not depend on the condition.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float64
from scipy.special import ndtr
from torch import Tensor

from bbb_core import checks, device
from bbb_core.diffusion.oracle import GaussianMixtureOracle
from bbb_core.diffusion.process import ReverseProcess, require_noise
from bbb_core.errors import InputError

__all__ = ["ExactComparison", "exact_comparison", "on_a_line"]

REACH = 8.5
"""Normal laws are cut at this many standard deviations (a tail of 2e-17)."""
NEGLIGIBLE = 1e-22
"""Ends of a grid with less density, relative to its peak, are dropped."""


@dataclass(frozen=True, eq=False)
class ExactComparison:
    r"""Two conditions of one process, compared exactly.

    Attributes
    ----------
    total_variation : float
        TV(D_c, D_c') of the laws of x_0 that the sampler draws.
    step_kl, step_kl_back : Tensor, shape [K]
        Divergences of the steps, from c to c' and back; entry k - 1 belongs to step k.
    law_kl, law_kl_back : float
        KL between the laws of x_0; at most the path KL.
    shares, other_shares : Tensor, shape [cells]
        Shares of the oracle's groups, in the order of its means; with boundaries of your own, or
        another process, the probabilities of the cells from low to high.
    grid, density, other_density : Tensor, shape [n]
        The two densities of x_0.
    mass_defect : float
        Largest deviation of a total mass from one.
    error : float
        Estimated numerical error of total variation, shares and path KL: the mass defect, plus the
        change of the quantities when every grid is made 1.5 times coarser.
    """

    total_variation: float
    step_kl: Float64[Tensor, "K"]
    step_kl_back: Float64[Tensor, "K"]
    law_kl: float
    law_kl_back: float
    shares: Float64[Tensor, "cells"]
    other_shares: Float64[Tensor, "cells"]
    grid: Float64[Tensor, "n"]
    density: Float64[Tensor, "n"]
    other_density: Float64[Tensor, "n"]
    mass_defect: float
    error: float

    @property
    def path_kl(self) -> float:
        """Path KL from c to c'."""
        return float(self.step_kl.sum())

    @property
    def path_kl_back(self) -> float:
        """Path KL from c' to c."""
        return float(self.step_kl_back.sum())


def on_a_line(oracle: GaussianMixtureOracle) -> tuple[GaussianMixtureOracle, Tensor]:
    """Return the one-dimensional oracle along the line of the means, and the cell boundaries.

    The line's origin is the foot of the origin of the image space, because the start x_K is
    centred there.

    Raises `InputError` if the means do not lie on one line.

    Examples
    --------
    >>> from bbb_core.diffusion import two_group_oracle
    >>> line, boundaries = on_a_line(two_group_oracle(dimension=3))
    >>> line.means.flatten().tolist(), boundaries.tolist()
    ([1.0, -1.0], [0.0])
    """
    sizes = torch.linalg.svdvals(oracle.means - oracle.means.mean(0))
    rank = int((sizes > 1e-10 * sizes[0]).sum())
    if rank > 1:
        raise InputError(
            f"oracle has means that span {rank} dimensions; pass one whose means lie on a line."
        )
    far = oracle.means[(oracle.means - oracle.means[0]).norm(dim=1).argmax()]
    direction = (far - oracle.means[0]) / (far - oracle.means[0]).norm()
    direction = direction * torch.sign(direction[direction.abs().argmax()])
    places = oracle.means @ direction
    line = places.sort().values
    return replace(oracle, means=places[:, None]), (line[1:] + line[:-1]) / 2


@dataclass(frozen=True, eq=False)
class _Law:
    """A density at the multiples first * spacing, (first + 1) * spacing, ..."""

    first: int
    spacing: float
    density: np.ndarray

    @property
    def points(self) -> np.ndarray:
        """The multiples at which the density is known."""
        return self.spacing * np.arange(self.first, self.first + len(self.density))

    @property
    def masses(self) -> np.ndarray:
        """The probability near each point."""
        return self.density * self.spacing

    def at(self, first: int, size: int) -> np.ndarray:
        """Return the density on another stretch of the same multiples, zero outside."""
        values = np.zeros(size)
        begin = self.first - first
        values[begin : begin + len(self.density)] = self.density
        return values


def _means(process: ReverseProcess, points: np.ndarray, step: int, condition: Tensor) -> np.ndarray:
    with torch.no_grad():
        return process.mean(torch.from_numpy(points)[:, None], step, condition)[:, 0].numpy()


def _spacing(
    process: ReverseProcess, step: int, conditions: tuple[Tensor, Tensor], resolution: float
) -> float:
    """Return the spacing of the grid of x_step: it resolves the kernels into and out of it."""
    scales = [float(process.sigmas[step])] if step < len(process.sigmas) else [1.0]
    if step > 0:
        probe = np.linspace(-REACH, REACH, 4001)
        slopes = [
            np.abs(np.diff(_means(process, probe, step, c))).max() / (probe[1] - probe[0])
            for c in conditions
        ]
        scales.append(float(process.sigmas[step - 1]) / max(1.0, *slopes))
    return min(scales) / resolution


def _push(law: _Law, means: np.ndarray, sigma: float, spacing: float) -> _Law:
    """Return the law of N(mean(x), sigma^2) for x from `law`, on the multiples of `spacing`."""
    starts = np.ceil((means - REACH * sigma) / spacing).astype(np.int64)
    width = int(np.ceil(2 * REACH * sigma / spacing)) + 1
    targets = starts[:, None] + np.arange(width)[None, :]  # [points, width]
    z = (targets * spacing - means[:, None]) / sigma
    weights = law.masses / (sigma * np.sqrt(2 * np.pi))
    kernel = np.exp(-(z**2) / 2) * weights[:, None]
    low = int(starts.min())
    density = np.bincount((targets - low).ravel(), weights=kernel.ravel())
    kept = np.flatnonzero(density > NEGLIGIBLE * density.max())
    return _Law(low + int(kept[0]), spacing, density[kept[0] : kept[-1] + 1])


def _probabilities(law: _Law, means: np.ndarray, sigma: float, edges: np.ndarray) -> np.ndarray:
    """Return P(x_0 in each cell between the edges), exactly in the last step."""
    below = ndtr((edges[:, None] - means[None, :]) / sigma) @ law.masses
    return np.diff(np.concatenate([[0.0], below, [law.masses.sum()]]))


def _crossings(grid: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """Return the zeros of the difference of two densities, by linear interpolation."""
    kept = np.flatnonzero(np.abs(difference) > 1e-13 * np.abs(difference).max())
    x, d = grid[kept], difference[kept]
    i = np.flatnonzero(d[1:] * d[:-1] < 0)
    return x[i] + (x[i + 1] - x[i]) * d[i] / (d[i] - d[i + 1])


def _run(
    process: ReverseProcess, pair: tuple[Tensor, Tensor], edges: np.ndarray, resolution: float
) -> ExactComparison:
    steps = len(process.sigmas)
    spacing = _spacing(process, steps, pair, resolution)
    half = int(np.ceil(REACH / spacing))
    points = spacing * np.arange(-half, half + 1)
    start = _Law(-half, spacing, np.exp(-(points**2) / 2) / np.sqrt(2 * np.pi))
    laws, kl = [start, start], np.zeros((2, steps))
    for step in range(steps, 0, -1):
        sigma = float(process.sigmas[step - 1])
        own = [_means(process, law.points, step, c) for law, c in zip(laws, pair, strict=True)]
        for i, law in enumerate(laws):  # the chain rule of KL, one term per step
            rival = _means(process, law.points, step, pair[1 - i])
            kl[i, step - 1] = law.masses @ (((own[i] - rival) / sigma) ** 2 / 2)
        before = laws
        fineness = resolution if step > 1 else 4 * resolution  # x_0: only to see the zeros
        spacing = _spacing(process, step - 1, pair, fineness)
        laws = [_push(law, m, sigma, spacing) for law, m in zip(before, own, strict=True)]
    first = min(law.first for law in laws)
    size = max(law.first + len(law.density) for law in laws) - first
    p, q = (law.at(first, size) for law in laws)
    grid = spacing * np.arange(first, first + size)
    zeros = _crossings(grid, p - q)
    between = [_probabilities(law, m, sigma, zeros) for law, m in zip(before, own, strict=True)]
    shares = [_probabilities(law, m, sigma, edges) for law, m in zip(before, own, strict=True)]
    both = (p > 0) & (q > 0)
    ratio = spacing * np.log(p[both] / q[both])
    return ExactComparison(
        total_variation=float(np.abs(between[0] - between[1]).sum() / 2),
        step_kl=torch.from_numpy(kl[0]),
        step_kl_back=torch.from_numpy(kl[1]),
        law_kl=float(p[both] @ ratio),
        law_kl_back=-float(q[both] @ ratio),
        shares=torch.from_numpy(shares[0]),
        other_shares=torch.from_numpy(shares[1]),
        grid=torch.from_numpy(grid),
        density=torch.from_numpy(p),
        other_density=torch.from_numpy(q),
        mass_defect=max(abs(float(law.masses.sum()) - 1) for law in laws),
        error=0.0,
    )


@device.threads(1)  # steps on small grids: more threads only wait for each other
def exact_comparison(
    process: ReverseProcess,
    condition: Tensor,
    other: Tensor,
    *,
    boundaries: Tensor | None = None,
    resolution: float = 2.0,
) -> ExactComparison:
    r"""Compare two conditions of a reverse process exactly, by quadrature.

    Parameters
    ----------
    process : ReverseProcess
        A `GaussianMixtureOracle` whose means lie on a line (any dimension), or any process on the
        line whose start x_K is standard normal. Every step needs noise.
    condition, other : Tensor, shape [e]
        c and c'.
    boundaries : Tensor, shape [cells - 1], optional
        Increasing boundaries of the cells whose shares are wanted; by default the midpoints between
        the oracle's means, or zero for another process.
    resolution : float
        Grid points per standard deviation of the narrowest kernel; 2 gives about 12 digits where
        the means are smooth.

    Returns
    -------
    ExactComparison
        With the estimated numerical error. Means with kinks (clipping) converge more slowly, and
        the error then says so.

    Raises
    ------
    InputError
        If a step has no noise, or the oracle's means span more than a line.

    References
    ----------
    Theorem T0 of the book; :cite:`tsybakov2009` for the divergences.

    Examples
    --------
    >>> from bbb_core.diffusion import two_group_oracle
    >>> w = torch.tensor([[0.5], [0.55]], dtype=torch.float64)
    >>> exact = exact_comparison(two_group_oracle(steps=30), w[0], w[1])
    >>> round(exact.total_variation, 3), exact.law_kl <= exact.path_kl, exact.error < 1e-7
    (0.054, True, True)
    """
    require_noise(process)
    checks.number("resolution", resolution, low=0.5)
    edges = torch.zeros(1, dtype=torch.float64)
    ranks = torch.arange(2)
    if isinstance(process, GaussianMixtureOracle):
        process, edges = on_a_line(process)
        ranks = process.means[:, 0].argsort().argsort()
    if boundaries is not None:
        ranks = torch.arange(len(boundaries) + 1)
        edges = checks.vector("boundaries", boundaries)
        if bool((edges.diff() <= 0).any()):
            raise InputError("boundaries is not increasing; sort it and drop repeated values.")
    pair = (condition, other)
    fine = _run(process, pair, edges.numpy(), resolution)
    coarse = _run(process, pair, edges.numpy(), resolution / 1.5)
    changes = [
        abs(fine.total_variation - coarse.total_variation),
        abs(fine.path_kl - coarse.path_kl),
        abs(fine.path_kl_back - coarse.path_kl_back),
        float((fine.shares - coarse.shares).abs().max()),
    ]
    return replace(
        fine,
        shares=fine.shares[ranks],
        other_shares=fine.other_shares[ranks],
        error=fine.mass_defect + max(changes),
    )
