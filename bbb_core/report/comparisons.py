"""Two reports of one kind, side by side: differences with intervals."""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bbb_core.errors import InputError
from bbb_core.io.cells import plain
from bbb_core.report.parts import FORMAT, Forest, Quantity, Report, Table

__all__ = ["compare", "located", "read_report", "schema"]

LARGEST = 100_000_000  # bytes of a report
_NEEDED = {"generations": ("balance", ["prompt", "n"]), "embeddings": ("gaps", ["beyond"])}
"""Tables and columns that `compare` reads besides estimates."""


@functools.cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of reports."""
    return dict(json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8")))


def read_report(path: str | Path) -> dict[str, Any]:
    """Read a report from its ``report.json``, or from the folder that holds it.

    Raises
    ------
    InputError
        If it cannot be read, is no report, or is one of another version.

    Examples
    --------
    >>> import tempfile
    >>> from bbb_core.balance import representational_balance
    >>> file = Path(tempfile.mkdtemp()) / "report.json"
    >>> made = representational_balance({"woman": 84, "man": 166}).report().to_json()
    >>> _ = file.write_text(json.dumps(made))
    >>> read_report(file.parent)["kind"]
    'balance'
    """
    from bbb_core.io.files import read_text, shown

    file = located(path)
    try:
        found = json.loads(read_text(file, name="report", most=LARGEST), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"report {shown(file)} is no JSON ({plain(str(error))}).") from None
    wrong = next(_malformed(found), None)
    if wrong is not None:
        raise InputError(
            f"report {shown(file)} is no report of this version ({plain(wrong)}); name the "
            "report.json that --out of an audit wrote, or repeat the audit."
        )
    return dict(found)


def located(path: str | Path) -> Path:
    """Return the file of a report that is named by its folder or by itself."""
    return Path(path) / "report.json" if os.path.isdir(path) else Path(path)


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _malformed(found: Any) -> Iterator[str]:
    from jsonschema import Draft202012Validator

    error = next(Draft202012Validator(schema()).iter_errors(found), None)
    if error is not None:
        yield f"{error.json_path}: {error.message}"[:200]
        return
    for name, table in found["tables"].items():
        columns, named = table["columns"], [*table["key"], *table["estimate"]]
        if len(set(columns)) < len(columns) or not set(named) <= set(columns):
            yield f"the columns of table {name!r} do not fit"
        elif any(len(row) != len(columns) for row in table["rows"]):
            yield f"a row of table {name!r} has another length than its header"
        elif len(_keyed(table)) < len(table["rows"]) and table["key"]:
            yield f"table {name!r} has two rows of one name"
    if found["kind"] in _NEEDED:  # what pairs are compared by
        name, needed = _NEEDED[found["kind"]]
        target = found["like"].get("target", {})
        needed = [*needed, *(f"share {group}" for group in target)]
        if not set(needed) <= set(found["tables"].get(name, {}).get("columns", ())):
            yield f"table {name!r} lacks one of {', '.join(needed)}"


def compare(a: Report | Mapping[str, Any], b: Report | Mapping[str, Any]) -> Report:
    r"""Return how two reports of one kind differ, B minus A, with intervals.

    *Generations* are paired by prompt: the change of the mean imbalance over the prompts of both
    (`bbb_core.balance.mean_change`) and of each prompt (`change_by_prompt`), at the level of the
    reports. Of all others the intervals are subtracted, :math:`[l_B - h_A, h_B - l_A]`: if each of
    two intervals is right with probability :math:`c`, the difference lies inside with probability
    :math:`2c - 1` at least, whatever the two share (the same images, the same words); and with
    :math:`c` if the estimates are normal, since the error of a difference is at most the sum of
    both. *Embeddings* are also paired by occupation: the mean difference of the absolute gaps
    (`bbb_core.stats.mean_interval`).

    Parameters
    ----------
    a, b
        Reports, or what `read_report` returned.

    Raises
    ------
    InputError
        If they are of different kinds, levels or designs, or share no row.

    Examples
    --------
    >>> from bbb_core.balance import representational_balance
    >>> old, new = ({"woman": 80, "man": 20}, {"woman": 50, "man": 50})
    >>> made = [representational_balance(counts).report() for counts in (old, new)]
    >>> round(compare(*made).quantities[0].value, 2)
    -0.3
    """
    told = [one.to_json() if isinstance(one, Report) else one for one in (a, b)]
    _alike(*told)
    old, new = told
    level = old["confidence"] or math.nan
    if old["kind"] == "generations":
        quantities, table = _generations(old, new, level)
    else:
        level = 2 * level - 1
        table = _differences(old, new)
        quantities = [*_paired(old, new, level), *_subtracted(old, new)]
    if not quantities:
        raise InputError("A and B share no quantity that was measured; nothing can be compared.")
    main = table.frame
    side = "lower" if quantities[0].value < 0 else "higher"
    sure = quantities[0].low > 0 or quantities[0].high < 0
    at = f" at {level:.0%}" if level == level else ""
    both = "differ: B is " + side if sure else "are not shown to differ"
    rows = main.assign(label=[" − ".join(map(str, key)) for key in main[[*table.key]].to_numpy()])
    figures = [
        Forest.of("Differences, B minus A", f"With intervals that hold together{at}.", rows,
                  ("label", *table.estimate), {"no difference": 0.0}),
    ]  # fmt: skip
    return Report(
        kind="comparison",
        title=f"Comparison: {old['title']}",
        answer=f"A and B {both}. The {quantities[0].name} is {quantities[0]}{at}.",
        confidence=level,
        quantities=tuple(quantities),
        tables={"differences": table},
        figures=tuple(figures) if len(main) else (),
        caveats=(*_lost(old, new, len(main)), *(f"Of B: {said}" for said in new["caveats"])),
        terms=("interval",),
    )


def _alike(a: Mapping[str, Any], b: Mapping[str, Any]) -> None:
    """Refuse reports that cannot be compared, and say why."""
    for name in ("$schema", "kind", "confidence"):
        if a[name] != b[name]:
            raise InputError(
                f"A and B differ in {name} ({plain(str(a[name]))}, {plain(str(b[name]))}); compare "
                "reports of one command with the same options."
            )
    if a["$schema"] != FORMAT or a["kind"] == "comparison":
        raise InputError("A and B are comparisons or of another version; compare audits.")
    for name in sorted({*a["like"], *b["like"]}):
        one, other = a["like"].get(name), b["like"].get(name)
        if one != other:
            raise InputError(
                f"A and B differ in {plain(name)} ({plain(str(one))[:200]}, "
                f"{plain(str(other))[:200]}); audit both alike."
            )


def _main(report: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((t for t in report["tables"].values() if t["estimate"]), {})


def _keyed(table: Mapping[str, Any]) -> dict[tuple[Any, ...], dict[str, Any]]:
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table.get("rows", ())]
    return {tuple(row[name] for name in table["key"]): row for row in rows}


def _float(x: Any) -> float:
    if isinstance(x, (str, bool)):
        raise InputError(f"a report holds {plain(str(x))!r} where a number should be; repeat it.")
    return math.nan if x is None else float(x)


def _difference(name: str, old: list[Any], new: list[Any]) -> Quantity:
    (a, la, ha), (b, lb, hb) = (map(_float, three) for three in (old, new))
    return Quantity(name, b - a, lb - ha, hb - la)


def _subtracted(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Quantity]:
    ends = ("value", "low", "high")
    known = {q["name"]: q for q in old["quantities"] if not q["reason"]}
    return [
        _difference(f"difference of the {q['name']}", *([one[e] for e in ends]
                                                        for one in (known[q["name"]], q)))
        for q in new["quantities"]
        if not q["reason"] and q["name"] in known
    ]  # fmt: skip


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Table:
    import pandas as pd

    a, b = _keyed(_main(old)), _keyed(_main(new))
    key, estimate = (tuple(_main(old).get(name, ())) for name in ("key", "estimate"))
    rows = []
    for name in (name for name in a if name in b):
        d = _difference("", *([one[name][e] for e in estimate] for one in (a, b)))
        values = [a[name][estimate[0]], b[name][estimate[0]], d.value, d.low, d.high]
        rows.append([*name, *values])
    columns = [*key, "a", "b", "difference", "low", "high"]
    return Table(pd.DataFrame(rows, columns=columns), key, ("difference", "low", "high"))


def _paired(old: Mapping[str, Any], new: Mapping[str, Any], level: float) -> list[Quantity]:
    """Return the mean difference of the absolute gaps over the occupations of both encoders."""
    from bbb_core.stats import mean_interval

    if old["kind"] != "embeddings":
        return []
    a, b = (_keyed(one["tables"]["gaps"]) for one in (old, new))
    apart = [abs(_float(b[k]["beyond"])) - abs(_float(a[k]["beyond"])) for k in a if k in b]
    if len(apart) < 2:
        return []
    e = mean_interval(apart, confidence=level)
    return [Quantity("mean difference of the absolute gaps", e.value, e.low, e.high)]


def _generations(
    old: Mapping[str, Any], new: Mapping[str, Any], level: float
) -> tuple[list[Quantity], Table]:
    """Return the changes of the prompts of both, from the counts behind their shares."""
    from bbb_core.balance.by_prompt import change_by_prompt
    from bbb_core.balance.means import mean_change

    a, b = (_keyed(one["tables"]["balance"]) for one in (old, new))
    both, target = [name for name in a if name in b], old["like"]["target"]
    if not both:
        raise InputError("A and B share no prompt; compare audits of the same prompts.")
    counts = [
        np.rint([[_float(side[name][f"share {g}"]) * _float(side[name]["n"]) for g in target]
                 for name in both])
        for side in (a, b)
    ]  # fmt: skip
    pi = [_float(share) for share in target.values()]
    e = mean_change(*counts, target=pi, confidence=level)
    frame = change_by_prompt(
        *counts, prompts=[name[0] for name in both], target=pi, confidence=level
    ).rename(columns={"before": "a", "after": "b", "change": "difference"})
    made = Quantity("change of the mean imbalance", e.value, e.low, e.high)
    return [made], Table(frame.reset_index(), ("prompt",), ("difference", "low", "high"))


def _lost(old: Mapping[str, Any], new: Mapping[str, Any], both: int) -> tuple[str, ...]:
    sizes = [len(_keyed(_main(one))) for one in (old, new)]
    if sizes == [both, both]:
        return ()
    return (f"Compared are {both} rows that both have, of {sizes[0]} in A and {sizes[1]} in B.",)
