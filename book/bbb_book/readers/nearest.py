"""A reader without training: each image is read as the drawing that it is nearest to.

Serves the chapters on emoji people; the trained classifier is the other, independent reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bbb_core import checks
from bbb_core.errors import InputError

__all__ = ["NearestDrawing", "Reading"]


@dataclass(frozen=True, eq=False)
class Reading:
    """What each image was read as.

    Attributes
    ----------
    rows
        Number of the nearest drawing.
    distances
        Root mean square difference of intensities to it, in [0, 1].
    near
        Whether that distance is small enough for a reading.
    """

    rows: Int[Tensor, "n"]
    distances: Float[Tensor, "n"]
    near: Tensor

    def labels(self, names: Sequence[str], *, none: str = "none") -> list[str]:
        """Return one of `names` (one per drawing) for each image, `none` where nothing is near."""
        found = zip(self.rows.tolist(), self.near.tolist(), strict=True)
        return [names[row] if near else none for row, near in found]


def _moved(images: Tensor, dx: int, dy: int, zoom: float) -> Tensor:
    theta = torch.tensor(
        [[zoom, 0.0, 2 * dx / images.shape[-1]], [0.0, zoom, 2 * dy / images.shape[-2]]]
    )
    grid = torch.nn.functional.affine_grid(
        theta.expand(len(images), 2, 3), list(images.shape), align_corners=False
    )
    return 1 - torch.nn.functional.grid_sample(1 - images, grid, align_corners=False)


class NearestDrawing:
    """Nearest drawing in root mean square, over small moves and changes of size.

    Parameters
    ----------
    drawings
        The known drawings, intensities in [0, 1].
    limit
        Largest distance at which an image still counts as read; beyond it, it is none of them.
        A drawing moved by a pixel lies within about 0.05 of the bank, two drawings of different
        occupations lie about 0.2 apart.
    shifts, zooms
        Moves in pixels and factors of size tried for each drawing.

    Examples
    --------
    >>> black_and_white = torch.stack([torch.zeros(3, 8, 8), torch.ones(3, 8, 8)])
    >>> reader = NearestDrawing(black_and_white, shifts=(0,), zooms=(1.0,))
    >>> reader.read(torch.full((1, 3, 8, 8), 0.95)).labels(["black", "white"])
    ['white']
    """

    def __init__(
        self,
        drawings: Float[Tensor, "m c h w"],
        *,
        limit: float = 0.15,
        shifts: Sequence[int] = (-1, 0, 1),
        zooms: Sequence[float] = (0.95, 1.0, 1.05),
    ) -> None:
        checks.finite("drawings", drawings)
        self.limit = checks.number("limit", limit, low=0)
        self.count = len(drawings)
        moved = [_moved(drawings, x, y, z) for x in shifts for y in shifts for z in zooms]
        self.bank = torch.cat([part.flatten(1) for part in moved])
        self._norms = self.bank.square().sum(1)

    def read(self, images: Float[Tensor, "n c h w"], *, batch: int = 512) -> Reading:
        """Read images with intensities in [0, 1]."""
        checks.finite("images", images)
        flat = images.flatten(1).float()
        if flat.shape[1] != self.bank.shape[1]:
            raise InputError(
                f"images have {flat.shape[1]} values each, the drawings {self.bank.shape[1]}; "
                "resize them to the drawings' size."
            )
        rows, squares = [], []
        for part in flat.split(batch):
            d = part.square().sum(1, keepdim=True) - 2 * part @ self.bank.T + self._norms
            best = d.min(1)
            rows.append(best.indices % self.count)
            squares.append(best.values)
        distance = (torch.cat(squares).clamp(min=0) / self.bank.shape[1]).sqrt()
        return Reading(torch.cat(rows), distance, distance <= self.limit)

    def fingerprint(self) -> dict[str, Any]:
        """Return what a manifest says about this reader."""
        return {"drawings": self.count, "bank": len(self.bank), "limit": self.limit}
