"""Settings that several chapters on emoji people share."""

from __future__ import annotations

__all__ = ["held_out_cells"]


def held_out_cells() -> tuple[str, ...]:
    """Return ten combinations of occupation, group and tone, five per group, for the second model.

    Each occupation loses one tone of one group, so every prompt keeps five legitimate answers.
    """
    cells = (
        ("judge", "woman", "dark"),
        ("cook", "man", "light"),
        ("pilot", "woman", "medium"),
        ("student", "man", "dark"),
        ("farmer", "woman", "light"),
        ("astronaut", "man", "medium"),
        ("guard", "woman", "dark"),
        ("artist", "man", "medium-light"),
        ("scientist", "woman", "medium-dark"),
        ("detective", "man", "light"),
    )
    return tuple("|".join(cell) for cell in cells)
