"""Fair Diffusion's text files: two lines per occupation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bbb_core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["parse_counts"]

_COUNTS = re.compile(r"man: (\d{1,9}), woman: (\d{1,9}), except: (\d{1,9})", re.ASCII)
"""The second of the two lines."""


def parse_counts(text: str, *, name: str) -> pd.DataFrame:
    r"""Parse pairs of lines: an occupation, then ``man: M, woman: W, except: X``.

    Parameters
    ----------
    text : str
        The whole file.
    name : str
        What error messages call it.

    Returns
    -------
    pandas.DataFrame
        Index ``occupation`` in the file's order; int64 columns ``man``, ``woman``, ``except``.

    Raises
    ------
    InputError
        With the line's number: no occupation, no counts, a repeated occupation, all counts zero.

    Examples
    --------
    >>> parse_counts("baker\nman: 3, woman: 1, except: 0\n", name="x")["man"].to_dict()
    {'baker': 3}
    """
    import pandas as pd

    lines = text.removesuffix("\n").split("\n") if text else []
    if not lines:
        raise InputError(f"{name} is empty; pass a file with two lines per occupation.")
    first_seen: dict[str, int] = {}
    rows: list[tuple[int, ...]] = []
    for number in range(1, len(lines) + 1, 2):
        occupation = lines[number - 1]
        if not occupation.strip() or occupation != occupation.strip() or ":" in occupation:
            raise InputError(f"{name}, line {number}: {occupation!r} is no occupation; fix it.")
        if occupation in first_seen:
            raise InputError(
                f"{name}, line {number}: {occupation!r} stands on line {first_seen[occupation]} "
                "already; keep one of them."
            )
        if number == len(lines):
            raise InputError(f"{name}, line {number}: the counts of {occupation!r} are missing.")
        match = _COUNTS.fullmatch(lines[number])
        if match is None:
            raise InputError(
                f"{name}, line {number + 1}: {lines[number]!r} is not of the form "
                "'man: M, woman: W, except: X' with whole numbers; fix it."
            )
        counts = tuple(int(group) for group in match.groups())
        if not any(counts):
            raise InputError(
                f"{name}, line {number + 1}: all counts of {occupation!r} are zero; remove it."
            )
        first_seen[occupation] = number
        rows.append(counts)
    index = pd.Index(list(first_seen), name="occupation")
    return pd.DataFrame(rows, index=index, columns=["man", "woman", "except"], dtype="int64")
