"""Lists of nouns that a user gives, in a text file or on the command line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from bbb_core.errors import InputError
from bbb_core.io.files import read_text, shown

__all__ = ["nouns_of_file", "nouns_of_option"]

_COMMENT = re.compile(r"(?:^|(?<=\s))#.*", re.DOTALL)
_MOST = 10_000_000  # bytes of a file
_INVISIBLE = ("Zs", "Zl", "Zp", "Cc", "Cf")  # categories that are cut off either end


def nouns_of_file(path: str | Path, *, name: str = "--occupations-file") -> tuple[str, ...]:
    r"""Read nouns, one a line; ``#`` at the start or after a blank starts a comment.

    A byte-order mark, any kind of line end and what is invisible at either end of a noun are left
    out; nouns are brought to Unicode's composed form (NFC).

    Raises
    ------
    InputError
        When the file is no text, names no noun, or names one twice (case does not count).

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "nouns.txt"
    >>> _ = file.write_bytes(b"\xef\xbb\xbfnurse # the first\r\n\r\nC# developer\xc2\xa0\r\n")
    >>> nouns_of_file(file)
    ('nurse', 'C# developer')
    """
    lines = read_text(path, name=name, most=_MOST).split("\n")
    found = ((f"line {n}", _bare(_COMMENT.sub("", line))) for n, line in enumerate(lines, start=1))
    return _distinct(((place, noun) for place, noun in found if noun), f"{name} {shown(path)}")


def nouns_of_option(text: str, *, name: str = "--occupations") -> tuple[str, ...]:
    """Split nouns at commas, under the rules of `nouns_of_file`; an empty one is an error.

    Examples
    --------
    >>> nouns_of_option("nurse, judge")
    ('nurse', 'judge')
    """
    return _distinct(((f"place {n}", _bare(x)) for n, x in enumerate(text.split(","), 1)), name)


def _bare(noun: str) -> str:
    invisible = "".join(c for c in set(noun) if unicodedata.category(c) in _INVISIBLE)
    return unicodedata.normalize("NFC", noun.strip(invisible) if invisible else noun)


def _distinct(nouns: Iterable[tuple[str, str]], where: str) -> tuple[str, ...]:
    seen: dict[str, tuple[str, str]] = {}
    for place, noun in nouns:
        if not noun:
            raise InputError(f"{where}: {place} is empty; nouns must be non-empty words.")
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in noun):
            raise InputError(f"{where}: {place} ({noun!r}) holds a control character; remove it.")
        before = seen.setdefault(noun.casefold(), (place, noun))
        if before[0] != place:
            raise InputError(
                f"{where}: {place} ({noun!r}) repeats {before[0]} ({before[1]!r}), upper and lower "
                "case not counted; name each noun once."
            )
    if not seen:
        raise InputError(f"{where} names no noun; write one a line.")
    return tuple(noun for _, noun in seen.values())
