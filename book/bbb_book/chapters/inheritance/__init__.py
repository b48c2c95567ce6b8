"""The chapter *A law of inheritance*."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def parts(values: Mapping[str, Any]) -> list[tuple[Callable[..., Any], tuple[Any, ...]]]:
    """Return the chapter's long computations, which do not need each other: one per generator."""
    from bbb_book.chapters.inheritance.designs import available, registered
    from bbb_book.chapters.inheritance.generators import Settings, generator_artefact

    settings = Settings.of(values)
    usable = available(registered(values["at_most"]))
    return [(generator_artefact, (design, settings)) for design in usable]
