"""Which prompts guidance sharpens, and which it turns round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bbb_book.generators.prompt_balance import women_share

__all__ = ["reversals", "reversed_leans"]


def reversed_leans(drawn: Mapping[float, Mapping[str, Any]]) -> np.ndarray:
    """Return, per prompt, whether it leans the other way at the largest weight than at the least.

    `drawn` holds the generations by guidance weight; a prompt in balance leans no way.
    """
    first, last = (women_share(drawn[weight]) for weight in (min(drawn), max(drawn)))
    return np.asarray(first * last < 0)


def reversals(drawn: Mapping[float, Mapping[str, Any]]) -> dict[str, int]:
    """Count the prompts that lean at the least guidance weight, and those of them that reverse."""
    leaning = women_share(drawn[min(drawn)]) != 0
    return {"leaning": int(leaning.sum()), "reversed": int(reversed_leans(drawn).sum())}
