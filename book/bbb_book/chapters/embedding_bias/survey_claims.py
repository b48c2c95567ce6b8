"""Claims of the chapter *Bias in embeddings*: what surveys of several encoders say.

An encoder that the run lacks makes its claims "not measured".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bbb_book.chapters.embedding_bias.survey import Survey, labour_correlation
from bbb_book.chapters.embedding_bias.survey_tables import agreements
from bbb_book.results.claims import Record, record, show_count
from bbb_book.results.rules import NOT_MEASURED
from bbb_book.results.unmeasured import record_or_say, say
from bbb_core.stats import Estimate, binomial_interval

__all__ = ["record_agreement", "record_bias", "record_flip", "record_labour", "show_bias"]

_SPECS = {"clip": "open_clip"}
"""Encoders whose specification starts with another word than their claims."""


def _find(surveys: Mapping[str, Survey], kind: str) -> Survey | None:
    start = _SPECS.get(kind, kind)
    return next((one for name, one in surveys.items() if name.split(":")[0] == start), None)


def _record(claim: str, found: Estimate | None, n: int | None = None) -> Record | None:
    return record_or_say(claim, found, n, reason="the run has no such encoder")


def _beyond(found: Survey, confidence: float) -> tuple[int, int]:
    """Return how many occupations differ from the baseline (Holm), and of how many."""
    summary = found.summary(confidence=confidence)
    return int((summary["p_holm"] < 1 - confidence).sum()), len(summary)


def show_bias(surveys: Mapping[str, Survey], kinds: Sequence[str], *, confidence: float) -> None:
    """Glue ``KIND-beyond``: how many occupations lie beyond the baseline, of how many."""
    for kind in kinds:
        if (found := _find(surveys, kind)) is None:
            say(f"{kind}-beyond", NOT_MEASURED)
        else:
            show_count(f"{kind}-beyond", *_beyond(found, confidence))


def record_bias(surveys: Mapping[str, Survey], kind: str, *, confidence: float) -> Record | None:
    """Record ``KIND-occupation-bias``: the share of occupations beyond the baseline (Holm)."""
    found = _find(surveys, kind)
    if found is None:
        return _record(f"{kind}-occupation-bias", None)
    k, n = _beyond(found, confidence)
    low, high = binomial_interval(k, n, confidence=confidence)
    return record(f"{kind}-occupation-bias", value=k / n, low=low, high=high, n=n)


def record_labour(surveys: Mapping[str, Survey], kind: str, *, confidence: float) -> Record | None:
    """Record ``KIND-labour-correlation``: gaps against shares of women."""
    found = _find(surveys, kind)
    if found is None:
        return _record(f"{kind}-labour-correlation", None)
    r = labour_correlation(found.occupations, confidence=confidence)
    return _record(f"{kind}-labour-correlation", r, found.known)


def record_flip(surveys: Mapping[str, Survey], pair: str, *, confidence: float) -> Record | None:
    """Record ``glove-pair-flip``: the labour correlation of one word pair in GloVe."""
    found = _find(surveys, "glove")
    if found is None or pair not in found.occupations.pairs:
        return _record("glove-pair-flip", None)
    r = labour_correlation(found.occupations.only(pairs=[pair]), confidence=confidence)
    return _record("glove-pair-flip", r, found.known)


def record_agreement(
    surveys: Mapping[str, Survey], *, missing: Sequence[str], confidence: float
) -> Record | None:
    """Record ``encoder-agreement``: the pair of encoders that agrees least, if all are there."""
    if missing:
        reason = f"this platform lacks {', '.join(missing)}"
        return record_or_say("encoder-agreement", None, reason=reason)
    found = agreements(surveys, confidence=confidence).values()
    least = min(found, key=lambda r: r.value, default=None)
    n = len(next(iter(surveys.values())).occupations.nouns)
    return record_or_say("encoder-agreement", least, n, reason="the run has one encoder")
