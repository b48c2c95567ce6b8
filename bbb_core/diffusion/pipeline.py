"""Stable Diffusion pipelines from folders that somebody sent: what may stand in them.

Only named classes of diffusers and transformers are made, from settings that their signatures know
and from safetensors; no other key of a file reaches a loader, so none can name code or a pickle.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bbb_core.errors import InputError
from bbb_core.io.files import open_bytes, shown

__all__ = ["load_pipeline"]

CLASSES = {
    "unet": ("diffusers", ["UNet2DConditionModel"]),
    "vae": ("diffusers", ["AutoencoderKL"]),
    "text_encoder": ("transformers", ["CLIPTextModel"]),
    "tokenizer": ("transformers", ["CLIPTokenizer", "CLIPTokenizerFast"]),
}
"""Parts that are loaded, with the library and the classes that each may be."""
IGNORED = {"safety_checker", "feature_extractor", "image_encoder", "requires_safety_checker"}
"""Parts of a pipeline that do not draw; their folders are not opened."""
NOTES = {"_class_name", "_diffusers_version", "_name_or_path"}
"""Keys by which diffusers says where a file comes from; they decide nothing here."""
TEXT_NOTES = {
    "_name_or_path", "architectures", "chunk_size_feed_forward", "dropout", "dtype", "id2label",
    "is_encoder_decoder", "label2id", "model_type", "output_attentions", "output_hidden_states",
    "problem_type", "return_dict", "torch_dtype", "transformers_version",
}  # fmt: skip
TOKENIZER = {
    "add_prefix_space", "added_tokens_decoder", "additional_special_tokens", "backend", "bos_token",
    "clean_up_tokenization_spaces", "do_lower_case", "eos_token", "errors", "extra_special_tokens",
    "is_local", "model_input_names", "model_max_length", "model_specific_special_tokens",
    "name_or_path", "pad_token", "padding_side", "special_tokens_map_file",
    "split_special_tokens", "tokenizer_class", "truncation_side", "unk_token", "use_fast",
}  # fmt: skip
LARGEST_JSON = 1 << 20
"""Bytes of a configuration; a real one has less than a thousandth."""
LARGEST, MOST_LAYERS = 1 << 20, 256
"""Bounds of the numbers of a configuration: what it asks for is built before weights are read."""


def load_pipeline(folder: Path) -> Any:
    """Load a Stable Diffusion pipeline, with the scheduler as diffusers itself would set it.

    What a configuration leaves out is the default of the class that the file names; diffusers'
    pipeline then switches clipping off and sets ``steps_offset`` to 1, as for everybody else.

    Raises
    ------
    InputError
        When the folder is no such pipeline, names another class, has a setting that the class does
        not know, lacks safetensors, or a file is damaged.
    """
    import diffusers
    import transformers

    folder = Path(folder)
    index = _read_json(folder / "model_index.json", name="pipeline")
    if index.get("_class_name") != "StableDiffusionPipeline":
        raise InputError(
            f"{folder} is a {str(index.get('_class_name'))[:60]}; pass a StableDiffusionPipeline."
        )
    _require_known(index, {*CLASSES, *IGNORED, *NOTES, "scheduler"}, folder / "model_index.json")
    schedulers = _scheduler_names()
    names = {part: _named(index, part, *allowed, folder) for part, allowed in CLASSES.items()}
    names["scheduler"] = _named(index, "scheduler", "diffusers", schedulers, folder)

    kinds = {part: getattr(diffusers, names[part]) for part in ("unet", "vae", "scheduler")}
    for part in ("unet", "vae"):
        _settings(folder / part / "config.json", _parameters(kinds[part]) | NOTES)
    known = NOTES.union(*(_parameters(getattr(diffusers, name)) for name in schedulers))
    said = _settings(folder / "scheduler" / "scheduler_config.json", known)
    text = _parameters(transformers.CLIPTextConfig) | TEXT_NOTES
    _settings(folder / "text_encoder" / "config.json", text)
    path = folder / "tokenizer" / "tokenizer_config.json"
    _require_known(_read_json(path, name="configuration"), TOKENIZER, path)
    for part in ("unet", "vae", "text_encoder"):
        _require_safetensors(folder / part)

    options: dict[str, Any] = {"use_safetensors": True, "local_files_only": True}
    made = {part: kinds[part].from_pretrained(folder / part, **options) for part in ("unet", "vae")}
    made["scheduler"] = kinds["scheduler"].from_config(said)
    made["text_encoder"] = transformers.CLIPTextModel.from_pretrained(
        folder / "text_encoder", trust_remote_code=False, **options
    )
    made["tokenizer"] = transformers.CLIPTokenizer.from_pretrained(
        folder / "tokenizer", trust_remote_code=False, local_files_only=True
    )
    return diffusers.StableDiffusionPipeline(
        **made, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )


def _read_json(path: Path, *, name: str) -> dict[str, Any]:
    """Return the mapping that a small JSON file holds."""
    with open_bytes(path, name=name, most=LARGEST_JSON) as handle:
        text = handle.read(LARGEST_JSON)
    try:
        said = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{name} {shown(path)} is no JSON ({reason}); restore it.") from None
    if not isinstance(said, dict):
        raise InputError(f"{name} {shown(path)} is no JSON mapping; restore it.")
    return said


def _scheduler_names() -> list[str]:
    from diffusers.schedulers.scheduling_utils import KarrasDiffusionSchedulers

    return [kind.name for kind in KarrasDiffusionSchedulers]


def _parameters(kind: type) -> set[str]:
    """Return the settings that a class is made from."""
    known = inspect.signature(kind).parameters.values()
    return {p.name for p in known if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}


def _require_known(said: Iterable[str], known: set[str], path: Path) -> None:
    for key in sorted(set(said) - known):
        raise InputError(f"{path} has the setting {key[:60]!r}, which is not taken; remove it.")


def _settings(path: Path, known: set[str]) -> dict[str, Any]:
    said = _read_json(path, name="configuration")
    _require_known(said, known, path)
    for key, value in said.items():
        _require_small(key, value, path)
    return said


def _require_small(key: str, value: Any, path: Path) -> None:
    most = MOST_LAYERS if "layers" in key else LARGEST
    if isinstance(value, (int, float)) and not -most <= value <= most and math.isfinite(value):
        raise InputError(f"{path} has {key} {str(value)[:40]}; use at most {most}.")
    inner = value.values() if isinstance(value, dict) else value
    if isinstance(inner, list) or inner is not value:
        for each in inner:
            _require_small(key, each, path)


def _named(index: dict[str, Any], part: str, library: str, kinds: list[str], folder: Path) -> str:
    """Return the class of a part, if it is one that may be made."""
    said = index.get(part)
    if not isinstance(said, list) or len(said) != 2 or said[0] != library or said[1] not in kinds:
        raise InputError(
            f"{folder / 'model_index.json'} has {part} {str(said)[:80]}; it must be {library}'s "
            f"{' or '.join(kinds[:2]) if len(kinds) < 3 else 'scheduler for such pipelines'}."
        )
    return said[1]


def _require_safetensors(folder: Path) -> None:
    """Raise unless all weights of a part are safetensors in its folder, and nothing is added."""
    if (folder / "adapter_config.json").exists():
        raise InputError(f"{folder} adds an adapter; merge it into the weights and save them.")
    for path in sorted(folder.glob("*.index*.json")):
        shards = _read_json(path, name="index").get("weight_map")
        listed = shards.values() if isinstance(shards, dict) else [None]
        for name in listed:
            if not isinstance(name, str) or not name.endswith(".safetensors") or "/" in name:
                raise InputError(
                    f"{path} lists {str(name)[:60]!r}; weights must be safetensors in the folder."
                )
    if not any(folder.glob("*.safetensors")):
        raise InputError(f"{folder} has no safetensors; save the pipeline in that format.")
