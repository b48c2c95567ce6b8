"""Reports of generators: certificates, calibrations, and audits by either (T0, T1, II.4)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bbb_core.report.of_balance import by_prompt
from bbb_core.report.parts import Curves, Forest, Quantity, Report, Row, Table

if TYPE_CHECKING:
    import pandas as pd

    from bbb_core.diffusion.calibration import Calibration
    from bbb_core.diffusion.model_audit import ModelAudit
    from bbb_core.diffusion.path_tv import Certificate
    from bbb_core.diffusion.sweep_audit import SweepAudit
    from bbb_core.stats.resampling import Estimate

__all__ = ["calibration", "certificate", "model", "prompts", "sweep"]

VACUOUS = (
    "A bound near 1 says nothing, neither balance nor imbalance: draw images, have them read, and "
    "use bbb audit generations."
)
EMPIRICAL = (
    "That the log-odds lie on a line, and that a prompt beside the way obeys it, is empirical: "
    "draw some of its pictures. Errors of whoever reads them move the switch too."
)


def certificate(found: Certificate) -> Report:
    """Tell of one certificate."""
    import pandas as pd

    row = {"tv": found.tv, "low": found.interval[0], "high": found.interval[1],
           "tv_bound": found.tv_bound, "n": found.n}  # fmt: skip
    return Report(
        kind="certificate",
        title="How far the images of two prompts can differ",
        answer=f"The total variation of the images is at most {found.tv_bound:.3f} at "
        f"{found.confidence:.0%}; that of the paths is estimated at {found.tv:.3f}.",
        confidence=found.confidence,
        quantities=(Quantity("total variation of the paths", found.tv, *found.interval),),
        tables={"certificate": Table(pd.DataFrame([row]), (), ())},
        figures=(
            Forest(
                "Total variation",
                f"Of the paths, with its interval; the short line is the bound for the images, "
                f"at {found.confidence:.0%}.",
                (Row("two prompts", found.tv, *found.interval, found.tv_bound),),
                {"alike": 0.0, "says nothing": 1.0}, "bound",
            ),
        ),
        caveats=(VACUOUS,) if found.vacuous else (),
        terms=("total variation", "interval"),
    )  # fmt: skip


def model(found: ModelAudit) -> Report:
    """Tell of the certificates of a neutral prompt."""
    table, least, level = found.by_group, found.imbalance_at_least, found.confidence
    if least is None:
        answer = (
            f"The prompts' images are too much alike for the assumed delta {found.delta:g}: it is "
            f"at least {found.delta_at_least:.3f}. Nothing that rests on it follows."
        )
    elif least > 0:
        answer = f"The neutral prompt is out of balance: its imbalance is at least {least:.3f}."
    else:
        answer = "Nothing is certified: the bounds allow balance, and do not show it."
    head = Quantity("certified imbalance", math.nan, math.nan, math.nan, "delta is refuted")
    if least is not None:
        head = Quantity("certified imbalance", least, least, math.nan)
    enough = 1 - found.delta - 1 / len(table)
    lines = {"alike": 0.0, "says nothing": 1.0}
    if least is not None and enough > 0:
        lines["certifies imbalance below"] = enough
    return Report(
        kind="certificates",
        title="Certified bounds on what a neutral prompt draws",
        answer=answer,
        confidence=level,
        quantities=(head,),
        tables={"groups": Table(table, ("group",), ("tv", "tv_low", "tv_high"))},
        figures=(
            Forest.of(
                "From the neutral prompt to each group's prompt",
                "Total variation of the paths with its interval; the short line is the certified "
                f"bound for the images. The bounds hold together at {level:.0%}.",
                table, ("group", "tv", "tv_low", "tv_high", "tv_upper"), lines, "bound",
            ),
        ),
        caveats=(
            *((VACUOUS,) if table["tv_upper"].max() > 0.9 else ()),
            f"Shares and imbalance rest on an assumption that was not measured here: each group's "
            f"prompt draws its group in at least {1 - found.delta:.0%} of its images.",
        ),
        terms=("total variation", "delta", "imbalance", "interval"),
        like={"groups": sorted(table["group"]), "delta": found.delta},
    )  # fmt: skip


def prompts(
    found: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], *, reader: str, delta: float
) -> Report:
    """Tell of the prompts of a file, drawn by one generator and read.

    Parameters
    ----------
    found
        See `of_balance.by_prompt`.
    tables
        ``balance``; ``named`` of `prompt_certificates.read_as_named`; with known errors of the
        reader ``corrected`` (`balance.by_prompt.corrected_by_prompt`); ``certificates``.
    reader
        Who or what read the pictures.
    delta
        Assumed by the certificates.
    """
    corrected, bounds = tables.get("corrected"), tables.get("certificates")
    level = found["confidence"]
    by_row = {"balance": tables["balance"].set_index("prompt")}
    base = by_prompt(found, by_row, read_by=corrected is not None)
    answer, quantities, figures = base.answer, list(base.quantities), list(base.figures)
    made = {"named": Table(tables["named"], ("prompt", "group"), ("read as named", "low", "high"))}
    caveats = [f"The pictures were read by {reader}.", *base.caveats]
    if corrected is not None:
        made["corrected"] = Table(corrected, ("prompt",), ("imbalance", "low", "high"))
        lost = int(corrected["imbalance"].isna().sum())
        if lost:
            caveats.append(
                f"No shares at all explain the readings of {lost} prompts: the reader treats these "
                "pictures otherwise than those that its errors are of."
            )
        else:
            ends = (corrected[x].mean() for x in ("imbalance", "low", "high"))
            name = f"{base.quantities[0].name}, corrected for the reader's errors"
            head = Quantity.of(name, ends)
            quantities.append(head)
            answer += f" Corrected for the reader's errors it is {head}."
        if lost < len(corrected):
            figures.append(Forest.of(
                "Imbalance, corrected for the reader's errors",
                f"With intervals that hold for all prompts together at {level:.0%}.",
                corrected.dropna(), ("prompt", "imbalance", "low", "high"), {"target": 0.0},
            ))  # fmt: skip
        caveats.append(
            "The reader's errors were measured on other pictures. That it errs alike on these is "
            "an assumption. With few images chance makes corrected imbalances too large; their "
            "intervals allow for it, and that of the mean adds up what holds for each prompt, so "
            "it is wide."
        )
    if bounds is not None:
        made["certificates"] = Table(bounds, ("prompt", "group"), ("tv", "tv_low", "tv_high"))
        label = bounds["prompt"] + " → " + bounds["group"]
        figures.append(Forest.of(
            "From each neutral prompt to its groups' prompts",
            "Total variation of the paths with its interval; the short line is the certified bound "
            f"for the images. All bounds hold together at {level:.0%}.",
            bounds.assign(label=label), ("label", "tv", "tv_low", "tv_high", "tv_upper"),
            {"alike": 0.0, "says nothing": 1.0}, "bound",
        ))  # fmt: skip
        refuted = bounds.loc[bounds["share_at_least"].isna(), "prompt"].nunique()
        caveats += [VACUOUS] if bounds["tv_upper"].max() > 0.9 else []
        caveats.append(
            f"Certified shares rest on an assumption: each group's prompt draws its group in at "
            f"least {1 - delta:.0%} of its images; the table “named” says what was read."
            + (f" It is refuted for {refuted} prompts." if refuted else "")
        )
    terms = () if bounds is None else ("total variation", "delta")
    return dataclasses.replace(
        base, title="What a generator draws for these prompts", answer=answer,
        quantities=tuple(quantities), tables={**base.tables, **made}, figures=tuple(figures),
        caveats=tuple(caveats), terms=(*base.terms, *terms),
    )  # fmt: skip


def _of(name: str, e: Estimate) -> Quantity:
    return Quantity.of(name, (e.value, e.low, e.high))


def _law(found: Calibration) -> tuple[Quantity, Quantity]:
    return _of("slope", found.slope), _of("switch", found.switch)


def calibration(found: Calibration) -> Report:
    """Tell of slope and switch."""
    import pandas as pd

    slope, switch = quantities = _law(found)
    rows = [(q.name, q.value, q.low, q.high) for q in quantities]
    return Report(
        kind="calibration",
        title="Slope and switch of a generator",
        answer=f"{_balanced(found)} The slope is {slope}.",
        confidence=found.slope.confidence,
        quantities=quantities,
        tables={
            "law": Table(pd.DataFrame(rows, columns=["quantity", "value", "low", "high"]),
                         ("quantity",)),
        },
        figures=(
            Curves("The fitted law", "Share of the second group along the way.", "position",
                   "share", {}, _line(found), _switch(switch.value)),
        ),
        caveats=(EMPIRICAL,),
        terms=("position", "slope", "switch", "interval"),
    )  # fmt: skip


def _line(law: Calibration) -> tuple[tuple[float, float], ...]:
    """Return points of the fitted law; none where the slope is zero and no switch follows."""
    if not math.isfinite(law.switch.value):
        return ()
    return tuple((i / 40, float(law.share(i / 40))) for i in range(41))


def _balanced(law: Calibration) -> str:
    if not math.isfinite(law.switch.value):
        return "There is no position at which both groups are known to be drawn alike."
    return f"Both groups are drawn alike at position {_law(law)[1]}."


def _switch(t: float) -> dict[str, float]:
    return {"switch": t} if 0 <= t <= 1 else {}


def sweep(found: SweepAudit) -> Report:
    """Tell of a sweep that was read."""
    law, points, prompts = found.law, found.points, found.prompts
    level = law.slope.confidence
    names = [c.removeprefix("read as ") for c in points.columns if c.startswith("read as ")]
    head, where, ends = _foretold(found, level)
    drawn = points[points["share"].notna()]
    bent = found.lack_of_fit <= 1 - level
    main = prompts.assign(family_low=ends[0], family_high=ends[1])
    return Report(
        kind="sweep",
        title="What the embedding begot, and what is the generator's own",
        answer=f"The prompt “{where}” is foretold to be furthest from balance, with an "
        f"imbalance of {head}. {_balanced(law)}",
        confidence=level,
        quantities=(head, *_law(law), _of("the generator's own log-odds", found.own)),
        tables={
            "prompts": Table(main, ("prompt",), ("share", "family_low", "family_high")),
            "points": Table(points, ("position",)),
        },
        figures=(
            Forest.of(
                f"Foretold share of {names[1]}",
                f"With intervals that hold for all prompts together at {level:.0%}.",
                main, ("prompt", "share", "family_low", "family_high"), {"balance": 0.5},
            ),
            Curves(
                "The sweep and the fitted law",
                f"Share of {names[1]} among the pictures read, at each point of the way.",
                "position", f"share of {names[1]}",
                {"pictures": tuple(zip(drawn["position"].tolist(), drawn["share"].tolist(),
                                       strict=True))},
                _line(law), _switch(float(law.switch.value)),
            ),
        ),
        caveats=(
            *(("The log-odds do not lie on a line: foretold shares are not to be trusted.",)
              if bent else ()),
            EMPIRICAL,
            *((f"{len(main)} prompts are compared: family_low and family_high allow for that, low "
               "and high hold for one prompt alone.",) if len(main) > 1 else ()),
        ),
        terms=("position", "slope", "switch", "share", "imbalance", "interval"),
        like={"groups": names},
    )  # fmt: skip


def _foretold(found: SweepAudit, level: float) -> tuple[Quantity, Any, tuple[Any, Any]]:
    """Return the largest foretold imbalance, whose it is, and the limits of all shares together."""
    import numpy as np

    from bbb_core.diffusion.foretelling import foretold_share

    counts = found.points[[c for c in found.points if c.startswith("read as ")]].to_numpy()
    each = 1 - (1 - level) / len(found.prompts)
    share = foretold_share(
        found.points["position"], counts, found.prompts["position"], confidence=each
    )
    low, high = share.low - 0.5, share.high - 0.5
    near = np.maximum(np.maximum(low, -high), 0)
    value = np.abs(share.value - 0.5)
    largest = (x.max() for x in (value, near, np.maximum(high, -low)))
    head = Quantity.of("largest foretold imbalance", largest)
    return head, found.prompts["prompt"][value.argmax()], (share.low, share.high)
