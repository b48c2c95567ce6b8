"""Portraits along the way between two group prompts, and a page to walk with a prompt's dot."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from IPython.display import HTML
from PIL import Image

from bbb_book.chapters.inheritance.designs import Design, fingerprint, open_prompts
from bbb_book.chapters.inheritance.foretold import Generator
from bbb_book.chapters.inheritance.generators import Settings, _trained
from bbb_book.data import emoji
from bbb_book.generators import placements
from bbb_book.results.artefacts import Artefact, artefact
from bbb_core import device
from bbb_core.diffusion import DenoiserProcess, generate
from bbb_core.diffusion.foretelling import foretold_share
from bbb_core.stats.intervals import binomial_interval

__all__ = ["POSITIONS", "draw_walk", "walk", "walk_artefact", "walked"]

POSITIONS = tuple(round(-0.1 + 0.1 * i, 1) for i in range(13))
"""Points of the way at which portraits are drawn: a little beyond either group's prompt."""


def draw_walk(
    design: Design, settings: Settings, positions: Sequence[float], portraits: int
) -> dict[str, Any]:
    """Train a generator of the experiment again and draw every occupation along the way.

    Returns
    -------
    dict
        ``sheet`` bytes [20, positions, portraits, size, size, 3]; the portraits of one occupation
        start from the same noise at every position. ``seconds`` of the whole.
    """
    began = time.perf_counter()
    with device.threads(1):
        prompts = open_prompts(design, clip_steps=settings.clip_steps)
        model = _trained(design, prompts, settings)
        process = DenoiserProcess(model, steps=settings.reverse_steps, batch=256)
        _, man, woman = prompts.rows.unbind(1)
        names = [f"walk {occupation}" for occupation in emoji.OCCUPATIONS]
        drawn = [
            generate(
                process,
                placements.on_line(man, woman, torch.full((len(man),), float(t))),
                portraits,
                seed=design.seed,
                streams=names,
            )
            for t in positions
        ]
    images = torch.stack(drawn, 1).permute(0, 1, 2, 4, 5, 3)
    return {
        "sheet": (images * 255).round().to(torch.uint8).numpy(),
        "seconds": np.array(time.perf_counter() - began),
    }


def walk_artefact(design: Design, settings: Settings, portraits: int) -> Artefact:
    """Return the artefact of `draw_walk`."""
    word = f"{design.encoder}-{design.women:g}-{design.seed}"
    return artefact(
        f"walk-{word}",
        draw_walk,
        parameters={
            "design": design,
            "settings": settings,
            "positions": list(POSITIONS),
            "portraits": portraits,
        },
        inputs={"encoder": fingerprint(design)},
    )


def walked(designs: Sequence[Design], encoders: Sequence[str]) -> list[Design]:
    """Return the generators to walk: of one vector, the first of each encoder and share of women.

    Neither large ones nor further seeds: the pictures of all of them travel with one page.
    """
    found: dict[tuple[str, float], Design] = {}
    for design in designs:
        if design.encoder in encoders and design.conditioning == "pooled" and design.size == 16:
            found.setdefault((design.encoder, design.women), design)
    return list(found.values())


_PLACES = {
    "neutral": "as it is",
    "projected": "projected",
    "equalised": "equalised",
    "averaged": "middle of the way",
    "common switch": "at the switch",
    "own switch": "at its own switch",
}
_FINE = 61
_SIDE_BY_SIDE = 3


def walk(generators: Sequence[Generator], artefacts: Sequence[Mapping[str, Any]]) -> HTML:
    """Return the page on which a reader moves a prompt: works offline, by mouse and by keyboard.

    Parameters
    ----------
    generators, artefacts
        What was measured of each generator, and its portraits (`draw_walk`), in one order.
    """
    sheets = [np.asarray(made["sheet"])[:, :, :_SIDE_BY_SIDE] for made in artefacts]
    _, _, portraits, size = sheets[0].shape[:4]
    content = {
        "occupations": list(emoji.OCCUPATIONS),
        "positions": POSITIONS,
        "portraits": portraits,
        "size": size,
        "each": int(np.asarray(generators[0].values["sweep"])[0, 0].sum()),
        "places": _PLACES,
        "generators": [
            {**_law(g), "sheet": _sprites(sheet)}
            for g, sheet in zip(generators, sheets, strict=True)
        ],
    }
    template = (Path(__file__).parent / "walk.html").read_text(encoding="utf-8")
    return HTML(template.replace("__DATA__", json.dumps(content).replace("<", "\\u003c")))


def _law(g: Generator) -> dict[str, Any]:
    at = np.asarray(g.values["positions"])
    counts = np.asarray(g.values["sweep"])[..., :2]
    fine = np.linspace(POSITIONS[0], POSITIONS[-1], _FINE)
    low, high = np.zeros(_FINE), np.ones(_FINE)
    if g.law is not None:
        said = foretold_share(at, counts.sum(0), fine)
        low, high = said.low, said.high
    return {
        "encoder": g.design.encoder,
        "women": g.design.women,
        "slope": float(g.values["slope"]),
        "switch": float(g.values["switch"]),
        "low": np.round(low, 3).tolist(),
        "high": np.round(high, 3).tolist(),
        "sweep": counts.tolist(),
        "placed": {
            place: {
                "t": np.round(g.values["placed_t"][place], 3).tolist(),
                "counts": [_read(*pair) for pair in g.counts(place).tolist()],
            }
            for place in _PLACES
        },
    }


def _read(men: int, women: int) -> tuple[int, int, float, float]:
    low, high = binomial_interval(women, men + women) if men + women else (0.0, 1.0)
    return men, women, round(float(low), 3), round(float(high), 3)


def _sprites(sheet: np.ndarray) -> str:
    """Return all portraits as one picture: a row per occupation, positions side by side."""
    rows, positions, portraits, size = sheet.shape[:4]
    tiles = sheet.transpose(0, 3, 1, 2, 4, 5).reshape(rows * size, positions * portraits * size, 3)
    file = io.BytesIO()
    Image.fromarray(tiles).save(file, "WEBP", quality=40, method=6)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")
