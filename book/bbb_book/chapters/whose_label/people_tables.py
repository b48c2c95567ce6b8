"""What the chapter on unknown labels says of real people's readings: tables, numbers, a claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bbb_book import results
from bbb_book.chapters.whose_label.people_audits import METHODS, simulate_people
from bbb_book.chapters.whose_label.simulated_audits import extreme_rate
from bbb_book.readers.people import ANSWERS
from bbb_book.results.rules import NOT_MEASURED
from bbb_core.stats import Estimate

__all__ = ["audit_people", "models_table", "show_numbers", "show_status", "worst_coverage"]

_NAMES = {"stable-diffusion": "Stable Diffusion"}
"""Models whose name in the data is not the one on the page."""


def show_status(found: results.Artefact | None) -> None:
    """Glue ``people-status``: whether the readings were read now, or what was found is recorded."""
    said = "The published answers were read for this page, and their SHA-256 verified."
    if found is None:
        said = "Not measured: neither the published answers nor stored results were at hand."
    elif found.source != "computed":
        said = (
            "The numbers are recorded: they were computed from the published answers, whose "
            "SHA-256 was verified, and are stored with the book."
        )
    results.say("people-status", said)


def audit_people(
    found: results.Artefact | None, *, shares: Sequence[float], shared: float, **settings: Any
) -> pd.DataFrame | None:
    """Simulate audits with these readers' errors; None if they were not measured."""
    if found is None:
        return None
    read = {"models": [_NAMES.get(x, x) for x in found["models"]["model"]]}
    read |= {"labels": found["shares"].tolist(), "errors": found["errors"].tolist()}
    told = {**read, **settings, "shares": list(shares), "shared": shared}
    table: pd.DataFrame = results.artefact("people-audits", simulate_people, parameters=told)[
        "table"
    ]
    return table


def worst_coverage(
    table: pd.DataFrame | None, method: str, *, confidence: float
) -> tuple[Estimate | None, int | None]:
    """Return the smallest coverage of a method over models and planted shares, and the audits."""
    if table is None:
        return None, None
    rows = table[table["method"] == method]
    e = extreme_rate(rows, "covered", which="smallest", confidence=confidence)
    return Estimate(e["value"], e["low"], e["high"], confidence), int(e["n"])


def models_table(found: results.Artefact | None) -> pd.DataFrame:
    """Return, per model, how its pictures were read, in per cent with intervals."""
    if found is None:
        return pd.DataFrame({"pictures": [NOT_MEASURED]})
    rows = {}
    for i, row in enumerate(found["models"].to_dict("records")):
        errors = found["errors"][i]
        man, woman = ANSWERS.index("man"), ANSWERS.index("woman")
        rows[_NAMES.get(row["model"], row["model"])] = {
            "pictures": f"{row['pictures']}",
            "read as none": _percent(row["none"]),
            "man to one, woman to another": _ends(row, "clash"),
            "women read as men": _percent(errors[woman, man]),
            "men read as women": _percent(errors[man, woman]),
            "share of women, as read": _ends(row, "naive"),
            "corrected": _ends(row, "corrected"),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model").T


def show_numbers(
    found: results.Artefact | None, audits: Mapping[str, pd.DataFrame | None], *, share: float
) -> None:
    """Glue the numbers of the prose: real clashes, and what happens to a planted share."""
    values: dict[str, float | None] = dict.fromkeys(_NUMBERS)
    if found is not None:
        models = found["models"]
        values["people-pictures"] = models["pictures"].sum()
        values["people-readings"] = 3 * models["pictures"].sum()
        for end, pick in (("least", min), ("most", max)):
            values[f"people-clash-{end}"] = 100 * pick(models["clash"])
            values[f"people-none-{end}"] = 100 * pick(models["none"])
            values[f"people-error-{end}"] = 100 * pick(models["error"])
    for name, table in audits.items():
        for method in METHODS if table is not None else ():
            rows = table[(table["method"] == method) & (table["share"] == share)]
            word = f"people-{name}-{method.split()[0]}"
            values |= {f"{word}-least": rows["mean"].min(), f"{word}-most": rows["mean"].max()}
            values[f"{word}-covered"] = (rows["covered"] / rows["audits"]).min()
    for name, value in values.items():
        results.show_or_say(name, value, digits=0 if _whole(name) else 2)
    results.show_number("people-share", share, digits=2)


def _whole(name: str) -> bool:
    return name.split("-")[1] in ("pictures", "readings", "clash", "none", "error")


_NUMBERS = [
    "people-pictures",
    "people-readings",
    *(f"people-{what}-{end}" for what in ("clash", "none", "error") for end in ("least", "most")),
    *(
        f"people-{name}-{method.split()[0]}-{end}"
        for name in ("fitting", "misled")
        for method in METHODS
        for end in ("least", "most", "covered")
    ),
]


def _percent(x: float) -> str:
    return f"{100 * x:.0f} %"


def _ends(row: Mapping[str, Any], name: str) -> str:
    return (
        f"{100 * row[name]:.0f} % [{100 * row[f'{name} low']:.0f}, {100 * row[f'{name} high']:.0f}]"
    )
