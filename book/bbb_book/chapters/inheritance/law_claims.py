"""Claims of the chapter "A law of inheritance", from its generators."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import optimize, stats
from scipy.special import logit

from bbb_book.chapters.inheritance.foretold import Generator, levels, ranks, rival_levels, shares_of
from bbb_book.results import Record, record_or_say
from bbb_core.stats import Estimate, crossed_mean_interval, mean_interval
from bbb_core.theory import inherited_log_odds, inherited_share

__all__ = [
    "intraclass_correlation",
    "jackknife_ratio",
    "record_dose",
    "record_guidance",
    "record_level",
    "record_midpoint",
    "record_occupations",
    "record_placement",
    "record_switch_origin",
    "record_training_share",
    "training_triples",
]

REPAIRS = ("neutral", "projected", "equalised", "averaged")
"""Placements that use the embedding alone."""
FEW = "fewer than two generators of this kind were calibrated"


def _mean(claim: str, values: Any) -> Record | None:
    x = np.asarray(values, float)
    x = x[np.isfinite(x)]
    found = mean_interval(x) if len(x) > 1 else None
    return record_or_say(claim, found, len(x), reason=FEW)


def record_level(generators: Sequence[Generator]) -> tuple[Record | None, Record | None]:
    """Record ``inheritance-level`` and ``inheritance-rivals``."""
    foretold, drawn = levels(generators).T
    error = abs(foretold - drawn)
    first = _mean("inheritance-level", error)
    if len(error) < 2:
        return first, record_or_say("inheritance-rivals", None, reason=FEW)
    rivals = [error - abs(said - drawn) for said in rival_levels(generators).values()]
    return first, _largest(
        "inheritance-rivals", [mean_interval(x, confidence=0.975) for x in rivals], len(error)
    )


def _largest(claim: str, found: Sequence[Estimate], n: int) -> Record | None:
    """Record the largest of estimates whose intervals hold together."""
    ends = [max(getattr(e, name) for e in found) for name in ("value", "low", "high")]
    return record_or_say(claim, Estimate(*ends), n)


def record_occupations(generators: Sequence[Generator]) -> tuple[Record | None, Record | None]:
    """Record ``inheritance-occupations`` and ``inheritance-own-switches``."""
    found = ranks(generators)
    common, own = found["position"], found["position minus own switch"]
    return _mean("inheritance-occupations", common), _mean("inheritance-own-switches", own - common)


def record_dose(generators: Sequence[Generator]) -> tuple[Record | None, Record | None]:
    """Record ``inheritance-dose`` and ``inheritance-across``."""
    drawn, foretold, along, across = [], [], [], []
    for g in generators:
        v = g.values
        ends = np.asarray(v["along"])[[0, -1], :, :2]
        share = shares_of(ends)
        drawn.append(np.nanmean(share[1]) - np.nanmean(share[0]))
        law = inherited_share(np.asarray(v["along_t"])[[0, -1]], v["slope"], v["switch"])
        foretold.append(law[1].mean() - law[0].mean())
        along.append(_squared_change(ends))
        across.append(_squared_change(np.asarray(v["across"])[..., :2]))
    n = len(drawn)
    if n < 3:
        return tuple(
            record_or_say(c, None, reason=FEW) for c in ("inheritance-dose", "inheritance-across")
        )  # type: ignore[return-value]
    return (
        record_or_say("inheritance-dose", jackknife_ratio(drawn, foretold), n),
        record_or_say("inheritance-across", jackknife_ratio(across, along), n),
    )


def _squared_change(ends: np.ndarray) -> float:
    """Return the mean over occupations of squared changes of shares, sampling taken off.

    Of counts [2, 20, 2]: the square of a difference of two shares exceeds that of the truth by
    both variances on average, which p (1 - p) / (n - 1) estimates without bias.
    """
    share, n = shares_of(ends), ends.sum(-1).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        noise = share * (1 - share) / (n - 1)
    squares = (share[1] - share[0]) ** 2 - noise.sum(0)
    return float(np.mean(squares[np.isfinite(squares)]))


def jackknife_ratio(above: Any, below: Any, *, confidence: float = 0.95) -> Estimate:
    """Return the ratio of two means over the same units, with the jackknife's interval.

    Examples
    --------
    >>> e = jackknife_ratio([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
    >>> e.value, e.low, e.high
    (0.5, 0.5, 0.5)
    """
    x, y = np.asarray(above, float), np.asarray(below, float)
    n, value = len(x), x.mean() / y.mean()
    left = (x.sum() - x) / (y.sum() - y)
    error = np.sqrt((n - 1) / n * ((left - left.mean()) ** 2).sum())
    reach = float(stats.t.ppf((1 + confidence) / 2, n - 1) * error)
    return Estimate(float(value), float(value) - reach, float(value) + reach, confidence)


def record_midpoint(generators: Sequence[Generator]) -> Record | None:
    """Record ``inheritance-midpoint``."""
    foretold, drawn = levels(generators, "equalised").T
    return _mean("inheritance-midpoint", abs(foretold - drawn))


def own_part(g: Generator) -> float:
    """Return a generator's own log-odds, k (1/2 - t*)."""
    return float(inherited_log_odds(0.5, g.values["slope"], g.values["switch"])[1])


def training_triples(generators: Sequence[Generator]) -> dict[str, dict[float, Generator]]:
    """Return generators that differ by the training share alone, where there are three."""
    found: dict[str, dict[float, Generator]] = defaultdict(dict)
    for g in generators:
        d = g.design
        found[f"{d.kind}, seed {d.seed}, {d.size} px"][d.women] = g
    return {name: triple for name, triple in found.items() if len(triple) == 3}


def record_training_share(generators: Sequence[Generator]) -> Record | None:
    """Record ``inheritance-training-share``."""
    slopes = []
    for triple in training_triples(generators).values():
        shares = np.array(sorted(triple))
        own = [own_part(triple[share]) for share in shares]
        slopes.append(np.polyfit(logit(shares), own, 1)[0])
    return _mean("inheritance-training-share", slopes)


def record_switch_origin(generators: Sequence[Generator]) -> Record | None:
    """Record ``inheritance-switch-origin``."""
    even = [g for g in generators if g.design.women == 0.5 and g.design.size == 16]
    kinds = [g.design.kind for g in even]
    found = None
    if 2 <= len(set(kinds)) < len(kinds):
        found = intraclass_correlation([g.values["switch"] for g in even], kinds)
    return record_or_say("inheritance-switch-origin", found, len(even), reason=FEW)


def intraclass_correlation(
    values: Any, groups: Sequence[str], *, confidence: float = 0.95
) -> Estimate:
    r"""Return the share of variance that lies between groups of unequal size.

    One-way random effects: a value is a group's effect plus an error, both normal, with variances
    :math:`\theta \sigma^2` and :math:`\sigma^2`; the share is :math:`\theta / (1 + \theta)`. With
    weights :math:`w_i = n_i / (1 + n_i \theta)`, the weighted squares of group means about their
    weighted mean, divided by m - 1, over the mean square within follow an F law at the true
    :math:`\theta` :cite:`wald1940`; the interval holds the :math:`\theta \ge 0` that it accepts,
    the value is where the ratio is one.

    Examples
    --------
    >>> e = intraclass_correlation([0.0, 0.2, 5.0, 5.2, 9.0, 9.2], list("aabbcc"))
    >>> round(e.value, 3), e.low > 0.9
    (0.999, True)
    """
    x, labels = np.asarray(values, float), np.unique(np.asarray(groups), return_inverse=True)[1]
    n = np.bincount(labels)
    means = np.bincount(labels, x) / n
    inside = float(((x - means[labels]) ** 2).sum()) / (len(x) - len(n))

    def ratio(theta: float) -> float:
        w = n / (1 + n * theta)
        centre = (w * means).sum() / w.sum()
        return float((w * (means - centre) ** 2).sum()) / (len(n) - 1) / inside

    def share(quantile: float) -> float:
        if ratio(0.0) <= quantile:
            return 0.0
        top = 1.0
        while ratio(top) > quantile:
            top *= 2
        theta = float(optimize.brentq(lambda h: ratio(h) - quantile, 0.0, top))
        return theta / (1 + theta)

    ends = stats.f.ppf([(1 - confidence) / 2, (1 + confidence) / 2], len(n) - 1, len(x) - len(n))
    return Estimate(share(1.0), share(float(ends[1])), share(float(ends[0])), confidence)


def record_placement(generators: Sequence[Generator]) -> tuple[Record | None, ...]:
    """Record ``inheritance-placement``, ``inheritance-line`` and ``inheritance-fidelity``."""
    names = ("inheritance-placement", "inheritance-line", "inheritance-fidelity")
    if len(generators) < 2:
        return tuple(record_or_say(name, None, reason=FEW) for name in names)
    n = len(generators)
    tables = {
        place: np.array([g.imbalances(place) for g in generators])
        for place in (*REPAIRS, "shifted", "own switch")
    }
    own = tables["own switch"]
    gains = [crossed_mean_interval(own - tables[r], confidence=1 - 0.05 / 4) for r in REPAIRS]
    right = np.array([g.fidelity("own switch") - g.fidelity("neutral") for g in generators])
    return (
        _largest(names[0], gains, n),
        record_or_say(names[1], crossed_mean_interval(own - tables["shifted"]), n),
        record_or_say(names[2], crossed_mean_interval(right), n),
    )


def record_guidance(generators: Sequence[Generator]) -> Record | None:
    """Record ``inheritance-guidance``: the first weight beside 1."""
    found = []
    for g in generators:
        if g.guided_laws and g.guided_laws[0] is not None and g.guided_laws[0].slope.value > 0:
            found.append(np.log(g.guided_laws[0].slope.value / g.values["slope"]))
    return _mean("inheritance-guidance", found)
