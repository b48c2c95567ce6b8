"""Which CLIP network weights belong to: published files by tag or hash, unknown ones by the spec.

A file of weights does not say which activation it was trained with: QuickGELU (OpenAI's, early
LAION's, MetaCLIP's and DFN's) or GELU. Built with the other one it loads without a word and embeds
wrongly.
"""

from __future__ import annotations

import contextlib
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import open_clip

from bbb_core.errors import InputError
from bbb_core.io.writing import sha256

__all__ = ["PINNED", "Build", "Pin", "known_file", "of_file", "published", "split_model"]

WEIGHTS = "open_clip_model.safetensors"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")


@dataclass(frozen=True, kw_only=True)
class Pin:
    """Published weights that cannot change under a run: repository, commit and file hash."""

    repository: str
    revision: str
    sha256: str


#: Weights whose commit and hash are known: as the hub and independent users list them; no test of
#: this package has the files. Other tags need ``@COMMIT`` in the spec.
PINNED: dict[tuple[str, str], Pin] = {
    ("ViT-B-32", "openai"): Pin(
        repository="timm/vit_base_patch32_clip_224.openai",
        revision="a6f597a30f7b82c51704746581f9a4e41421e878",
        sha256="e6d1bd7789aa45192b3bf90570a789b478bae1b74ebcce7eddd908e83a2b7c31",
    ),
    ("ViT-B-32", "laion2b_s34b_b79k"): Pin(
        repository="laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        revision="1a25a446712ba5ee05982a381eed697ef9b435cf",
        sha256="ac4f8c4b88af6d963118cbf40ad93176d092abbedfcb752601ae1866352656e6",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Build:
    """How a network is built around a file of weights.

    Attributes
    ----------
    model
        Name of the architecture in open_clip, without an activation.
    path, sha256
        The file and its hash.
    quick_gelu
        Whether the activation is QuickGELU.
    weights
        Model and tag of published weights; None when the file is unknown.
    preprocessing
        Mean, standard deviation, interpolation and resizing of images; None when they cannot be
        told, since published weights of the model differ.
    """

    model: str
    path: Path
    sha256: str
    quick_gelu: bool
    weights: tuple[str, str] | None = None
    preprocessing: dict[str, Any] | None = field(default_factory=dict)


def split_model(model: str) -> tuple[str, bool | None]:
    """Split ``MODEL-quickgelu`` or ``MODEL-gelu`` into the architecture and whether it is quick.

    None where the name says nothing.

    Raises
    ------
    InputError
        When open_clip has no such model.
    """
    known = set(open_clip.list_models())
    for ending, quick in (("-quickgelu", True), ("-gelu", False)):
        base = model.removesuffix(ending)
        if base != model and base in known and f"{base}-quickgelu" in known:
            return base, quick
    if model not in known:
        raise InputError(f"encoder 'open_clip:{model}/...': open_clip has no model {model!r}.")
    return model, None


def of_file(model: str, quick: bool | None, path: Path) -> Build:
    """Decide how to build a local file: by its hash, else as the spec says.

    Raises
    ------
    InputError
        When the spec contradicts a known hash, or says nothing although the model exists with both
        activations.
    """
    known = known_file(path)
    if known is not None and known.weights is not None:
        if model != known.model or quick not in (None, known.quick_gelu):
            raise InputError(
                f"encoder 'open_clip:{_named(model, quick)}/{path}': the file holds the weights "
                f"{known.weights[1]!r} of {known.model}; name it as open_clip:{known.model}/{path}."
            )
        return known
    if quick is None and _has_both(model):
        raise InputError(
            f"encoder 'open_clip:{model}/{path}': the file is not known here and {model} exists "
            f"with two activations; name it as open_clip:{model}-quickgelu/{path} (weights of "
            f"OpenAI, MetaCLIP, DFN, LAION-400M) or as open_clip:{model}-gelu/{path}."
        )
    quick = _default(model) if quick is None else quick
    return Build(
        model=model, path=path, sha256=sha256(path, name="open_clip"), quick_gelu=quick,
        preprocessing=_agreed(model, quick),
    )  # fmt: skip


def known_file(path: Path) -> Build | None:
    """Return how published weights are built, wherever their file lies; None for other files."""
    found = sha256(path, name="open_clip")
    tags = [place for place, pin in PINNED.items() if pin.sha256 == found]
    return _published_build(*tags[0], path, found) if tags else None


def published(model: str, quick: bool | None, weights: str) -> Build:
    """Find or fetch ``TAG`` or ``TAG@COMMIT`` at a pinned commit; check a known hash.

    Raises
    ------
    InputError
        When the tag is unknown, not pinned, contradicts the spec, or cannot be had here.
    """
    tag, _, revision = weights.partition("@")
    known = _settings(model, tag)
    pin = PINNED.get((model, tag))
    if not known or quick not in (None, known["quick_gelu"]):
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(_named(model, quick))) or "none"
        raise InputError(
            f"open_clip has no weights {tag!r} for {_named(model, quick)}; it knows: {tags}."
        )
    repository = pin.repository if pin else known.get("hf_hub", "").strip("/")
    revision = revision or (pin.revision if pin else "")
    if not repository or not _COMMIT.fullmatch(revision):
        raise InputError(
            f"weights {weights!r} of {model} are not pinned; add the commit of their repository "
            f"({repository or 'none is known'}) as {tag}@COMMIT (40 hexadecimal digits)."
        )
    path = _fetch(repository, revision)
    if path is None:
        form = model if pin else _named(model, known["quick_gelu"])
        raise InputError(
            f"weights {tag!r} of {model} are not on this machine and the hub did not give them; "
            f"where there is a network, get {WEIGHTS} of {repository} at commit {revision} "
            f"and name it as open_clip:{form}/FILE.safetensors."
        )
    found = sha256(path, name="open_clip")
    if pin and revision == pin.revision and found != pin.sha256:
        raise InputError(f"weights {path} have SHA-256 {found[:12]}..., not the pinned one.")
    return _published_build(model, tag, path, found)


def _published_build(model: str, tag: str, path: Path, digest: str) -> Build:
    known = _settings(model, tag)
    return Build(
        model=model, path=path, sha256=digest, quick_gelu=known["quick_gelu"],
        weights=(model, tag), preprocessing=_images(known),
    )  # fmt: skip


def _named(model: str, quick: bool | None) -> str:
    if quick is None or not _has_both(model):
        return model
    return f"{model}-{'quickgelu' if quick else 'gelu'}"


def _has_both(model: str) -> bool:
    return f"{model}-quickgelu" in open_clip.list_models()


def _default(model: str) -> bool:
    return bool((open_clip.get_model_config(model) or {}).get("quick_gelu", False))


def _settings(model: str, tag: str) -> dict[str, Any]:
    """Return open_clip's settings of a published tag, empty when it has none."""
    known = open_clip.pretrained.get_pretrained_cfg(model, tag)
    return known and known | {"quick_gelu": known.get("quick_gelu", False) or _default(model)}


def _images(known: dict[str, Any]) -> dict[str, Any]:
    return {key: known[key] for key in _PREPROCESSING}


def _agreed(model: str, quick: bool) -> dict[str, Any] | None:
    """Return the preprocessing that all published weights of a model share, None if they differ."""
    tags = (_settings(model, tag) for tag in open_clip.list_pretrained_tags_by_model(model))
    found = [_images(known) for known in tags if known["quick_gelu"] == quick]
    if any(one != found[0] for one in found):
        return None
    return found[0] if found else {}


def _fetch(repository: str, revision: str) -> Path | None:
    """Return the file from the hub's local cache, else from the hub, else nothing."""
    from huggingface_hub import constants, hf_hub_download

    ask: dict[str, Any] = {"repo_id": repository, "filename": WEIGHTS, "revision": revision}
    with contextlib.suppress(Exception):  # the client raises many kinds, all meaning "not here"
        return Path(hf_hub_download(**ask, local_files_only=True))
    if not constants.HF_HUB_OFFLINE and _reachable(constants.ENDPOINT):
        with contextlib.suppress(Exception):
            return Path(hf_hub_download(**ask))
    return None


def _reachable(endpoint: str) -> bool:
    """Ask for a connection once: the hub's client would retry for half a minute."""
    if getproxies():
        return True
    host = urlsplit(endpoint)
    try:
        with socket.create_connection((host.hostname or "", host.port or 443), timeout=5):
            return True
    except OSError:
        return False
