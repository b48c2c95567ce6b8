"""Experiments: the long computations of the chapters, each an artefact function."""

from __future__ import annotations

__all__: list[str] = []
