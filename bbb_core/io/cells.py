r"""Text that no spreadsheet runs and no terminal obeys: tables, reports, lines (every command).

Names of groups, prompts and files come from whoever wrote them. A cell that begins with ``=`` is a
formula to a spreadsheet; an escape sequence moves a terminal's cursor, and a bidirectional override
turns words around. So whatever leaves as text passes through here. JSON needs none of it: it spells
out such characters by itself.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["csv_text", "harmless", "plain", "table_text"]

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Categories of characters that act instead of showing: control, format, surrogate, line ends."""
_JOINERS = "\u200c\u200d"  # words in Persian and emoji of several parts need them
_SIGNS = frozenset("=+-@＝＋－＠")
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*", re.ASCII)


def plain(text: str, *, keep: str = "") -> str:
    r"""Return `text` with every character that acts instead of showing spelled out.

    Parameters
    ----------
    text
        Anything, lone surrogates of undecodable file names included; the result is valid Unicode.
    keep
        Characters that stay, such as ``"\n"`` in a text of several lines.

    Examples
    --------
    >>> plain("a\x1b[2Jb\n"), plain("Zoë 👩\u200d⚕️"), plain("a\nb", keep="\n")
    ('a\\x1b[2Jb\\n', 'Zoë 👩\u200d⚕️', 'a\nb')
    """
    if text.isprintable():
        return text
    return "".join(repr(c)[1:-1] if _acts(c) and c not in keep else c for c in text)


def _acts(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN and character not in _JOINERS


def harmless(text: str) -> str:
    r"""Return a text cell as it may stand in a table: `plain`, and no formula.

    A cell whose first visible character is one of ``= + - @`` (or their full-width forms) gets an
    apostrophe before it, unless all of it is a number.

    Examples
    --------
    >>> harmless("=1+1"), harmless(" @sum"), harmless("-0.5"), harmless("nurse")
    ("'=1+1", "' @sum", '-0.5', 'nurse')
    """
    shown = plain(text)
    if shown.lstrip()[:1] in _SIGNS and not _NUMBER.fullmatch(shown):
        return "'" + shown
    return shown


def csv_text(table: pd.DataFrame, *, index: bool = False) -> str:
    """Return a table as CSV whose texts, headers and (with `index`) labels are `harmless`."""
    return _neutral(table).to_csv(index=index, lineterminator="\n")


def table_text(table: pd.DataFrame, **options: Any) -> str:
    """Return a table for a report, as `pandas.DataFrame.to_string` does, its texts `harmless`."""
    return _neutral(table).to_string(**options)


def _neutral(table: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    def texts(values: Any) -> bool:
        kinds = (pd.CategoricalDtype, pd.StringDtype)
        return values.dtype == object or isinstance(values.dtype, kinds)

    made = table.copy(deep=False)
    for i, (_, column) in enumerate(table.items()):
        if texts(column):
            made.isetitem(i, column.astype(object).map(_cell))
    made.columns = table.columns.map(_cell)
    index = table.index.map(_cell) if texts(table.index) else table.index
    made.index = index.set_names([_cell(name) for name in index.names])
    return made


def _cell(value: Any) -> Any:
    if isinstance(value, tuple):  # a label of several levels
        return tuple(map(_cell, value))
    return harmless(value) if isinstance(value, str) else value
