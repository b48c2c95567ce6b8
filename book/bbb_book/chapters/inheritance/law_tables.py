"""Tables of the chapter "A law of inheritance"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import logit

from bbb_book.chapters.inheritance.foretold import Generator, levels, ranks, rival_levels
from bbb_book.chapters.inheritance.generators import PLACES
from bbb_book.chapters.inheritance.law_claims import own_part
from bbb_book.results import say, show_number
from bbb_core.balance import plug_in_imbalance, sampling_floor
from bbb_core.stats import Estimate, mean_interval
from bbb_core.theory import inherited_log_odds

__all__ = [
    "generators_table",
    "guidance_table",
    "parts_of",
    "placements_table",
    "ranks_table",
    "rivals_table",
    "show_levels",
    "show_means",
    "show_parts",
    "show_switches",
]


def _said(e: Estimate, digits: int = 2) -> str:
    return f"{e.value:.{digits}f} [{e.low:.{digits}f}, {e.high:.{digits}f}]"


def _mean(values: np.ndarray, digits: int = 2) -> str:
    seen = values[np.isfinite(values)]
    return _said(mean_interval(seen), digits) if len(seen) > 1 else "too few"


def generators_table(generators: Sequence[Generator]) -> pd.DataFrame:
    """Return every generator's design, law and level: foretold, and drawn."""
    rows = []
    for g, (foretold, drawn) in zip(generators, levels(generators), strict=True):
        d, law = g.design, g.law
        rows.append(
            {
                "generator": f"{d.encoder}, {d.conditioning}" + (f", {d.size} px" * (d.size > 16)),
                "women in training": f"{d.women:g}",
                "noise": f"{d.noise:g}",
                "seed": str(d.seed),
                "slope": "too few read" if law is None else _said(law.slope, 1),
                "switch": "" if law is None else _said(law.switch),
                "position": f"{np.mean(g.values['t']):.2f}",
                "foretold": f"{foretold:.2f}",
                "drawn": f"{drawn:.2f}",
            }
        )
    return pd.DataFrame(rows).set_index("generator")


def rivals_table(generators: Sequence[Generator]) -> pd.DataFrame:
    """Return mean distances from the mean share drawn, over generators and over each kind.

    The last row takes the position of the *aligned* prompt, for tokens; it was not registered.
    """
    foretold, drawn = levels(generators).T
    tokens = np.array([g.design.conditioning == "tokens" for g in generators], bool)
    aligned = np.array([aligned_level(g) for g in generators])
    said = {
        "law of inheritance": foretold,
        **rival_levels(generators),
        "law, aligned position": np.where(tokens, aligned, np.nan),
    }
    kinds = {"all": tokens | ~tokens, "one vector": ~tokens, "tokens": tokens}
    rows = {
        name: {kind: _mean(abs(x - drawn)[of], 3) for kind, of in kinds.items()}
        for name, x in said.items()
    }
    return pd.DataFrame(rows).T.rename_axis("foretold by")


def aligned_level(g: Generator) -> float:
    """Return the mean share foretold at the positions of aligned prompts; NaN without tokens."""
    if "aligned" not in g.values["placed_t"]:
        return float("nan")
    return float(g.foretold("aligned").mean())


def ranks_table(generators: Sequence[Generator]) -> pd.DataFrame:
    """Return the mean rank correlation over occupations with the share drawn, by what ranks."""
    rows = {
        name: {
            "mean over generators": _mean(x),
            "generators": str(int(np.isfinite(x).sum())),
            "least": f"{np.nanmin(x):.2f}" if np.isfinite(x).any() else "",
            "largest": f"{np.nanmax(x):.2f}" if np.isfinite(x).any() else "",
        }
        for name, x in ranks(generators).items()
    }
    return pd.DataFrame(rows).T.rename_axis("ranked by")


def parts_of(g: Generator) -> tuple[float, float, float]:
    """Return log-odds of a generator: begotten, its own, and drawn at the mean share.

    Begotten is the mean over occupations. The drawn share is moved half an image off its ends.
    """
    begotten, _ = inherited_log_odds(g.values["t"], g.values["slope"], g.values["switch"])
    men, women = g.counts("neutral").sum(0) + 0.5
    return float(begotten.mean()), own_part(g), float(logit(women / (men + women)))


WITHIN = 0.1
"""Distance of foretold and drawn mean share up to which a generator is said to obey the law."""


