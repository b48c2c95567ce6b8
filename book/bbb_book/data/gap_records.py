"""Gaps between groups as plain tables, so that an artefact can hold them (published scores)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bbb_core.alignment.gaps import GroupGaps

__all__ = ["gaps_of", "records_of"]

PARTS = ("pairs", "by_group")


def records_of(label: str, gaps: Mapping[str, GroupGaps]) -> dict[str, Any]:
    """Return the gaps of several scorers as results of an artefact, named after `label`."""
    found: dict[str, Any] = {
        f"{label}/{part}/{name}": getattr(one, part) for name, one in gaps.items() for part in PARTS
    }
    found[label] = {
        name: [one.bound, one.bound_low, one.unit, one.scale] for name, one in gaps.items()
    }
    return found


def gaps_of(label: str, results: Mapping[str, Any]) -> dict[str, GroupGaps]:
    """Return the gaps that `records_of` stored under `label`, scorers in their order."""
    return {
        name: GroupGaps(*(results[f"{label}/{part}/{name}"] for part in PARTS), *rest)
        for name, rest in results[label].items()
    }
