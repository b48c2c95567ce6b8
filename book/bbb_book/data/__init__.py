"""Published facts and drawings that the chapters measure against."""

from __future__ import annotations

__all__: list[str] = []
