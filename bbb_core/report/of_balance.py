"""Reports of the balance of generated groups: of one sample, and prompt by prompt (D2)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bbb_core.report.parts import Forest, Quantity, Report, Table

if TYPE_CHECKING:
    import pandas as pd

    from bbb_core.balance.shares import Balance

__all__ = ["balance", "by_prompt"]

WIDE = 0.4
"""An interval of an imbalance that reaches from 0 to here settles nothing."""
READ = (
    "Groups are what a reader saw in the images, not what anybody is. The error rates of this "
    "reader are not known here, and they move every share: measure them, and pass them as "
    "--confusion (bbb_core.balance.correct_labels)."
)


def balance(found: Balance) -> Report:
    """Tell of one sample."""
    import pandas as pd

    ends = [found.share_intervals[name] for name in found.shares]
    frame = pd.DataFrame(
        {
            "group": list(found.shares), "share": list(found.shares.values()),
            "low": [low for low, _ in ends], "high": [high for _, high in ends],
            "target": [found.target[name] for name in found.shares],
        }
    )  # fmt: skip
    quantity = Quantity("imbalance", found.imbalance, *found.interval)
    verdict = (
        "The groups are not drawn at their target shares"
        if found.interval[0] > 0
        else f"{found.n} images do not settle whether the groups are drawn at their target shares"
    )
    return Report(
        kind="balance",
        title="Balance of generated groups",
        answer=f"{verdict}: the imbalance is {quantity}; balance would show {found.floor:.3f} "
        "by chance.",
        confidence=found.confidence,
        quantities=(quantity,),
        tables={"groups": Table(frame, ("group",), ("share", "low", "high"))},
        figures=(
            Forest.of(
                "Shares of the groups",
                f"Shares of {found.n} images with intervals that hold together at "
                f"{found.confidence:.0%}; the short line is the target.",
                frame, ("group", "share", "low", "high", "target"), mark="target",
            ),
        ),
        caveats=(READ, *_few([(found.n, *found.interval)])),
        terms=("share", "imbalance", "floor", "interval"),
        like={"target": found.target},
    )  # fmt: skip


def by_prompt(
    found: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], *, read_by: bool
) -> Report:
    """Tell of many prompts.

    Parameters
    ----------
    found
        ``target``, ``confidence``, ``prompts``, ``images``, ``detected`` and, with several prompts,
        ``mean`` and ``mean corrected`` with their ends, and ``floor``.
    tables
        ``balance`` of `balance_by_prompt` with a column ``share NAME`` per group, and others, all
        with the prompts as their index.
    read_by
        Whether the error rates of the reader are known.
    """
    level, m = found["confidence"], found["prompts"]
    frames = {name: table.reset_index() for name, table in tables.items()}
    main = frames["balance"]
    if "mean" in found:
        e = found["mean corrected"]
        head = Quantity("mean imbalance over these prompts", e["value"], e["low"], e["high"])
        floor = found["floor"]
    else:
        row = main.iloc[0]
        head = Quantity.of("imbalance", (row[x] for x in ("imbalance", "low", "high")))
        floor = float(row["floor"])
    keys = {"balance": ("imbalance", "low", "high"), "change": ("change", "low", "high")}
    n, none = int(found["detected"]), "None of the prompts is"
    verdict = (
        f"{n} of {m} prompts {'is' if n == 1 else 'are'}" if n else none if m > 1 else "It is not"
    )
    spans = zip(main["n"], main["low"], main["high"], strict=True)
    return Report(
        kind="generations",
        title="Balance of generated images",
        answer=f"{verdict} detectably out of balance. The {head.name} is {head}; a balanced "
        f"generator would show {floor:.3f} by chance.",
        confidence=level,
        quantities=(head,),
        tables={
            name: Table(frame, ("prompt",), keys.get(name, ())) for name, frame in frames.items()
        },
        figures=(
            Forest.of(
                "Imbalance of each prompt",
                f"Imbalance with exact intervals that hold for all prompts together at {level:.0%}."
                " The short line is the floor, what balance would show by chance; the target is 0,"
                f" at shares of {_shares(found['target'])}.",
                main, ("prompt", "imbalance", "low", "high", "floor"), {"target": 0.0}, "floor",
            ),
        ),
        caveats=(
            *(() if read_by else (READ,)),
            *_few(list(spans)),
            *(
                ("With fewer than five prompts, their mean says little about other prompts.",)
                if 1 < m < 5
                else ()
            ),
            *(
                (f"{m} prompts are compared: intervals hold together (Bonferroni), and p-values "
                 "p_holm are Holm's. A prompt that is not detected is not shown to be balanced.",)
                if m > 1
                else ()
            ),
        ),
        terms=("share", "imbalance", "floor", "interval", "Holm's correction"),
        like={"target": dict(found["target"])},
    )  # fmt: skip


def _shares(target: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.3g}" for name, share in target.items())


def _few(spans: list[tuple[Any, ...]]) -> tuple[str, ...]:
    """Say how many samples are too small for a verdict: (images, low, high) each."""
    open_ = [n for n, low, high in spans if low <= 0 and high >= WIDE and math.isfinite(high)]
    if not open_:
        return ()
    who = "" if len(spans) == 1 else f" of {len(open_)} of {len(spans)} prompts"
    return (
        f"Too few images{who} for a verdict (the fewest: {min(open_):.0f}): the interval of the "
        f"imbalance reaches from 0 to {WIDE} or beyond.",
    )
