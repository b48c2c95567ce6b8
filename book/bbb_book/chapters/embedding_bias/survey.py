"""What the embedding chapter asks of every encoder: occupations, people and things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bbb_core.embedding.association import AssociationTest, association_test
from bbb_core.embedding.crossed import (
    GapTable,
    baseline_rank,
    crossed_interval,
    measure_gaps,
    summarise_gaps,
)
from bbb_core.embedding.e5 import e5_available
from bbb_core.embedding.encoder import Encoder
from bbb_core.embedding.gaps import bias_gap, group_direction, projection
from bbb_core.embedding.labour import labour_shares, shares_of
from bbb_core.errors import InputError
from bbb_core.prompts import (
    BARE_TEMPLATE,
    PERSON_NOUNS,
    families,
    fill,
    word_pair,
)
from bbb_core.stats import Estimate, correlation, holm

__all__ = [
    "Survey",
    "labour_correlation",
    "left_out",
    "occupation_weat",
    "projection_trap",
    "single_category",
    "survey",
    "usable_encoders",
]

UNGENDERED_NOUNS: tuple[str, ...] = (
    "bicycle", "bridge", "cloud", "garden", "house", "lamp", "mountain", "river",
    "road", "stone", "table", "tree", "wall", "window", "wheel", "forest",
    "island", "paper", "glass", "roof",
)  # fmt: skip
"""Nouns that no labour market or grammar ties to a gender: the baseline cloud around "zero"."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Gaps of occupations, of nouns for people and of nouns for things, from one encoder."""

    name: str
    occupations: GapTable
    people: GapTable
    objects: GapTable

    def summary(self, *, confidence: float = 0.95) -> pd.DataFrame:
        """Return `summarise_gaps` beyond the people, ranks among the things, labour shares."""
        found = summarise_gaps(self.occupations, baseline=self.people, confidence=confidence)
        found["rank"] = baseline_rank(self.occupations.mean, self.objects.mean)
        found["share_women"] = shares_of(found.index)
        return found.sort_values("beyond")

    def leaving_one_out(self, *, confidence: float = 0.95) -> tuple[int, int]:
        """Return the fewest and the most occupations beyond the baseline (Holm).

        Every template and every word pair is left out once, where enough of them remain.
        """
        counts = []
        for axis in (1, 2):
            size = self.occupations.values.shape[axis]
            for out in range(size if size > 2 else 0):
                beyond, base = (
                    np.delete(table.values, out, axis) for table in (self.occupations, self.people)
                )
                _, _, p = crossed_interval(beyond - base.mean(0), confidence=confidence)
                counts.append(int((holm(p) < 1 - confidence).sum()))
        return (min(counts), max(counts)) if counts else (0, len(self.occupations.nouns))

    @property
    def known(self) -> int:
        """Number of occupations with a known labour share."""
        return len(_known(self.occupations))

    @property
    def changed_side(self) -> int:
        """Number of occupations whose sign differs between gap and gap beyond the people."""
        beyond = self.occupations.values - self.people.values.mean(0)
        return int((np.sign(beyond.mean((1, 2))) != np.sign(self.occupations.mean)).sum())


