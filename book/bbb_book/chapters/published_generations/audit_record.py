"""The audit of published counts as an artefact: what is stored of it, and how it is read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import pandas as pd

from bbb_book.chapters.published_generations.amplification import Amplification
from bbb_book.chapters.published_generations.count_audit import GenerationAudit, audit_generations
from bbb_core.balance.means import MeanImbalance
from bbb_core.stats import Estimate

__all__ = ["measure_generations", "restored"]

TABLES = ("shares", "balance", "changes")


def measure_generations(
    generated: pd.DataFrame, edited: pd.DataFrame, training: pd.DataFrame, **options: Any
) -> dict[str, Any]:
    """Return `count_audit.audit_generations` as tables and plain data (artefact function)."""
    found = audit_generations(generated, edited, training, **options)
    tables = {
        f"{name}-{key}": table for name in TABLES for key, table in getattr(found, name).items()
    }
    return {
        **tables,
        "assumptions": found.assumptions,
        "groups": list(found.groups),
        "drawn": found.drawn,
        "flagged": list(found.flagged),
        "means": {key: asdict(mean) for key, mean in found.means.items()},
        "amplification": asdict(found.amplification),
        "estimates": {key: [asdict(e), n] for key, (e, n) in found.estimates.items()},
    }


def restored(results: Mapping[str, Any]) -> GenerationAudit:
    """Return the audit that `measure_generations` stored."""
    tables: dict[str, dict[str, pd.DataFrame]] = {name: {} for name in TABLES}
    for label, table in results.items():
        name, _, key = label.partition("-")
        if name in tables:
            tables[name][key] = table
    copied = {
        field.name: _estimate(results["amplification"][field.name])
        for field in fields(Amplification)
    }
    return GenerationAudit(
        groups=tuple(results["groups"]),
        drawn=results["drawn"],
        assumptions=results["assumptions"],
        flagged=tuple(results["flagged"]),
        means={
            key: MeanImbalance(**{name: _estimate(x) for name, x in mean.items()})
            for key, mean in results["means"].items()
        },
        amplification=Amplification(**copied),
        estimates={key: (_estimate(e), n) for key, (e, n) in results["estimates"].items()},
        **tables,
    )


def _estimate(value: Any) -> Any:
    """Turn the fields of an `Estimate` back into one; other values stay."""
    return Estimate(**value) if isinstance(value, Mapping) else value
