"""Labels as an audit needs them: renamed, merged, set aside, crossed, cut out of longer texts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bbb_core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LIKELY", "crossed", "likely", "matched", "merged", "pattern", "perhaps"]

_WORD = r"(?:^|[^a-z])(?:{})"
LIKELY = {
    "prompt": "prompt|caption|text|query|occupation|profession|job|file|path|key",
    "group": "gender|sex|race|ethnic|age(?!s)|skin|label|group|reading",
    "score": "score|clip|sim|align|reward|blip|pick|cos|rating",
    "count": "count|n$|images$|freq",
}
"""Words with which the names of columns begin, or parts of them, by the role of the column."""


def likely(columns: Sequence[str], role: str) -> list[str]:
    """Return the columns whose names speak for a role, a key of `LIKELY`.

    Examples
    --------
    >>> likely(["image", "gender", "gender_scores", "clipscore"], "group")
    ['gender']
    """
    word = re.compile(_WORD.format(LIKELY[role]))
    found = [name for name in columns if word.search(name.casefold())]
    found = [name for name in found if role == "score" or "score" not in name.casefold()]
    return sorted(found, key=lambda name: "." in name)[:4]  # what is nested comes last


def perhaps(columns: Sequence[str], role: str) -> str:
    """Return the likely columns of a role in parentheses, nothing if there are none."""
    names = " or ".join(map(repr, likely(columns, role)))
    return f" (perhaps {names})" if names else ""


def merged(
    column: pd.Categorical, names: Mapping[str, str], aside: Sequence[str] = ()
) -> pd.Categorical:
    """Return a column with labels renamed, equal ones merged, and some of them missing.

    Examples
    --------
    >>> import pandas as pd
    >>> column = pd.Categorical(["Man", "boy", "?"])
    >>> merged(column, {"Man": "man", "boy": "man"}, ["?"]).tolist()
    ['man', 'man', nan]
    """
    import pandas as pd

    found = [None if str(c) in aside else names.get(str(c), str(c)) for c in column.categories]
    kept = {name: code for code, name in enumerate(dict.fromkeys(filter(None, found)))}
    codes = np.array([-1 if name is None else kept[name] for name in found] + [-1])
    return pd.Categorical.from_codes(codes[column.codes], pd.Index(list(kept), dtype=object))


def crossed(columns: Sequence[pd.Categorical]) -> pd.Categorical:
    """Return the intersections of attributes, ``man & old``; missing where one of them is.

    Examples
    --------
    >>> import pandas as pd
    >>> crossed([pd.Categorical(["man", "man"]), pd.Categorical(["old", None])]).tolist()
    ['man & old', nan]
    """
    import pandas as pd

    if len(columns) == 1:
        return columns[0]
    names: dict[tuple[int, ...], int] = {}
    codes = np.array([
        -1 if min(row) < 0 else names.setdefault(row, len(names))
        for row in zip(*(column.codes.tolist() for column in columns), strict=True)
    ], dtype=np.int64)  # fmt: skip
    said = [" & ".join(str(c.categories[i]) for c, i in zip(columns, key, strict=True))
            for key in names]  # fmt: skip
    return pd.Categorical.from_codes(codes, pd.Index(said, dtype=object))


def pattern(text: str, *, name: str) -> re.Pattern[str]:
    """Return a regular expression that has a group.

    Raises
    ------
    InputError
        If it is none, or has no group.
    """
    try:
        found = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(f"{name} {text!r} is no regular expression ({error}).") from None
    if not found.groups:
        raise InputError(f"{name} {text!r} has no group; put what to keep into parentheses.")
    return found


def matched(column: pd.Categorical, form: re.Pattern[str], group: str | int) -> pd.Categorical:
    """Return what a group of a regular expression matches, missing where the whole does not fit."""

    def cut(label: str) -> str | None:
        fit = form.fullmatch(label)
        return (fit[group] or "").strip() or None if fit else None

    cuts = {str(label): cut(str(label)) for label in column.categories}
    names = {label: name for label, name in cuts.items() if name is not None}
    return merged(column, names, [label for label, name in cuts.items() if name is None])
