"""Pictures of many prompts: drawn piece by piece, so that an interrupted run goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bbb_core.cli.output import save_picture
from bbb_core.errors import InputError
from bbb_core.io.cells import plain
from bbb_core.io.folders import contents
from bbb_core.io.writing import workspace

__all__ = ["draw", "pictures", "thumbnail"]

PIECE = 64
"""Pictures carried through the steps together."""


def draw(
    process: Any, rows: Any, names: Sequence[Sequence[str]], folder: Path, *, seed: int
) -> int:
    """Draw the pictures that `folder` lacks; return how many it held.

    Parameters
    ----------
    process, rows
        The sampler and one condition per prompt, [m, ...].
    names
        Files of each prompt, all equally many. A picture depends on the seed, its prompt's row and
        its place alone, so a run that goes on draws what an unbroken one would have drawn.
    folder
        Where they are kept until the report stands; made if absent.

    Raises
    ------
    InputError
        If the folder holds other files: pictures of another model, other prompts or settings.
    """
    from bbb_core.diffusion.sampling import generate

    n, wanted = len(names[0]), {name for own in names for name in own}
    held = contents(folder) if folder.is_dir() else set()
    if held - wanted:
        raise InputError(
            f"{plain(str(folder))} holds {plain(min(held - wanted))}, which is of another run; "
            "repeat that run's line, or remove the folder."
        )
    with workspace(folder) as made:
        for start in range(0, n, PIECE):
            size = min(PIECE, n - start)
            piece = [own[start : start + size] for own in names]
            todo = [i for i, own in enumerate(piece) if not held.issuperset(own)]
            for at in range(0, len(todo), PIECE // size):
                these = todo[at : at + PIECE // size]
                streams = [f"prompt {i} from {start}" for i in these]
                drawn = generate(process, rows[these], size, seed=seed, streams=streams)
                for i, images in zip(these, drawn, strict=True):
                    for name, image in zip(piece[i], images, strict=True):
                        save_picture(image, made / name)
                        os.replace(made / name, folder / name)
    return len(held)


def pictures(folder: Path, names: Sequence[str]) -> Iterator[Any]:
    """Yield the pictures in batches [n, 3, h, w] with values in [0, 1], as they were saved."""
    import numpy as np
    import torch
    from PIL import Image

    for start in range(0, len(names), PIECE):
        batch = []
        for name in names[start : start + PIECE]:
            with Image.open(folder / name) as image:
                batch.append(np.asarray(image.convert("RGB")))
        yield torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2).float() / 255


def thumbnail(path: Path, *, side: int = 64) -> bytes:
    """Return a picture as the data of a PNG file, at most `side` pixels wide and high."""
    import io

    from PIL import Image

    made = io.BytesIO()
    with Image.open(path) as image:
        small = image.convert("RGB")
        small.thumbnail((side, side))
        small.save(made, "PNG")
    return made.getvalue()
