"""The chapter *A law of inheritance*."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def parts(values: Mapping[str, Any]) -> list[tuple[Callable[..., Any], tuple[Any, ...]]]:
    """Return the chapter's long computations, which do not need each other: per generator."""
    from bbb_book.chapters.inheritance.designs import available, registered
    from bbb_book.chapters.inheritance.generators import Settings, generator_artefact
    from bbb_book.chapters.inheritance.walk import walk_artefact, walked

    settings = Settings.of(values)
    usable = available(registered(values["at_most"]))
    drawn = walked(usable, values["walk_encoders"])
    return [
        *((generator_artefact, (design, settings)) for design in usable),
        *((walk_artefact, (design, settings, values["portraits"])) for design in drawn),
    ]
