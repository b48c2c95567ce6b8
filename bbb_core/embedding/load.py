"""From a spec such as ``minilm`` or ``open_clip:MODEL/PRETRAINED`` to an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bbb_core.embedding.encoder import BatchedEncoder
from bbb_core.errors import InputError
from bbb_core.io.workers import Over

__all__ = ["ENCODER_SPECS", "load_encoder"]

ENCODER_SPECS: tuple[str, ...] = (
    "minilm",
    "e5",
    "glove",
    "open_clip:MODEL/PRETRAINED",
    "open_clip:MODEL/FILE.safetensors",
    "open_clip:local/FOLDER",
    "table:FILE",
    "table:ROWS.npy:NAMES.txt",
    "table:FOLDER",
)
"""Forms that the spec of an encoder can take (`load_encoder`)."""


def load_encoder(
    spec: str,
    *,
    device: str | None = None,
    batch_size: int = 64,
    cached: bool = True,
    texts: Sequence[str] | None = None,
    over: Over = map,
) -> BatchedEncoder:
    """Load an encoder by its spec.

    Parameters
    ----------
    spec
        ``"minilm"``, ``"e5"``, ``"glove"``: from installed packages, no network.
        ``"open_clip:MODEL/PRETRAINED"``: see `bbb_core.embedding.clip.load_open_clip`.
        ``"table:FILE"``: see `bbb_core.embedding.table.load_table`.
    device
        Where networks run, such as ``"cuda"`` or ``"auto"``; the CPU by default, so that two runs
        agree to the last digit shown.
    batch_size
        Texts (or images) per batch.
    cached
        Whether rows go to the disk cache.
    texts, over
        Of a table, keep only the rows of these texts, and share its parts; see `load_table`.

    Returns
    -------
    BatchedEncoder
        Satisfies `Encoder`; CLIP models also `ImageEncoder`.

    Raises
    ------
    InputError
        When the spec is unknown or what it names is missing.

    Examples
    --------
    >>> load_encoder("glove").encode_text(["nurse", "engineer"]).shape
    torch.Size([2, 50])
    """
    if not isinstance(spec, str):
        raise InputError(f"encoder must be a text such as 'minilm', not {spec!r}.")
    kind, colon, rest = spec.partition(":")
    shared: dict[str, Any] = {"batch_size": batch_size, "cached": cached}
    match kind, bool(colon):
        case "minilm", False:
            from bbb_core.embedding.minilm import load_minilm

            return load_minilm(device=device, **shared)
        case "e5", False:
            from bbb_core.embedding.e5 import load_e5

            return load_e5(**shared)
        case "glove", False:
            from bbb_core.embedding.glove import load_glove

            return load_glove()
        case "open_clip", True:
            from bbb_core.embedding.clip import load_open_clip

            return load_open_clip(rest, device=device, **shared)
        case "table", True:
            from bbb_core.embedding.table import load_table

            return load_table(rest, texts=texts, over=over)
    raise InputError(f"encoder {spec!r} is unknown; use one of {', '.join(ENCODER_SPECS)}.")