def show_levels(generators: Sequence[Generator]) -> None:
    """Glue for how many generators the level is foretold within `WITHIN`, and where it is not."""
    error = abs(np.subtract(*levels(generators).T))
    beyond = [g for g, far in zip(generators, error > WITHIN, strict=True) if far]
    show_number("level-within", len(generators) - len(beyond), digits=0)
    show_number("level-beyond", len(beyond), digits=0)
    kinds = dict.fromkeys(g.design.kind for g in beyond)
    counts = {kind: sum(g.design.kind == kind for g in beyond) for kind in kinds}
    say("level-kinds", "; ".join(f"{kind} ({n})" for kind, n in counts.items()) or "none")
    say("level-worst", f"{error.max(initial=0):.2f}")
    for name, kind in (("level-vector", "pooled"), ("level-tokens", "tokens")):
        of = np.array([g.design.conditioning == kind for g in generators], bool)
        say(name, _mean(error[of], 3))


def show_parts(generators: Sequence[Generator]) -> None:
    """Glue whose doing the imbalance is, over the generators whose level is foretold well."""
    error = abs(np.subtract(*levels(generators).T))
    lawful = [g for g, e in zip(generators, error, strict=True) if e <= WITHIN]
    begotten, own, _ = np.array([parts_of(g) for g in lawful]).reshape(-1, 3).T
    show_number("parts-embedding", (abs(begotten) > abs(own)).sum(), digits=0)
    show_number("parts-own", (abs(begotten) <= abs(own)).sum(), digits=0)
    show_number("parts-against", (begotten * own < 0).sum(), digits=0)
    for name, part in (("parts-begotten", begotten), ("parts-own-size", own)):
        say(name, _mean(abs(part), 1))


def show_switches(generators: Sequence[Generator]) -> None:
    """Glue by how much seeds move the switch: the mean range over designs that differ by no more.

    Training share and size are held, one vector and tokens are told apart.
    """
    found: dict[str, dict[str, list[float]]] = {"pooled": {}, "tokens": {}}
    for g in generators:
        d = g.design
        same = f"{d.encoder} {d.women:g} {d.noise:g} {d.size}"
        found[d.conditioning].setdefault(same, []).append(g.values["switch"])
    for name, kind in (("switch-vector", "pooled"), ("switch-tokens", "tokens")):
        ranges = [max(each) - min(each) for each in found[kind].values() if len(each) > 1]
        say(name, f"{np.mean(ranges):.2f}" if ranges else "not measured")


def placements_table(generators: Sequence[Generator]) -> pd.DataFrame:
    """Return mean imbalance, as counted and with sampling taken off, and fidelity by placement."""
    rows = {}
    for place, how in PLACES.items():
        known = [g for g in generators if place in g.values["placed"]]
        if len(known) < 2:
            continue
        counted = np.array([plug_in_imbalance(g.counts(place) + 0.0).mean() for g in known])
        n = np.concatenate([g.counts(place).sum(1) for g in known])
        rows[place] = {
            "what": how,
            "imbalance": _mean(np.array([g.imbalances(place).mean() for g in known])),
            "as counted": f"{counted.mean():.2f}",
            "of a fair coin": f"{np.mean(sampling_floor(n)):.2f}",
            "right occupation": f"{np.mean([g.fidelity(place).mean() for g in known]):.3f}",
        }
    return pd.DataFrame(rows).T.rename_axis("placement")


def show_means(generators: Sequence[Generator]) -> None:
    """Glue two means over generators: rank by the first step, imbalance of equalised prompts."""
    say("first-step-rank", _mean(ranks(generators)["first step"]))
    say("placed-equalised", _mean(np.array([g.imbalances("equalised").mean() for g in generators])))


def guidance_table(generators: Sequence[Generator], weights: Sequence[float]) -> pd.DataFrame:
    """Return slope, switch, share and imbalance of guided generators, a row per weight."""
    rows = []
    for g in generators:
        if not g.guided_laws:
            continue
        laws = [g.law, *g.guided_laws]
        counts = [np.asarray(g.values["placed"]["neutral"]), *np.asarray(g.values["guided"])]
        for weight, law, table in zip((1.0, *weights), laws, counts, strict=True):
            pairs = table[:, :2]
            seen = pairs[pairs.sum(1) > 0]
            rows.append(
                {
                    "generator": str(g.design),
                    "guidance": f"{weight:g}",
                    "slope": "too few read" if law is None else _said(law.slope, 1),
                    "switch": "" if law is None else f"{law.switch.value:.2f}",
                    "share drawn": f"{(seen[:, 1] / seen.sum(1)).mean():.2f}" if len(seen) else "",
                    "read as nobody": f"{table[:, 2].sum() / table.sum():.2f}",
                }
            )
    return pd.DataFrame(rows)
