"""CLIP models through open_clip: published weights or local files (embedding chapter).

A spec leads to a `Build`: which network the weights belong to (`clip_weights`), or to a checked
`Folder` that describes its own (`clip_folder`). The network is built, the weights are loaded, and
every tensor must have the shape that the network asks for.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import open_clip
import torch
from jaxtyping import Float
from open_clip.model import set_model_preprocess_cfg
from open_clip.transform import PreprocessCfg
from safetensors import SafetensorError, safe_open
from torch import Tensor

from bbb_core import checks
from bbb_core import device as devices
from bbb_core.embedding.clip_folder import CONFIG, Folder, FolderTokenizer, read_folder
from bbb_core.embedding.clip_weights import (
    WEIGHTS,
    Build,
    known_file,
    of_file,
    published,
    split_model,
)
from bbb_core.embedding.encoder import BatchedEncoder, unit
from bbb_core.errors import InputError
from bbb_core.io.files import regular_file
from bbb_core.io.writing import sha256
from bbb_core.progress import bar

__all__ = ["OpenCLIP", "load_open_clip"]

_PICKLES = {".pt", ".pth", ".bin", ".ckpt", ".pkl"}
_LARGEST = 2**37  # bytes of a file of weights
_DAMAGE = (
    ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, OSError,
    RuntimeError, SafetensorError, TypeError, ValueError,
)  # fmt: skip


class OpenCLIP(BatchedEncoder):
    """The text and image towers of a CLIP model (`radford2021`, `ilharco2021`).

    Parameters
    ----------
    network, tokenizer
        Of open_clip's kinds. A tokenizer without a `context_length` refuses long texts itself.
    name, dim, shared
        See `BatchedEncoder`.
    build
        What is known of the weights, if they were read from a file.
    """

    def __init__(
        self,
        network: Any,
        tokenizer: Any,
        *,
        name: str,
        dim: int,
        build: Build | None = None,
        **shared: Any,
    ) -> None:
        limit = getattr(tokenizer, "context_length", None)
        super().__init__(name=name, level="sentence", dim=dim, max_tokens=limit, **shared)
        self.build = build
        self._network = network
        self._tokenizer = tokenizer
        self._device = next(network.parameters()).device

    def _lengths(self, texts: list[str]) -> list[int]:
        reader = self._tokenizer
        if isinstance(reader, FolderTokenizer):
            return reader.lengths(texts)
        if hasattr(reader, "encode"):  # open_clip's own byte pairs
            return [len(reader.encode(text)) + 2 for text in texts]
        clean = [reader.clean_fn(text) for text in texts]  # a tokenizer of transformers
        rows = reader.tokenizer(clean, truncation=False, padding=False, verbose=False)["input_ids"]
        return [len(row) for row in rows]

    @torch.inference_mode()
    def _rows(self, texts: list[str]) -> Tensor:
        return self._network.encode_text(self._tokenizer(texts).to(self._device))

    @torch.inference_mode()
    def encode_image(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Embed images with values in [0, 1] as unit rows, float32, on the CPU.

        Images are resized as the model was trained (shortest side and centre crop, or squash),
        with antialiasing, and normalised with the model's own mean and standard deviation.
        """
        images = checks.finite("images", images)
        if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
            raise InputError(f"images has shape {tuple(images.shape)}; pass [n, 3, h, w].")
        if images.min() < 0 or images.max() > 1:
            raise InputError("images must lie in [0, 1]; divide 8-bit values by 255.")
        if self._network.visual.preprocess_cfg is None:
            raise InputError(
                f"{self.name} does not say how its images are scaled, and published weights of "
                f"this model differ; put the file into a folder with {CONFIG} and name it as "
                "open_clip:local/FOLDER."
            )
        rows = []
        starts = range(0, len(images), self.batch_size)
        for start in bar(starts, total=len(starts), desc=f"{self.name} images"):
            part = images[start : start + self.batch_size].to(self._device, torch.float32)
            raw = self._network.encode_image(_prepare(part, self._network.visual.preprocess_cfg))
            names = [f"image {start + i}" for i in range(len(part))]
            rows.append(torch.from_numpy(unit(raw, names)))
        return torch.cat(rows)


def _prepare(images: Tensor, said: dict[str, Any]) -> Tensor:
    """Resize, crop and normalise as the model's preprocessing says."""
    size = said["size"] if isinstance(said["size"], (tuple, list)) else (said["size"],) * 2
    height, width = int(size[0]), int(size[1])
    if tuple(images.shape[2:]) != (height, width):
        target = (height, width)
        if said.get("resize_mode", "shortest") == "shortest":
            scale = max(height / images.shape[2], width / images.shape[3])
            sides = zip(images.shape[2:], target, strict=True)
            tall, wide = (max(round(side * scale), least) for side, least in sides)
            target = (tall, wide)
        images = torch.nn.functional.interpolate(
            images, size=target, mode=said.get("interpolation", "bicubic"), antialias=True
        ).clamp(0, 1)
        top, left = (target[0] - height) // 2, (target[1] - width) // 2
        images = images[:, :, top : top + height, left : left + width]
    mean, std = (torch.tensor(said[key], device=images.device) for key in ("mean", "std"))
    return (images - mean[:, None, None]) / std[:, None, None]


