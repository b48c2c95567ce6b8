"""Who reads drawn pictures: `--classifier` of `bbb audit model`, and the errors that it makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bbb_core.cli.generators import BUILT_IN
from bbb_core.cli.output import as_read
from bbb_core.errors import InputError
from bbb_core.prompts import PromptFamily

__all__ = ["CLIP", "Classify", "reader_of"]

CLIP = "open_clip:"
Classify = Callable[[Any, int], list[str]]
"""Pictures of a prompt [n, 3, h, w], and the place of its family -> a label each."""


def reader_of(
    options: dict[str, Any], families: Sequence[PromptFamily]
) -> tuple[Classify | None, Any]:
    """Return what reads the pictures, if --classifier names it, and its errors, if known.

    Raises
    ------
    InputError
        If the classifier is unknown or reads other groups, or errors of a group are missing.
    """
    from bbb_core.balance.count_files import read_confusion

    named, confusion, groups = options["classifier"], None, set(families[0].names)
    if options["confusion"] is not None:
        confusion = read_confusion(options["confusion"], name="--confusion", **as_read(options))
        if not groups <= set(confusion.groups):
            lacking = ", ".join(sorted(groups - set(confusion.groups)))
            raise InputError(f"--confusion has no row for {lacking}; read such pictures, too.")
    if named is not None and options["readings"] is not None:
        raise InputError("--classifier reads pictures, --readings has them read; give one of them.")
    if named is None:
        return None, confusion
    if named == BUILT_IN:
        from bbb_core.diffusion.built_in import emoji_reader

        known = emoji_reader()
        if groups != set(known.groups):
            raise InputError(
                f"--classifier emoji reads {' and '.join(known.groups)} only; name the groups so."
            )
        return lambda images, row: known.read(images), confusion or known.confusion
    if not named.startswith(CLIP):
        raise InputError(
            f"--classifier {named!r} is unknown; give open_clip:MODEL/PRETRAINED, or emoji."
        )
    from bbb_core.device import pick
    from bbb_core.embedding import load_encoder

    clip: Any = load_encoder(named, device=str(pick(options["device"])))
    texts = [clip.encode_text(list(one.groups.values())) for one in families]

    def zero_shot(images: Any, row: int) -> list[str]:
        best = (clip.encode_image(images) @ texts[row].T).argmax(1).tolist()
        return [families[row].names[i] for i in best]

    return zero_shot, confusion
