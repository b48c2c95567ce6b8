"""A whole audit of one encoder: gaps, intervals, baseline and labour shares in one report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from bbb_core import checks, prompts
from bbb_core.embedding.crossed import (
    GAP_ROUNDING,
    GapTable,
    baseline_rank,
    family_gaps,
    measure_gaps,
    summarise_gaps,
)
from bbb_core.embedding.encoder import Encoder
from bbb_core.embedding.labour import shares_of
from bbb_core.errors import InputError
from bbb_core.report.shown import Shown
from bbb_core.rng import generator
from bbb_core.stats.correlations import correlation, correlation_test

__all__ = ["EmbeddingAudit", "Plan", "audit_embeddings"]

_FEMALE = {prompts.word_pair(p)[0] for p in (*prompts.GENDER_PAIRS, *prompts.GENDER_NOUN_PAIRS)}
_RANKED = 10  # baseline nouns from which on a rank among them says something


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to ask of an encoder.

    Parameters
    ----------
    occupations
        Distinct nouns.
    templates
        Neutral templates, crossed with the pairs.
    pairs
        Word pairs such as "female/male"; each gap is the first minus the second.
    groups
        Instead of pairs: whole templates by the name of the group (then one neutral template). The
        gap is the first group minus each of the others.
    place
        See `bbb_core.prompts.families`.
    baseline
        Nouns whose mean gap is subtracted, cell by cell; none to compare with zero.
    """

    occupations: tuple[str, ...]
    templates: tuple[str, ...]
    pairs: tuple[str, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)
    place: Literal["before", "alone"] = "before"
    baseline: tuple[str, ...] = prompts.PERSON_NOUNS

    def __post_init__(self) -> None:
        if bool(self.pairs) == bool(self.groups):
            raise InputError("give either word pairs or groups.")
        if self.groups and len(self.groups) < 2:
            raise InputError(f"groups must name at least two, not only {list(self.groups)}.")
        if self.groups and len(self.templates) != 1:
            raise InputError("groups given as whole templates need exactly one neutral template.")
        for name, found in (("templates", self.templates), ("pairs", self.pairs)):
            counted = Counter(found)
            for one in found:
                if counted[one] > 1:
                    raise InputError(f"{name} names {one!r} more than once; give it once.")
        self.texts()  # every prompt must be well formed before a model is loaded

    def texts(self) -> list[str]:
        """Every prompt that the audit will embed, for somebody who embeds them elsewhere."""
        return list(self._texts)

    @cached_property
    def _texts(self) -> dict[str, None]:
        found: dict[str, None] = {}
        for nouns in filter(None, (self.occupations, self.baseline)):
            for template in self.templates:
                for groups in self._groups():
                    made = (
                        prompts.families_from_templates(nouns, neutral=template, groups=groups)
                        if self.groups
                        else prompts.families(
                            nouns, template=template, groups=groups, place=self.place
                        )
                    )
                    found.update((text, None) for family in made.values() for text in family)
        return found

    def _groups(self) -> list[dict[str, str]]:
        if self.groups:
            return [dict(self.groups)]
        return [dict(zip(("a", "b"), prompts.word_pair(pair), strict=True)) for pair in self.pairs]

    @property
    def contrasts(self) -> tuple[str, ...]:
        """The comparisons that the report shows, such as "woman - man"."""
        if not self.groups:
            return ("first - second",)
        first, *others = self.groups
        return tuple(f"{first} - {other}" for other in others)

    @property
    def about_women(self) -> bool:
        """Whether a larger gap means nearer to women, so that labour shares can be compared."""
        firsts = [prompts.word_pair(p)[0] for p in self.pairs] or list(self.groups)[:1]
        return all(word.lower() in _FEMALE | {"women"} for word in firsts)


@dataclass(frozen=True, kw_only=True)
class EmbeddingAudit(Shown):
    """What an audit found.

    Attributes
    ----------
    table
        One row per occupation and contrast; ``low`` and ``high`` hold for one row, ``family_low``
        and ``family_high`` for all together; ``position`` is 0 at the prompts of the first group
        and 1 at those of the second (`position`), a mean over templates and pairs: a larger gap
        goes with a smaller position.
    summary
        Counts, baseline and correlation with labour shares, ready for JSON.
    """

    table: pd.DataFrame
    summary: dict[str, Any]


