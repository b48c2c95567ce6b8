"""Report of an encoder: gaps beyond the baseline and positions of occupations (D4)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bbb_core.report.parts import Forest, Quantity, Report, Table

if TYPE_CHECKING:
    from bbb_core.embedding.audit import EmbeddingAudit

__all__ = ["embeddings"]

FEW_CELLS = 6
NO_BASELINE = (
    "There is no baseline, and a gap of zero is not neutral: words for no occupation have gaps too."
)


def embeddings(found: EmbeddingAudit) -> Report:
    """Tell of the gaps of an encoder."""
    said, table = found.summary, found.table
    level, several = said["confidence"], len(said["contrasts"]) > 1
    name = [f"{o} ({c})" for o, c in zip(table["occupation"], table["contrast"], strict=True)]
    main = table.assign(label=name if several else table["occupation"])
    tested = bool(main["family_low"].notna().any())
    head = _largest(main, tested, said)
    differ = sum(notes["beyond_baseline_holm"] or 0 for notes in said["contrasts"].values())
    top = main.loc[main["beyond"].abs().idxmax()]
    toward = _toward(said, str(top["contrast"]), float(top["beyond"]))
    beyond = "beyond the baseline" if said["baseline"] else "from zero"
    verdict = (
        f"{differ} of {len(main)} gaps differ {beyond} after Holm's correction"
        if tested
        else "There is no interval, so nothing is settled"
    )
    ends = ("family_low", "family_high") if tested else ("beyond", "beyond")
    figures = [
        Forest.of(
            f"Gaps {beyond}",
            f"{_sign(said)}"
            + (f" Intervals hold for all rows together at {level:.0%}." if tested else ""),
            main, ("label", "beyond", *ends), {"treated alike": 0.0},
        )
    ]  # fmt: skip
    if "position" in main:
        figures.append(
            Forest.of(
                "Positions between the groups' prompts",
                "0 at the first group's prompts, 1 at the second's; means over templates and pairs,"
                " without intervals.",
                main, ("label", "position", "position", "position"), {"half way": 0.5},
            )
        )  # fmt: skip
    cells = len(said["templates"]) * max(len(said["pairs"]), 1)
    return Report(
        kind="embeddings",
        title=f"Gaps of the embeddings of {said['encoder']}",
        answer=f"{verdict}. The largest is that of {top['label']}, {top['beyond']:+.3f}, {toward}.",
        confidence=level,
        quantities=(head,),
        tables={
            "gaps": Table(table, ("contrast", "occupation"),
                          ("beyond", "family_low", "family_high") if tested else ()),
        },
        figures=tuple(figures),
        caveats=(
            "A gap of an embedding says where a prompt lies. What a generator draws for it depends "
            "on the generator too: audit its images.",
            *(
                (f"Intervals come from {cells} templates and word pairs, and speak of others like "
                 "them; with so few they are wide.",)
                if tested and cells < FEW_CELLS
                else ()
            ),
            *(() if said["baseline"] else (NO_BASELINE,)),
            f"{len(main)} gaps are compared: the intervals shown hold together (Bonferroni), and "
            "p_holm is Holm's; low and high hold for one row alone.",
            *(notes["no_interval"] for notes in said["contrasts"].values() if notes["no_interval"]),
        ),
        terms=("gap of an embedding", "gap beyond the baseline", "position", "interval",
               "Holm's correction"),
        like={"contrasts": list(said["contrasts"]), "baseline": said["baseline"]},
    )  # fmt: skip


def _largest(main: Any, tested: bool, said: dict[str, Any]) -> Quantity:
    name, value = "largest absolute gap beyond the baseline", float(main["beyond"].abs().max())
    if not tested:
        reason = next(notes["no_interval"] for notes in said["contrasts"].values())
        return Quantity(name, value, math.nan, math.nan, str(reason).rstrip("."))
    low, high = main["family_low"], main["family_high"]
    near, far = low.where(low > 0, -high).clip(lower=0), high.where(high > -low, -low)
    return Quantity.of(name, (value, near.max(), far.max()))


def _sign(said: dict[str, Any]) -> str:
    if said["pairs"]:
        return f"Positive: nearer to the first words of {', '.join(said['pairs'])}."
    return "Positive: nearer to the first group."


def _toward(said: dict[str, Any], contrast: str, gap: float) -> str:
    which = "first" if gap > 0 else "second"
    if said["pairs"]:
        return f"nearer to the {which} words of {', '.join(said['pairs'])}"
    return f"nearer to the {which} group of {contrast}"
