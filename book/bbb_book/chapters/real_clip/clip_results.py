"""Stored results of the chapter on real CLIP, and the words that its page takes from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from bbb_book.chapters.real_clip.object_words import NAMES, measure_objects, read_word_sets
from bbb_book.chapters.real_clip.picture_gaps import measure_pictures
from bbb_book.data import published
from bbb_book.data.recorded import origin, recorded, tables
from bbb_book.results.artefacts import Artefact
from bbb_book.results.rules import NOT_MEASURED
from bbb_book.results.unmeasured import say, show_or_say
from bbb_core.embedding.load import load_encoder
from bbb_core.stats import Estimate

__all__ = [
    "ABSENT", "MODELS", "ends", "finding", "objects", "pictures", "show_objects", "show_order",
    "show_pictures", "standing", "weat_table", "word_set_table", "yardstick_table",
]  # fmt: skip

ABSENT = "Not measured: neither the published files nor results stored from them are at hand."
PICTURES = {"scores": "mj-bench-bias", "counts": "fair-diffusion-generated"}
MODELS = {"ViT-B/32": "clip-vitb32-classes", "RN50": "clip-rn50-classes"}
"""Published text vectors by the CLIP they come from."""


def pictures(source: str, **parameters: Any) -> Artefact | None:
    """Return `measure_pictures` of the published scores, stored; None if it cannot be had."""
    return recorded(
        "real-clip-pictures",
        measure_pictures,
        source=source,
        sources={name: name for name in PICTURES.values()},
        read=lambda: tables(PICTURES),
        parameters=parameters,
    )


def objects(source: str, **parameters: Any) -> Artefact | None:
    """Return `measure_objects` of the published text vectors, stored; None if it cannot be had."""

    def read() -> Mapping[str, Any]:
        rows = {model: published.path(name) for model, name in MODELS.items()}
        specs = {model: f"table:{path}:{NAMES}" for model, path in rows.items()}
        return {"encoders": {model: load_encoder(spec) for model, spec in specs.items()}}

    return recorded(
        "real-clip-objects",
        measure_objects,
        source=source,
        sources={name: name for name in MODELS.values()},
        read=read,
        parameters=parameters,
    )


def standing(found: Artefact, *, confidence: float = 0.95) -> pd.DataFrame:
    """Return the occupations whose gap differs from zero after Holm's correction."""
    gaps = found["occupations"]
    return gaps[gaps["p_holm"] <= 1 - confidence]


def finding(found: Artefact | None, claim_id: str) -> tuple[Estimate | None, int | None]:
    """Return (estimate, n) of a claim, or (None, None) without results."""
    if found is None:
        return None, None
    if claim_id == "clip-occupation-image-bias":
        s = found["summary"]
        return Estimate(s["tau"], s["tau_low"], s["tau_high"]), len(found["occupations"])
    if claim_id == "clip-image-order-labour":
        r = found["correlations"]["labour"]
        return Estimate(r["value"], r["low"], r["high"]), r["n"]
    count = len(found["summary"]["standing"])
    return Estimate(count, count, count), len(found["tests"]) // len(MODELS)


def ends(things: pd.DataFrame, *, size: int, pole: str = "adults") -> tuple[list[str], list[str]]:
    """Return the things nearest to the words for men and for women, by mean rank over models."""
    columns = [name for name in things if str(name).endswith(pole)]
    order = things[columns].rank().mean(axis=1).sort_values(kind="stable").index
    return list(order[:size]), list(order[-size:][::-1])


def _show(name: str, row: Mapping[str, float] | None, *, digits: int = 2) -> None:
    """Glue an estimate as NAME and its interval as NAME-interval."""
    if row is None:
        say(name, NOT_MEASURED)
        say(f"{name}-interval", "(no interval)")
        return
    show_or_say(name, row["value"], digits=digits)
    say(f"{name}-interval", f"[{row['low']:.{digits}f}, {row['high']:.{digits}f}]")


