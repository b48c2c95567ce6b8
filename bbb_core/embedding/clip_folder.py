"""CLIP models in folders: every key of their configuration is checked, and no code of theirs runs.

A folder's configuration can name other places, options of loaders and code beside it. Here the
keys that describe a network are listed, their values are plain, and all others are refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from jaxtyping import Int
from open_clip.tokenizer import get_clean_fn
from torch import Tensor

from bbb_core.errors import InputError
from bbb_core.io.files import read_text

__all__ = ["CONFIG", "Folder", "FolderTokenizer", "read_folder"]

CONFIG = "open_clip_config.json"

_TOWER = (
    "layers width mlp_ratio ls_init_value pool_type final_ln_after_pool output_tokens act_kwargs "
    "norm_kwargs block_type qk_norm scaled_cosine_attn scale_heads scale_attn_inner scale_attn "
    "scale_fc "
)
_TEXT = _TOWER + (
    "context_length vocab_size heads embed_cls pad_id eos_id no_causal_mask proj_bias proj_type "
    "hf_tokenizer_name tokenizer_kwargs "
)
_ALLOWED = {
    "model_cfg": "embed_dim vision_cfg text_cfg multimodal_cfg quick_gelu custom_text "
    "init_logit_scale init_logit_bias nonscalar_logit_scale",
    "vision_cfg": _TOWER + "head_width patch_size image_size patch_dropout attentional_pool "
    "attn_pooler_queries attn_pooler_heads no_ln_pre pos_embed_type timm_model_name "
    "timm_model_pretrained timm_pool timm_proj timm_proj_bias timm_drop timm_drop_path",
    "text_cfg": _TEXT,
    "multimodal_cfg": _TEXT + "dim_head n_queries attn_pooler_heads",
    "act_kwargs": "approximate",
    "norm_kwargs": "eps",
    "tokenizer_kwargs": "clean strip_sep_token",
    "preprocess_cfg": "size mode mean std interpolation resize_mode fill_color",
}
"""The keys that each object of a configuration may have."""
_CHOICES = {
    "clean": ("canonicalize", "lower", "whitespace"),
    "mode": ("RGB",),
    "interpolation": ("bicubic", "bilinear"),
    "resize_mode": ("shortest", "squash"),
}
_WORD = re.compile(r"[A-Za-z0-9_.-]{0,100}")  # no place: neither a path nor an address
_MOST = {"layers": 512, "vocab_size": 2_000_000}
_MOST_ELSEWHERE = 16384
_CONFIG_BYTES, _TOKENIZER_BYTES = 2**20, 2**27


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A checked folder: settings of the network and of its images, and its tokenizer."""

    path: Path
    network: dict[str, Any]
    preprocessing: dict[str, Any]
    tokenizer: Any

    def build(self, *, quick_gelu: bool) -> Any:
        """Return the network with fresh weights, on the default device."""
        settings = self.network | {"quick_gelu": quick_gelu}
        custom = settings.pop("custom_text", False)
        if settings.get("multimodal_cfg"):
            return open_clip.CoCa(**settings)
        return (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**settings)


def read_folder(folder: Path) -> Folder:
    """Read ``open_clip_config.json`` and the tokenizer of a folder.

    Raises
    ------
    InputError
        When a file is missing or damaged, or the configuration holds a key or a value that is not
        known to be harmless; it names the key.
    """
    said = _json(folder / CONFIG, _CONFIG_BYTES)
    network, images = said.get("model_cfg"), said.get("preprocess_cfg", {})
    where = str(folder / CONFIG)
    if not isinstance(network, dict) or not isinstance(images, dict):
        raise InputError(f"{where}: model_cfg is missing or no object.")
    _check(network, "model_cfg", where)
    _check(images, "preprocess_cfg", where)
    for name in ("vision_cfg", "text_cfg"):
        if not isinstance(network.get(name), dict):
            raise InputError(f"{where}: model_cfg needs {name}.")
    network["vision_cfg"].pop("timm_model_pretrained", None)
    text = network["text_cfg"]
    options = text.pop("tokenizer_kwargs", None) or {}
    length = text.get("context_length", 77)
    if not isinstance(length, int) or length < 3:
        raise InputError(f"{where}: context_length is {length!r}; it must be a whole number.")
    if text.pop("hf_tokenizer_name", None):
        tokenizer: Any = FolderTokenizer(folder, context_length=length, **options)
    else:
        options.pop("strip_sep_token", None)
        tokenizer = open_clip.SimpleTokenizer(context_length=length, **options)
    return Folder(path=folder, network=network, preprocessing=images, tokenizer=tokenizer)