def audit_embeddings(
    encoder: Encoder, plan: Plan, *, confidence: float = 0.95, seed: int = 0
) -> EmbeddingAudit:
    """Measure an encoder as a plan says.

    Returns
    -------
    EmbeddingAudit
        The gap beyond the baseline is *zero* for an occupation that is treated like the baseline.

    Raises
    ------
    InputError
        From the encoder (unknown words, texts that a table lacks) or the measures.

    Examples
    --------
    >>> from bbb_core.embedding import load_encoder
    >>> plan = Plan(occupations=("nurse", "engineer"), templates=("{}",), baseline=("person",),
    ...             pairs=("woman/man", "she/he"), place="alone")
    >>> audit_embeddings(load_encoder("glove"), plan).table["beyond"].round(3).tolist()
    [0.129, -0.095]
    """
    checks.confidence_level(confidence)
    occupations = _measure(encoder, plan, plan.occupations)
    baselines: list[GapTable | None] = [None] * len(occupations)
    clouds: list[np.ndarray | None] = [None] * len(occupations)
    if plan.baseline:
        baselines = list(_measure(encoder, plan, plan.baseline))
        clouds = [one.mean for one in baselines if one is not None]
    frames, notes = [], []
    for contrast, table, base, cloud in zip(
        plan.contrasts, occupations, baselines, clouds, strict=True
    ):
        frame = _summary(table, base, confidence, len(plan.occupations) * len(plan.contrasts))
        if cloud is not None and len(cloud) >= _RANKED:
            frame["rank"] = baseline_rank(table.mean, cloud)
        if table.positions is not None:
            frame["position"] = table.positions.mean((1, 2))
        frame["share_women"] = shares_of(frame.index)
        frame.insert(0, "contrast", contrast)
        frames.append(frame)
        notes.append(_notes(frame, base, plan, confidence, seed))
    return EmbeddingAudit(
        table=pd.concat(frames).rename_axis("occupation").reset_index(),
        summary={
            "encoder": encoder.name, "fingerprint": encoder.fingerprint, "confidence": confidence,
            "templates": list(plan.templates), "pairs": list(plan.pairs),
            "groups": dict(plan.groups), "place": plan.place, "baseline": list(plan.baseline),
            "contrasts": dict(zip(plan.contrasts, notes, strict=True)),
        },
    )  # fmt: skip


def _measure(encoder: Encoder, plan: Plan, nouns: Sequence[str]) -> list[GapTable]:
    """Return one table of gaps per contrast."""
    if not plan.groups:
        return [
            measure_gaps(
                encoder, nouns, templates=plan.templates, pairs=plan.pairs, place=plan.place
            )
        ]
    made = prompts.families_from_templates(nouns, neutral=plan.templates[0], groups=plan.groups)
    first, *others = plan.groups
    measured = family_gaps(encoder, [*made.values()])
    return [
        GapTable(
            nouns=tuple(nouns), templates=plan.templates, pairs=(f"{first}/{other}",),
            values=gaps[:, None, None], positions=places[:, None, None],
        )
        for other, (gaps, places) in zip(others, measured, strict=True)
    ]  # fmt: skip


def _summary(table: GapTable, base: GapTable | None, confidence: float, rows: int) -> pd.DataFrame:
    """Summarise gaps, with intervals of each and of all `rows` together (Bonferroni)."""
    if table.values[0].size > 1:
        frame = summarise_gaps(table, baseline=base, confidence=confidence)
        wide = summarise_gaps(table, baseline=base, confidence=1 - (1 - confidence) / rows)
        return frame.assign(family_low=wide["low"], family_high=wide["high"])
    shift = 0.0 if base is None else float(base.mean.mean())
    nothing = np.full(len(table.nouns), np.nan)
    return pd.DataFrame(
        {"gap": table.mean, "beyond": table.mean - shift}
        | dict.fromkeys(
            ("low", "high", "p", "p_holm", "p_bh", "family_low", "family_high"), nothing
        ),
        index=list(table.nouns),
    )


def _notes(
    frame: pd.DataFrame, base: GapTable | None, plan: Plan, confidence: float, seed: int
) -> dict[str, Any]:
    level = 1 - confidence
    tested = bool(frame["p_holm"].notna().any())
    notes: dict[str, Any] = {
        "occupations": len(frame),
        "mean_gap": float(frame["gap"].mean()),
        "baseline_gap": None if base is None else float(base.mean.mean()),
        "beyond_baseline_holm": int((frame["p_holm"] < level).sum()) if tested else None,
        "beyond_baseline_bh": int((frame["p_bh"] < level).sum()) if tested else None,
        "no_interval": _no_interval(frame, plan),
        "labour": None,
    }
    known = frame.dropna(subset=["share_women"])
    varied = known["share_women"].nunique() > 1 and np.ptp(known["gap"]) > GAP_ROUNDING
    if plan.about_women and len(known) >= 4 and varied:
        gaps, shares = known["gap"].to_numpy(), known["share_women"].to_numpy()
        found = correlation(gaps, shares, confidence=confidence)
        test = correlation_test(gaps, shares, rng=generator(seed, "labour", "test"))
        notes["labour"] = {
            "occupations": len(known), "pearson": found.value, "low": found.low,
            "high": found.high, "p": test.p_value,
        }  # fmt: skip
    return notes


def _no_interval(frame: pd.DataFrame, plan: Plan) -> str | None:
    """Say why some gaps have neither interval nor p-value; None where all have."""
    missing = int(frame["p"].isna().sum())
    if not missing:
        return None
    if len(plan.templates) * len(plan.pairs or "1") == 1:
        return "One template and one pair: no interval; pass several --template or --pair."
    return (
        f"{missing} of {len(frame)} occupations have one gap beyond the baseline under every "
        "template and pair: nothing to estimate an error from, so no interval and no p-value."
    )
