"""Axes of figures: round ticks, and places in per cent, so that a figure fits every width."""

from __future__ import annotations

import math
from collections.abc import Iterable

__all__ = ["Scale", "scale_of"]


class Scale:
    """An axis from its first to its last tick.

    Examples
    --------
    >>> scale = Scale([0.03, 0.41])
    >>> scale.ticks, scale.at(0.25), scale.at(9.0)
    ((0.0, 0.1, 0.2, 0.3, 0.4, 0.5), 50.0, 100.0)
    """

    def __init__(self, values: Iterable[float]) -> None:
        finite = [x for x in values if math.isfinite(x)] or [0.0, 1.0]
        low, high = min(finite), max(finite)
        if high - low < 1e-9 * max(1.0, abs(high)):
            low, high = low - 0.5, high + 0.5
        rough = (high - low) / 4
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        self.ticks = tuple(round(i * step, 12) for i in range(first, last + 1))

    def at(self, x: float) -> float:
        """Return a place in [0, 100]; what lies outside is put at the end that it lies beyond."""
        low, high = self.ticks[0], self.ticks[-1]
        return round(100 * (min(max(x, low), high) - low) / (high - low), 3)


def scale_of(*parts: Iterable[float]) -> Scale:
    """Return the scale of several collections of numbers; what is not finite is left out."""
    return Scale(x for part in parts for x in part)
