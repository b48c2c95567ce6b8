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

__all__ = ["origin", "recorded"]

COMPUTED = "The files were read, their hashes verified, and every number computed from them."
RECORDED = (
    "Recorded values: they were computed from files with the pinned hashes and stored with the "
    "project; the files were not read for this page."
)


def recorded(
    name: str,
    function: Callable[..., Mapping[str, Any]],
    *,
    sources: Mapping[str, str],
    parameters: Mapping[str, Any],
    supply: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Any] | None = None,
) -> Artefact | None:
    """Return ``function(**tables, **supply, **parameters)``, stored; None if it cannot be had.

    The stored result is taken where there is one; only otherwise are the files read. It should
    hold estimates with their intervals and never the files' own rows.

    Parameters
    ----------
    name, function, parameters
        As for `results.artefacts.artefact`.
    sources
        Keyword of the function to name of a published file (`published.SOURCES`); the function
        gets the parsed table, the key the pinned SHA-256 of its bytes.
    supply
        Further keyword arguments that cannot be parameters, such as an encoder. What they hold
        must be said by `inputs`.
    inputs
        What the result depends on besides, as for `artefact`.

    Raises
    ------
    InputError
        As `published.load` does, except where a file cannot be had.

    Notes
    -----
    The key knows a file by its bytes, so a source that is added elsewhere leaves it alone. How
    text becomes a table is not part of it.
    """

    @functools.wraps(function)
    def with_tables(**given: Any) -> Mapping[str, Any]:
        tables = {key: published.load(source) for key, source in sources.items()}
        return function(**tables, **(supply or {}), **given)

    digests = {key: published.SOURCES[source].digest for key, source in sources.items()}
    try:
        return artefact(
            name, with_tables, parameters=parameters, inputs={**digests, **(inputs or {})}
        )
    except published.DataUnavailable:
        return None


def origin(*found: Artefact | None, absent: str) -> str:
    """Return one sentence: computed for this page, recorded, or `absent`."""
    made = [one for one in found if one is not None]
    if not made:
        return absent
    return COMPUTED if all(one.source == "computed" for one in made) else RECORDED