def _listed(names: Iterable[str]) -> str:
    words = [name.casefold() if name.istitle() else name for name in names]
    return "none" if not words else " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def show_pictures(found: Artefact | None, *, confidence: float) -> None:
    """Glue what the prose says of pictures."""
    say("clip-status", origin(found, absent=ABSENT))
    numbers: dict[str, tuple[float | None, int]] = dict.fromkeys(_PICTURES, (None, 0))
    words = dict.fromkeys(("clip-men", "clip-women", "clip-lowest", "clip-highest"), NOT_MEASURED)
    words |= dict.fromkeys(("clip-labour-own", "clip-labour-last", "clip-drawn-names"), "none")
    rows: dict[str, Any] = dict.fromkeys(("clip-mean", "clip-reliability", "clip-drawn"))
    if found is not None:
        gaps, s, kept = found["occupations"], found["summary"], standing(found)
        wide = (gaps["wide_low"] > 0) | (gaps["wide_high"] < 0)
        numbers = {
            "clip-occupations": (len(gaps), 0), "clip-pairs": (gaps["pairs"].sum(), 0),
            "clip-fewest": (gaps["pairs"].min(), 0), "clip-most": (gaps["pairs"].max(), 0),
            "clip-q": (s["q"], 0), "clip-q-own": (s["q_own"], 0), "clip-df": (len(gaps) - 1, 0),
            "clip-survivors": (len(kept), 0), "clip-wide": (wide.sum(), 0),
            "clip-error": (s["equal_pairs"], 3), "clip-low-gap": (gaps["gap"].iloc[0], 3),
            "clip-high-gap": (gaps["gap"].iloc[-1], 3),
        }  # fmt: skip
        known = gaps[gaps["labour"] != ""]
        own = known["labour"].to_numpy() == known.index.str.casefold()
        words = {
            "clip-men": _listed(kept.index[kept["gap"] < 0]),
            "clip-women": _listed(kept.index[kept["gap"] > 0]),
            "clip-lowest": _listed(gaps.index[:1]), "clip-highest": _listed(gaps.index[-1:]),
            "clip-labour-own": _listed(known.index[own]),
            "clip-labour-last": _listed(known.index[~own]),
            "clip-drawn-names": _listed(gaps.index[np.isfinite(gaps["share_drawn"])]),
        }  # fmt: skip
        rows = {
            "clip-mean": {"value": s["mean"], "low": s["low"], "high": s["high"]},
            "clip-reliability": found["correlations"]["reliability"],
            "clip-drawn": found["correlations"]["drawn"],
        }
    for name, (value, digits) in numbers.items():
        show_or_say(name, value, digits=digits)
    for name, text in words.items():
        say(name, text)
    for name, row in rows.items():
        _show(name, row, digits=3 if name == "clip-mean" else 2)
    show_or_say("clip-drawn-n", None if found is None else rows["clip-drawn"]["n"], digits=0)
    say("clip-level", f"{100 * confidence:g} %")


_PICTURES = (
    "clip-occupations", "clip-pairs", "clip-fewest", "clip-most", "clip-q", "clip-q-own",
    "clip-df", "clip-survivors", "clip-wide", "clip-error", "clip-low-gap", "clip-high-gap",
)  # fmt: skip
_AGREEMENTS = {
    "things-agreement": "adults", "things-agreement-children": "children",
    "things-poles-vit": "ViT-B/32", "things-poles-rn": "RN50",
}  # fmt: skip


def show_objects(found: Artefact | None, *, shown: int = 5) -> None:
    """Glue what the prose says of things; `shown` names at either end."""
    for name, key in _AGREEMENTS.items():
        _show(name, None if found is None else found["summary"]["agreement"][key])
    if found is None:
        for name in ("things-n", "things-least-p", "things-largest"):
            show_or_say(name, None)
        for name in ("things-men", "things-women", "things-standing", "things-cosines"):
            say(name, NOT_MEASURED)
        return
    tests, summary = found["tests"], found["summary"]
    men, women = ends(found["things"], size=shown)
    cosines = [summary["poles"][f"{model} adults"] for model in MODELS]
    show_or_say("things-n", len(found["things"]), digits=0)
    show_or_say("things-least-p", tests["p_holm"].min(), digits=2)
    show_or_say("things-largest", tests["effect"].abs().max(), digits=2)
    say("things-men", _listed([name.title() for name in men]))
    say("things-women", _listed([name.title() for name in women]))
    say("things-standing", "; ".join(summary["standing"]) or "none")
    say("things-cosines", " and ".join(f"{c:.2f}" for c in cosines))


def show_order(orders: pd.DataFrame | None) -> None:
    """Glue the rank correlation with the first text encoder."""
    _show("clip-encoder", None if orders is None else orders.iloc[0].to_dict())
    say("clip-encoder-name", NOT_MEASURED if orders is None else str(orders.index[0]))


def yardstick_table(found: Artefact | None, orders: pd.DataFrame | None) -> Any:
    """Tabulate the rank correlation of the picture gaps with every yardstick."""
    if found is None or orders is None:
        return ABSENT
    names = {"labour": "women in US employment", "drawn": "women drawn by Stable Diffusion 1.5"}
    rows = {text: found["correlations"][key] for key, text in names.items()}
    rows |= {f"gap in {name}": row for name, row in orders.iterrows()}
    return pd.DataFrame(
        [
            {"yardstick": name, "occupations": int(row["n"]), "Spearman": f"{row['value']:.2f}",
             "interval": f"[{row['low']:.2f}, {row['high']:.2f}]"}
            for name, row in rows.items()
        ]
    ).style.hide(axis="index")  # fmt: skip


def word_set_table() -> Any:
    """Tabulate the published sets and their members among the classes."""
    sets = read_word_sets(NAMES.read_text(encoding="utf-8").splitlines())
    return pd.DataFrame(
        [
            {"set": sets.titles[key], "words": len(sets.published[key]),
             "members": ", ".join(word.casefold() for word in found)}
            for key, found in sets.members.items()
        ]
    ).style.hide(axis="index")  # fmt: skip


def weat_table(found: Artefact | None) -> Any:
    """Tabulate the object WEATs: effect sizes, exact p-values, adjusted ones."""
    if found is None:
        return ABSENT
    t = found["tests"]
    return pd.DataFrame(
        {
            "CLIP": t["model"],
            "to women": t["women"],
            "to men": t["men"],
            "effect": t["effect"].map("{:+.2f}".format),
            "adults": t["effect_adults"].map("{:+.2f}".format),
            "children": t["effect_children"].map("{:+.2f}".format),
            "p": t["p_value"].map("{:.3f}".format),
            "least p": t["least"].map("{:.1g}".format),
            "adjusted": t["p_holm"].map("{:.2f}".format),
        }
    ).style.hide(axis="index")  # fmt: skip
