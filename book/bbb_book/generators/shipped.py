"""The generator that the library ships, made from its training run and from the second reader's.

`bbb book emoji-model` writes the folder anew: a smaller network than the chapters', so that it fits
into a package, trained as theirs (`studies.train_model`), and the reader that they check with.
"""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import torch

from bbb_book.data import emoji
from bbb_book.generators.studies import GROUPS, Study, model_of, training_of
from bbb_book.readers.second_reader import second_reader
from bbb_core.diffusion.built_in import EMOJI, READER
from bbb_core.diffusion.checkpoint import save_model, write_tensors
from bbb_core.diffusion.network import Denoiser
from bbb_core.io.folders import placed
from bbb_core.io.writing import sha256, write_json, write_text

__all__ = ["SHIPPED", "folded", "ship"]

SHIPPED = Study(channels=(16, 32, 32), steps=2400)
"""The training run behind the shipped weights."""
READER_STEPS = 200
OCCUPATION = "pilot"
"""Of the prompts that are audited when none is named."""
ATTRIBUTION = """\
The weights in this folder were trained on Twemoji graphics (people at work, scaled to 32 pixels).
Twemoji: copyright Twitter, Inc and other contributors, licensed under CC-BY 4.0,
https://creativecommons.org/licenses/by/4.0/. What the model draws is adapted from them: name them
where you show it.
"""


@torch.no_grad()
def folded(model: Denoiser) -> Denoiser:
    """Let the projection hold its restriction to the captions' span, so that the span is trivial.

    The same function of prompts; an identity matrix packs to nothing.
    """
    model.project.weight.copy_(model.project.weight @ model.span)
    model.span.copy_(torch.eye(len(model.span)))
    return model


def ship(folder: Path = EMOJI) -> dict[str, str]:
    """Write the shipped folder, whole or not at all; return the hashes of its files.

    The same training runs give the same tensors and the same ``digest`` in the files' metadata;
    safetensors writes metadata in no fixed order, so the hashes of the files may differ.
    """
    training, reader = training_of(SHIPPED), second_reader(SHIPPED.size, READER_STEPS)
    kept = ("function", "parameters", "inputs", "code", "key")
    about = {key: training.manifest[key] for key in kept}
    kinds = {"neutral": None, **dict(zip(GROUPS, GROUPS, strict=True))}
    weights = {
        key.removeprefix("weight "): torch.from_numpy(value)
        for key, value in reader.items()
        if key.startswith(("weight trunk", "weight heads.1", "weight none"))
    }
    told = {
        "groups": list(reader["state"]["names"]["group"]),
        "limit": reader["state"]["limit"],
        "confusion": reader["counts_tone"].tolist(),
    }
    with placed(folder) as made:
        save_model(made, folded(model_of(SHIPPED)), about={"training": about}, dtype=torch.float16)
        write_tensors(made / READER, weights, told)
        write_text(made / "ATTRIBUTION.txt", ATTRIBUTION)
        hashes = {path.name: sha256(path) for path in sorted(made.iterdir())}
        said = {
            "model": "emoji",
            "encoder": SHIPPED.encoder,
            "templates": {
                kind: emoji.caption("{}", g, template=SHIPPED.template) for kind, g in kinds.items()
            },
            "occupation": OCCUPATION,
            "occupations": list(emoji.OCCUPATIONS),
            "training": about,
            "reader": {key: reader.manifest[key] for key in kept},
            "versions": {name: metadata.version(name) for name in ("numpy", "torch", "diffusers")},
            "python": sys.version.split()[0],
            "sha256": hashes,
        }
        write_json(made / "manifest.json", said)
    return hashes