def load_open_clip(
    rest: str, *, device: str | None = None, batch_size: int = 64, cached: bool = True
) -> OpenCLIP:
    """Load ``MODEL/PRETRAINED``: the part of a spec after ``open_clip:``.

    ``MODEL/TAG`` takes weights whose commit and hash are pinned here, ``MODEL/TAG@COMMIT`` any
    other published tag at a commit of its repository; ``MODEL/FILE.safetensors`` a local file;
    ``local/FOLDER`` a folder with ``open_clip_config.json`` and ``open_clip_model.safetensors``.
    A file of a known hash brings its settings with it. For any other file, MODEL must say the
    activation where it exists with both: ``ViT-B-32-quickgelu`` or ``ViT-B-32-gelu``.

    Raises
    ------
    InputError
        When the model, tag, file or network is missing, the activation is not said, a folder's
        configuration holds anything but the description of a network, or a tensor of the file
        does not have the shape that the model asks for.
    """
    name, slash, weights = rest.partition("/")
    if not slash or not name or not weights:
        raise InputError(
            f"encoder 'open_clip:{rest}' must be open_clip:MODEL/PRETRAINED, for instance "
            "open_clip:ViT-B-32/laion2b_s34b_b79k or open_clip:ViT-B-32/FILE.safetensors."
        )
    folder = read_folder(Path(weights)) if name == "local" else None
    build = _published_or_file(name, weights, rest) if folder is None else _described(folder)
    try:
        network = _network(build, folder)
        tokenizer = _tokenizer(build.model) if folder is None else folder.tokenizer
        with torch.inference_mode():
            dim = int(network.encode_text(tokenizer(["a"])).shape[1])
    except _DAMAGE as error:
        reason = next(iter(str(error).strip().splitlines()), "unreadable")[:160]
        raise InputError(
            f"encoder 'open_clip:{rest}': {build.path.name} is no checkpoint of this model "
            f"({reason})."
        ) from None
    return OpenCLIP(
        network.to(devices.pick(device or "cpu")), tokenizer, name=f"open_clip:{rest}", dim=dim,
        fingerprint=f"open_clip-1:{build.model}:quick_gelu={build.quick_gelu}:{build.sha256}",
        build=build, batch_size=batch_size, cached=cached,
    )  # fmt: skip


def _published_or_file(name: str, weights: str, rest: str) -> Build:
    model, quick = split_model(name)
    path = Path(weights)
    if "/" not in weights and path.suffix not in {".safetensors", *_PICKLES}:
        return published(model, quick, weights)
    if path.suffix != ".safetensors":
        raise InputError(
            f"encoder 'open_clip:{rest}': {path.name} may hold code that runs when it is read; "
            "convert it where you trust it (torch.load, then safetensors.torch.save_file)."
        )
    return of_file(model, quick, regular_file(path, name="open_clip weights", most=_LARGEST))


def _described(folder: Folder) -> Build:
    """Describe a folder by its configuration; a known hash has the last word."""
    path = regular_file(folder.path / WEIGHTS, name="open_clip weights", most=_LARGEST)
    return known_file(path) or Build(
        model=sha256(folder.path / CONFIG, name="open_clip"), path=path,
        sha256=sha256(path, name="open_clip"), preprocessing=folder.preprocessing,
        quick_gelu=bool(folder.network.get("quick_gelu", False)),
    )  # fmt: skip


def _network(build: Build, folder: Folder | None) -> Any:
    """Build the network and load the weights, which must fit it tensor by tensor."""
    with safe_open(build.path, framework="pt") as stream:
        held = {name: tuple(stream.get_slice(name).get_shape()) for name in stream.keys()}  # noqa: SIM118
    with torch.random.fork_rng(devices=[]):  # building a network draws from the global stream
        if folder is None:
            network = open_clip.create_model(
                build.model, pretrained=str(build.path), precision="fp32", device="cpu",
                weights_only=True, require_pretrained=True, force_quick_gelu=build.quick_gelu,
                force_preprocess_cfg=build.preprocessing,
            )  # fmt: skip
        else:
            _check_size(folder, build, held)
            network = folder.build(quick_gelu=build.quick_gelu)
            open_clip.load_checkpoint(network, str(build.path))
            size = {"size": network.visual.image_size}
            said = asdict(PreprocessCfg()) | size | (build.preprocessing or {})
            set_model_preprocess_cfg(network, said)
    for name, tensor in network.state_dict().items():
        if name in held and tensor.ndim and tuple(tensor.shape) != held[name]:
            raise ValueError(f"{name} has shape {held[name]}, the model {tuple(tensor.shape)}")
    if build.preprocessing is None:
        network.visual.preprocess_cfg = None
    return network.eval().requires_grad_(False)


def _check_size(folder: Folder, build: Build, held: dict[str, tuple[int, ...]]) -> None:
    """Refuse a configuration of many more numbers than the file holds, before they are made."""
    with torch.device("meta"):
        network = folder.build(quick_gelu=build.quick_gelu)
    announced = sum(tensor.numel() for tensor in network.state_dict().values())
    numbers = sum(math.prod(shape) for shape in held.values())
    if announced > 2 * numbers:
        raise ValueError(f"the configuration announces {announced} numbers, the file {numbers}")


def _tokenizer(model: str) -> Any:
    foreign = "hf_tokenizer_name" in open_clip.get_model_config(model)["text_cfg"]
    return open_clip.get_tokenizer(model, **({"trust_remote_code": False} if foreign else {}))
