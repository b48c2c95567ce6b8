"""Generators from folders: a checkpoint of this package, or a diffusers pipeline.

Serves `bbb audit model`. Weights are read from safetensors only, and no code of the folder runs.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bbb_core import progress
from bbb_core.diffusion.adapter import PipelineProcess
from bbb_core.diffusion.checkpoint import load_model
from bbb_core.diffusion.noise import SampleStreams
from bbb_core.diffusion.pipeline import load_pipeline
from bbb_core.diffusion.sampling import DenoiserProcess, SchedulerProcess
from bbb_core.diffusion.scheduler import exchange
from bbb_core.diffusion.training import noise_scheduler
from bbb_core.embedding.encoder import check_lengths
from bbb_core.errors import InputError

__all__ = ["load_process", "model_files"]

Encode = Callable[[list[str]], Tensor]


def load_process(
    folder: Path,
    *,
    encoder: str | None = None,
    sampler: str | None = None,
    device: torch.device | str = "cpu",
    **options: Any,
) -> tuple[SchedulerProcess, Encode]:
    """Load a generator and the function that embeds its prompts.

    Parameters
    ----------
    folder
        Holds ``model.safetensors`` (`checkpoint.save_model`), or the ``model_index.json`` of a
        text-to-image pipeline with one text encoder and a U-Net, as diffusers' `save_pretrained`
        writes it.
    encoder
        Specification of the text encoder (`embedding.load_encoder`); a checkpoint needs one, a
        pipeline has its own.
    sampler
        A name of `scheduler.SAMPLERS` to use on the model's noise levels. By default the model's
        own sampler is certified; one that adds no noise, such as PNDM, cannot be.
    device
        Where the networks compute.
    options
        Those of `SchedulerProcess`: steps, guidance, eta, batch.

    Returns
    -------
    process, encode
        The certified sampler, and texts -> conditions [n, ...].

    Raises
    ------
    InputError
        If the folder holds neither, a file is damaged or not allowed, the encoder does not fit, or
        the sampler is not reproduced or adds no noise. The function that embeds raises it for a
        prompt with more tokens than the text encoder reads.
    """
    folder = Path(folder)
    if (folder / "model_index.json").is_file():
        if encoder is not None:
            raise InputError("encoder is given, but a pipeline brings its own; leave it out.")
        return _pipeline(folder, sampler, device, options)
    if (folder / "model.safetensors").is_file():
        return _checkpoint(folder, encoder, sampler, device, options)
    raise InputError(
        f"{folder} holds no model; pass a folder with model_index.json (diffusers) or with "
        "model.safetensors (this package)."
    )


def model_files(folder: Path) -> dict[str, Path]:
    """Return a model's settings and weights by their names in its folder."""
    kinds = (".json", ".safetensors")
    found = sorted(path for path in folder.rglob("*") if path.suffix in kinds)
    return {path.relative_to(folder).as_posix(): path for path in found}


def _checkpoint(
    folder: Path, encoder: str | None, sampler: str | None, device: Any, options: dict[str, Any]
) -> tuple[SchedulerProcess, Encode]:
    from bbb_core.embedding import load_encoder

    if encoder is None:
        raise InputError("encoder is missing; name the text encoder that the model was trained on.")
    model = load_model(folder).to(device)
    if model.config.conditioning != "pooled":
        raise InputError("the model attends to tokens; only pooled embeddings can be made here.")
    texts = load_encoder(encoder)

    def encode(prompts: list[str]) -> Tensor:
        rows = texts.encode_text(prompts).float()
        if rows.shape[1] != model.config.embedding_dim:
            raise InputError(
                f"encoder {encoder!r} gives {rows.shape[1]} numbers per prompt, the model takes "
                f"{model.config.embedding_dim}; name the encoder that it was trained on."
            )
        return rows

    scheduler = None if sampler is None else exchange(noise_scheduler(), sampler)
    return DenoiserProcess(model, scheduler=scheduler, **options), encode


def _pipeline(
    folder: Path, sampler: str | None, device: Any, options: dict[str, Any]
) -> tuple[SchedulerProcess, Encode]:
    try:
        with _quiet(), torch.random.fork_rng(devices=[]):
            pipeline = load_pipeline(folder).to(device)
            encode = _encoding(pipeline, device)
            own = type(pipeline.scheduler).__name__
            if sampler is not None:
                pipeline.scheduler = exchange(pipeline.scheduler, sampler)
            process = PipelineProcess(pipeline, null=encode([""])[0], **options)
            first = process.initial(1, generators=SampleStreams(0, 1))
            tried = process.decode(process.mean(first, len(process.sigmas), process.null()))
    except InputError:
        raise
    except Exception as error:  # many kinds, by what is broken or does not fit together
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{folder} cannot be loaded as a Stable Diffusion pipeline: {reason}"
        ) from None
    if not tried.isfinite().all():
        raise InputError(f"{folder} draws values that are not finite; restore its weights.")
    if sampler is not None:
        process.sampler += f", in place of the pipeline's own {own}"
    return process, encode


def _encoding(pipeline: Any, device: Any) -> Encode:
    """Return a pipeline's embedding of prompts, which refuses what its tokenizer would cut."""
    limit = min(
        pipeline.tokenizer.model_max_length, pipeline.text_encoder.config.max_position_embeddings
    )
    pipeline.tokenizer.model_max_length = limit

    def encode(prompts: list[str]) -> Tensor:
        tokens = pipeline.tokenizer(prompts, truncation=False, verbose=False)["input_ids"]
        check_lengths(prompts, [len(row) for row in tokens], limit, name="the pipeline's encoder")
        with torch.no_grad():
            rows, _ = pipeline.encode_prompt(prompts, device, 1, False)
        return rows.float().cpu()

    return encode


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence bars and lines of diffusers and transformers; what fails is raised anyway."""
    import diffusers.utils.logging as ours
    import transformers.utils.logging as theirs

    before = [(log, log.get_verbosity(), log.is_progress_bar_enabled()) for log in (ours, theirs)]
    try:
        for log, _, _ in before:
            log.set_verbosity(log.CRITICAL)
            if not progress.watched():
                log.disable_progress_bar()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for log, level, bars in before:
            log.set_verbosity(level)
            if bars:
                log.enable_progress_bar()
