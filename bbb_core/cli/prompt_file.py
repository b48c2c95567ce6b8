"""The file of `bbb audit model --prompts`: a neutral prompt a row, and one for each group."""

from __future__ import annotations

from typing import Any

from bbb_core.cli.output import as_read, named_prompts
from bbb_core.errors import InputError
from bbb_core.prompts import PromptFamily, families_from_templates

__all__ = ["read_families"]

_KEYS = ("prompt", "neutral")
_NOUN = "occupation"
_TAKEN = ("neutral", "none", "unclear")
"""Names that mean something else in a list of pictures."""


def read_families(options: dict[str, Any], *, own: bool) -> list[PromptFamily]:
    """Return the prompts of --prompts, all with the same groups.

    `own` says that --neutral and --group were given by the user, not by the built-in generator.

    Columns are ``prompt`` (or ``neutral``) and one per group, each cell a prompt; or ``occupation``
    alone, whose nouns --neutral and --group put into templates with braces. An ``occupation``
    beside prompts is left alone.

    Raises
    ------
    InputError
        If a column or a cell is missing, prompts of a row coincide, a neutral prompt stands twice,
        or the options do not go with the columns.
    """
    from bbb_core.io.sources import open_table

    read = as_read(options)
    file = open_table(options["prompts"], name="--prompts", **read)
    key = next((one for one in _KEYS if one in file.columns), None)
    if key is None:
        file.need(
            [_NOUN],
            advice="Give 'prompt' and a column of prompts per group, or 'occupation' alone.",
        )
        nouns = file.read(labels=[_NOUN]).keys(_NOUN)
        found = list(_filled(nouns, options).values())
    else:
        if own:
            raise InputError(
                f"--neutral and --group are templates for a column {_NOUN!r}; {file.title} has "
                f"{key!r}, so leave them out."
            )
        groups = [name for name in file.columns if name not in (key, _NOUN)]
        table = file.read(labels=[key, *groups])
        empty = next((name for name in groups if table.missing[name]), None)
        if empty is not None:
            row = next(i for i, code in enumerate(table.labels[empty].codes) if code < 0)
            raise InputError(f"{table.place(row)}: {empty} is empty; write the group's prompt.")
        found = []
        for row, neutral in enumerate(table.keys(key)):
            named = {name: str(table.labels[name][row]) for name in groups}
            try:
                found.append(PromptFamily(neutral=neutral, groups=named))
            except InputError as error:
                raise InputError(f"{table.place(row)}: {error}") from None
    taken = next((name for name in found[0].names if name.casefold() in _TAKEN), None)
    if taken is not None:
        raise InputError(f"--prompts: a group may not be called {taken!r}; choose another name.")
    return found


def _filled(nouns: list[str], options: dict[str, Any]) -> dict[str, PromptFamily]:
    groups = named_prompts(options["groups"], example="man='a photo of a male {}'")
    if len(options["neutral"]) != 1 or len(groups) < 2:
        raise InputError(
            f"--prompts holds a column {_NOUN!r}, so give one --neutral and two or more --group as "
            "templates, such as --neutral 'a photo of a {}' --group man='a photo of a male {}'."
        )
    return families_from_templates(nouns, neutral=options["neutral"][0], groups=groups)