def _check(said: dict[str, Any], part: str, where: str) -> None:
    """Refuse keys of an object that are not listed, and values that are not plain."""
    for key, value in said.items():
        if key not in _ALLOWED[part].split():
            raise InputError(
                f"{where}: the key {key!r} is not one that describes a network and its images; "
                "remove it."
            )
        if isinstance(value, dict) and key in _ALLOWED:
            _check(value, key, where)
        elif key in _ALLOWED and value is not None:
            raise InputError(f"{where}: {key} is {value!r:.80}; it must be an object.")
        elif key != "hf_tokenizer_name" and not _plain(key, value):
            raise InputError(f"{where}: {key} is {value!r:.80}; that value is not taken.")


def _plain(key: str, value: Any) -> bool:
    if isinstance(value, list):
        inner = [one for one in value if not isinstance(one, list) and _plain(key, one)]
        return 0 < len(inner) == len(value) <= 8
    if key in _CHOICES:
        return value in _CHOICES[key]
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, (int, float)):
        return math.isfinite(value) and abs(value) <= _MOST.get(key, _MOST_ELSEWHERE)
    return isinstance(value, str) and bool(_WORD.fullmatch(value))


class FolderTokenizer:
    """The ``tokenizer.json`` of a folder, read by the `tokenizers` library alone.

    Parameters
    ----------
    folder
        Holds ``tokenizer.json`` and ``tokenizer_config.json`` (for the names of the marks).
    context_length
        Length of a row; longer texts are refused by whoever calls.
    clean
        How open_clip cleans a text first.
    strip_sep_token
        Whether the mark between texts becomes zero.
    """

    def __init__(
        self,
        folder: Path,
        *,
        context_length: int,
        clean: str = "whitespace",
        strip_sep_token: bool = False,
    ) -> None:
        from tokenizers import Tokenizer

        text = read_text(folder / "tokenizer.json", name="tokenizer", most=_TOKENIZER_BYTES)
        try:
            self._tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # the library raises plain exceptions
            raise InputError(f"tokenizer {folder / 'tokenizer.json'}: {error}.") from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        marks = _json(folder / "tokenizer_config.json", _TOKENIZER_BYTES)
        self._pad = self._mark(marks, "pad_token", folder)
        self._separator = self._mark(marks, "sep_token", folder) if strip_sep_token else None
        self.context_length = context_length
        self._clean = get_clean_fn(clean)

    def _mark(self, marks: dict[str, Any], name: str, folder: Path) -> int:
        mark = marks.get(name)
        text = mark.get("content") if isinstance(mark, dict) else mark
        number = self._tokenizer.token_to_id(text) if isinstance(text, str) else None
        if number is None:
            raise InputError(f"{folder / 'tokenizer_config.json'}: {name} is no token.")
        return number

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text."""
        return [len(row.ids) for row in self._encode(texts)]

    def __call__(self, texts: Sequence[str]) -> Int[Tensor, "n context"]:
        """Return the numbers of the tokens, padded to the length of a row."""
        rows = torch.full((len(texts), self.context_length), self._pad, dtype=torch.long)
        for row, found in zip(rows, self._encode(texts), strict=True):
            row[: len(found.ids)] = torch.tensor(found.ids)
        if self._separator is not None:
            rows[rows == self._separator] = 0
        return rows

    def _encode(self, texts: Sequence[str]) -> Any:
        return self._tokenizer.encode_batch([self._clean(text) for text in texts])


def _json(path: Path, most: int) -> dict[str, Any]:
    text = read_text(path, name="configuration", most=most)
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"configuration {path} is no JSON: {error}.") from None
    if not isinstance(said, dict):
        raise InputError(f"configuration {path} must hold one JSON object.")
    return said
