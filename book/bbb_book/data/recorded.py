"""Results of published data, recorded: derived numbers outlive the files that they came from.

The files of `published` are no part of the project. What an analysis makes of them is an artefact
whose inputs are the files' pinned SHA-256, so that a reader without the files still sees the
numbers and figures, marked as recorded.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from bbb_book.data import published
from bbb_book.results.artefacts import Artefact, artefact
from bbb_core import checks

__all__ = ["origin", "recorded", "tables"]

COMPUTED = "The files were read, their hashes verified, and every number computed from them."
RECORDED = (
    "Recorded values: they were computed from files with the pinned hashes and stored with the "
    "project; the files were not read for this page."
)


def recorded(
    name: str,
    function: Callable[..., Mapping[str, Any]],
    *,
    source: str,
    sources: Mapping[str, str],
    parameters: Mapping[str, Any],
    read: Callable[[], Mapping[str, Any]] | None = None,
    inputs: Mapping[str, Any] | None = None,
) -> Artefact | None:
    """Return ``function(**read(), **parameters)``, stored; None if it cannot be had.

    The stored result is taken where there is one; only otherwise are the files read. It should
    hold estimates with their intervals and never the files' own rows.

    Parameters
    ----------
    name, function, parameters
        As for `results.artefacts.artefact`.
    source
        ``published``, or ``none`` to leave everything out: then the result is None.
    sources
        Names of published files (`published.SOURCES`) by a word for each; the key holds the pinned
        SHA-256 of their bytes.
    read
        Reads the files; by default each as a table, as the argument of its word. What else it gives
        must be said by `inputs`.
    inputs
        What the result depends on besides, as for `artefact`.

    Raises
    ------
    InputError
        If `source` is neither, and as `published.load` does, except where a file cannot be had.

    Notes
    -----
    The key knows a file by its bytes, so a source that is added elsewhere leaves it alone. How
    text becomes a table is not part of it.
    """
    if checks.choice("source", source, ("published", "none")) == "none":
        return None

    @functools.wraps(function)
    def reading(**given: Any) -> Mapping[str, Any]:
        return function(**(tables(sources) if read is None else read()), **given)

    digests = {key: published.SOURCES[one].digest for key, one in sources.items()}
    try:
        return artefact(name, reading, parameters=parameters, inputs={**digests, **(inputs or {})})
    except published.DataUnavailable:
        return None


def tables(sources: Mapping[str, str]) -> dict[str, Any]:
    """Return published files as tables, by the word for each."""
    return {word: published.load(name) for word, name in sources.items()}


def origin(*found: Artefact | None, absent: str) -> str:
    """Return one sentence: computed for this page, recorded, or `absent`."""
    made = [one for one in found if one is not None]
    if not made:
        return absent
    return COMPUTED if all(one.source == "computed" for one in made) else RECORDED
