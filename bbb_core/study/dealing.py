"""Which images a participant sees, and in which order: a function of the code (human study).

The page draws a random participant code and deals from it; this module deals the same in Python.
So an export can be held against what the page must have shown, and a page that was reloaded goes
on with the same order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bbb_core.errors import InputError

if TYPE_CHECKING:
    from bbb_core.study.design import Study

__all__ = ["CODE", "Deal", "deal"]

CODE = re.compile(r"[0-9a-f]{16}")
"""A participant code: 64 random bits in hexadecimal."""
_WARM_UP = 15


@dataclass(frozen=True)
class Deal:
    """What the page shows to one participant.

    Attributes
    ----------
    images : tuple of str
        Image ids in the order shown; checks and repeated images stand among them.
    options : tuple of str
        Answers in the order shown: groups in a random order, then those that are always last.
    """

    images: tuple[str, ...]
    options: tuple[str, ...]


class _Stream:
    """The generator sfc32: 32-bit words, the same in JavaScript and here."""

    def __init__(self, code: str, study: str) -> None:
        self._a, self._b = int(code[:8], 16), int(code[8:], 16)
        self._c, self._d = int(study[:8], 16), int(study[8:16], 16)
        for _ in range(_WARM_UP):
            self._word()

    def _word(self) -> int:
        mask = 0xFFFFFFFF
        t = (self._a + self._b + self._d) & mask
        self._d = (self._d + 1) & mask
        self._a = self._b ^ (self._b >> 9)
        self._b = (self._c + (self._c << 3)) & mask
        self._c = (((self._c << 21) | (self._c >> 11)) + t) & mask
        return t

    def below(self, n: int) -> int:
        """Draw a whole number from 0 to n - 1."""
        return (self._word() * n) >> 32

    def shuffled(self, items: Sequence[str]) -> list[str]:
        """Return the items in random order (Fisher and Yates)."""
        out = list(items)
        for i in range(len(out) - 1, 0, -1):
            j = self.below(i + 1)
            out[i], out[j] = out[j], out[i]
        return out


def deal(study: Study, code: str) -> Deal:
    """Return the images and options that the page shows to the participant `code`.

    ``study.per_participant`` images are drawn without replacement. The first ones come again in
    the last two fifths (``study.repeats`` of them); ``study.checks`` checks stand anywhere but at
    the beginning.

    Raises
    ------
    InputError
        If the code is not 16 hexadecimal digits in lower case.
    """
    if not isinstance(code, str) or not CODE.fullmatch(code):
        raise InputError(f"code is {code!r:.40}; pass 16 hexadecimal digits.")
    stream = _Stream(code, study.id)
    options = stream.shuffled(study.groups) + list(study.last_options)
    images = stream.shuffled(study.rated_ids)[: study.per_participant]
    again = images[: study.repeats]
    start = study.per_participant * 3 // 5
    for image in again:
        images.insert(start + stream.below(len(images) - start + 1), image)
    for image in stream.shuffled(study.check_ids)[: study.checks]:
        images.insert(1 + stream.below(len(images)), image)
    return Deal(tuple(images), tuple(options))