def usable_encoders(specs: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split specs into those that can run here and optional ones that this platform lacks."""
    missing = [spec for spec in specs if spec == "e5" and not e5_available()]
    return [spec for spec in specs if spec not in missing], missing


def left_out(missing: Sequence[str]) -> str:
    """Return one sentence that says which encoders this platform lacks."""
    if not missing:
        return "Every encoder named in the parameters runs on this machine."
    names = ", ".join(missing)
    return f"Left out, because their packages do not exist for this platform: {names}."


def survey(
    encoder: Encoder,
    occupations: Sequence[str],
    *,
    templates: Sequence[str],
    pairs: Sequence[str],
    noun_pairs: Sequence[str],
) -> Survey:
    """Measure an encoder as its level asks.

    Sentence encoders: `templates` crossed with `pairs` before the occupation. Word encoders: the
    bare word with `noun_pairs` alone, since a template would drown the word.
    """
    sentence = encoder.level == "sentence"
    asked = {
        "templates": tuple(templates) if sentence else (BARE_TEMPLATE,),
        "pairs": tuple(pairs) if sentence else tuple(noun_pairs),
        "place": "before" if sentence else "alone",
    }
    return Survey(
        name=encoder.name,
        occupations=measure_gaps(encoder, occupations, **asked),
        people=measure_gaps(encoder, PERSON_NOUNS, **asked),
        objects=measure_gaps(encoder, UNGENDERED_NOUNS, **asked),
    )


def _known(table: GapTable) -> list[int]:
    """Return the rows whose noun has a labour share."""
    shares = labour_shares()
    return [row for row, noun in enumerate(table.nouns) if noun in shares]


def labour_correlation(table: GapTable, *, confidence: float = 0.95) -> Estimate:
    """Correlate mean gaps with the share of women, over occupations with a known share."""
    shares, known = labour_shares(), _known(table)
    if len(known) < 4:
        raise InputError(f"occupations: {len(known)} have a labour share; give at least four.")
    return correlation(
        table.mean[known],
        np.array([shares[table.nouns[number]] for number in known]),
        confidence=confidence,
    )


def _words(encoder: Encoder, words: Sequence[str], template: str) -> list[str]:
    return [fill(template if encoder.level == "sentence" else BARE_TEMPLATE, w) for w in words]


def occupation_weat(
    encoder: Encoder, *, noun_pairs: Sequence[str], template: str, size: int = 8
) -> AssociationTest:
    """WEAT: occupations that mostly women, and mostly men, hold; words for women and men.

    The `size` occupations with the largest and the smallest share of women are the targets.
    """
    shares = labour_shares()
    ordered = sorted(shares, key=lambda noun: (shares[noun], noun))
    first, second = zip(*(word_pair(pair) for pair in noun_pairs), strict=True)
    sets = (ordered[-size:], ordered[:size], first, second)
    return association_test(
        *(encoder.encode_text(_words(encoder, words, template)) for words in sets)
    )


def single_category(
    encoder: Encoder, occupations: Sequence[str], *, noun_pairs: Sequence[str], template: str
) -> pd.DataFrame:
    """SC-WEAT of each occupation, exact, beyond the word "person"; Holm's correction."""
    first, second = zip(*(word_pair(pair) for pair in noun_pairs), strict=True)
    a, b, base, rows = (
        encoder.encode_text(_words(encoder, words, template))
        for words in (first, second, PERSON_NOUNS[:1], occupations)
    )
    tests = [association_test(row[None], None, a, b, baseline=base) for row in rows]
    found = pd.DataFrame(
        {
            "effect size": [test.effect_size for test in tests],
            "p": [test.p_value for test in tests],
            "splits": [test.n_permutations for test in tests],
        },
        index=list(occupations),
    )
    found["p (Holm)"] = holm(found["p"].to_numpy())
    return found.sort_values("effect size")


def projection_trap(
    encoder: Encoder, occupations: Sequence[str], *, template: str, pair: str
) -> pd.DataFrame:
    """Set the gap beside two projections: along each occupation's own axis, and a shared one.

    ``own`` is the projection on the axis between the occupation's two group prompts, times the
    distance of these prompts; ``shared`` is the projection on the mean axis of all *other*
    occupations, so that no occupation's own prompts enter it.
    """
    first, second = word_pair(pair)
    made = families(occupations, template=template, groups={"a": first, "b": second}).values()
    p, a, b = (
        encoder.encode_text(texts).double()
        for texts in (
            [family.neutral for family in made],
            [family.groups["a"] for family in made],
            [family.groups["b"] for family in made],
        )
    )
    own, shared = [], []
    for i in range(len(p)):
        others = [j for j in range(len(p)) if j != i]
        row, length = p[i : i + 1], (a[i] - b[i]).norm()
        own.append(float(projection(row, group_direction(a[i : i + 1], b[i : i + 1])) * length))
        shared.append(float(projection(row, group_direction(a[others], b[others]))))
    return pd.DataFrame(
        {"gap": bias_gap(p, a, b).numpy(), "own": own, "shared": shared}, index=list(occupations)
    )
