"""Figures of the chapter on a diffusion model of emoji people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bbb_book.chapters.emoji_model.drawing_distances import distances_to_drawings
from bbb_book.data import emoji
from bbb_book.generators.people import reader
from bbb_book.generators.studies import GROUPS, Study, drawings
from bbb_book.style import figure, house, palette, picture_grid
from bbb_core.stats import binomial_interval

__all__ = [
    "distances",
    "held_out",
    "loss",
    "originals",
    "readings",
    "samples",
]

LOOKS = palette(["man", "woman", "none", "drawings"])


def _tiles(rows: Sequence[np.ndarray], *, gap: int = 1) -> np.ndarray:
    """Return one picture from rows of tiles [m, 3, h, w] (bytes), on white, with gaps."""
    lines = []
    for tiles in rows:
        padded = np.pad(tiles, ((0, 0), (0, 0), (gap, gap), (gap, gap)), constant_values=255)
        lines.append(np.concatenate(list(padded), axis=2))
    return np.concatenate(lines, axis=1).transpose(1, 2, 0)


def _show(axes: Any, picture: np.ndarray, labels: Sequence[str] = (), *, rows: int = 0) -> None:
    axes.figure.set_layout_engine("compressed")  # room for labels beside a fixed aspect
    axes.imshow(picture, interpolation="nearest")
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    height = picture.shape[0] / max(1, rows)
    ticks = [height * (i + 0.5) for i in range(len(labels))]
    axes.set_yticks(ticks, labels, fontsize=7)
    axes.tick_params(length=0)


@house
def originals(size: int, occupations: Sequence[str], tones: Sequence[str]) -> Figure:
    """Draw the original drawings: person, man, woman in some tones."""
    people = emoji.load_emoji_people(size=size, occupations=list(occupations))
    pictures = (people.images * 255).round().numpy().astype(np.uint8)
    tiles = pictures.reshape(len(occupations), 3, len(emoji.TONES), *pictures.shape[1:])
    picked = [emoji.TONES.index(tone) for tone in tones]
    return picture_grid(tiles[:, :, picked], rows=occupations, blocks=emoji.GROUPS, across=9)


@house
def samples(drawn: Mapping[str, Any], occupations: Sequence[str], *, shown: int = 3) -> Figure:
    """Draw generations: prompts that name the man, the woman, and none."""
    sheet = np.asarray(drawn["sheet"])
    kinds = [1, 2, 0] if sheet.shape[1] == 3 else [0]
    names = {1: "male ...", 2: "female ...", 0: "neutral prompt"}
    picked = [emoji.OCCUPATIONS.index(o) for o in occupations]
    tiles = sheet[picked][:, kinds, : min(shown, sheet.shape[2])]
    return picture_grid(tiles, rows=occupations, blocks=[names[k] for k in kinds], across=9)


@house
def held_out(drawn: Mapping[str, Any], study: Study) -> Figure:
    """Draw the held-out combinations: the drawing never shown, and kept images read as it."""
    people = drawings(study.size)
    sheet, tones = np.asarray(drawn["sheet"]), np.asarray(drawn["named_tone_codes"])
    blank = np.full((3, study.size, study.size), 255, np.uint8)
    top, bottom, names = [], [], []
    for cell in study.held_out:
        occupation, group, tone = cell.split("|")
        o, g = emoji.OCCUPATIONS.index(occupation), GROUPS.index(group)
        image = people.images[people.labels.index((occupation, group, tone))]
        top.append((image * 255).round().numpy().astype(np.uint8))
        kept = sheet[o, 1 + g]
        found = np.flatnonzero(tones[o, g, : len(kept)] == emoji.TONES.index(tone))
        bottom.append(kept[found[0]] if len(found) else blank)
        names.append(occupation)
    picture = _tiles([np.stack(top), np.stack(bottom)])
    fig, axes = figure(height=1.9)
    _show(axes, picture, ["never shown", "generated"], rows=2)
    width = picture.shape[1] / len(names)
    ticks = [width * (i + 0.5) for i in range(len(names))]
    axes.set_xticks(ticks, names, fontsize=8, rotation=30, ha="right")
    return fig


@house
def loss(made: Mapping[str, Any]) -> Figure:
    """Draw the training loss: each step, and its running mean."""
    losses = np.asarray(made["losses"], float)
    window = max(1, min(50, len(losses) // 4))
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    fig, axes = figure(height=2.4)
    axes.plot(losses, color="#bbbbbb", linewidth=0.5, label="each step")
    axes.plot(
        np.arange(len(smooth)) + window - 1, smooth, **LOOKS["man"].lines(label="running mean")
    )
    axes.set(xlabel="training step", ylabel="mean squared error of v", yscale="log")
    axes.legend()
    return fig


@house
def readings(drawn: Mapping[str, Any]) -> Figure:
    """Draw, per occupation and named group, the share of images read as that group."""
    counts = np.asarray(drawn["group"])
    n = int(counts[0, 0].sum())
    fig, axes = figure(height=3.9)
    y = np.arange(len(emoji.OCCUPATIONS))[::-1]
    for g, (group, shift) in enumerate(zip(GROUPS, (0.16, -0.16), strict=True)):
        right = counts[:, g, g]
        low, high = np.array(
            [binomial_interval(int(k), n, confidence=1 - 0.05 / (2 * len(y))) for k in right]
        ).T
        axes.hlines(y + shift, low, high, color=LOOKS[group].colour, linewidth=1)
        axes.plot(right / n, y + shift, **LOOKS[group].points(label=f"prompt names a {group}"))
    axes.set_yticks(y, emoji.OCCUPATIONS, fontsize=8)
    axes.set(xlabel="share read as the named group", xlim=(0, 1.02))
    axes.legend(loc="lower left")
    return fig


@house
def distances(drawn: Mapping[str, Any], *, size: int) -> Figure:
    """Draw how far generations lie from the nearest training drawing, beside two yardsticks."""
    fig, axes = figure(height=2.5)
    looks = ("drawings", "man", "woman")
    for (name, values), look in zip(
        distances_to_drawings(drawn, size=size).items(), looks, strict=True
    ):
        style = LOOKS[look]
        axes.hist(
            values.clip(max=0.4),
            bins=np.linspace(0, 0.4, 61),
            density=True,
            histtype="step",
            label=name,
            color=style.colour,
            linestyle=style.line,
            linewidth=1.6,
        )
    axes.axvline(reader(size).limit, color="black", linewidth=0.8)
    axes.set(xlabel="root mean square distance to the nearest drawing", ylabel="density")
    axes.legend()
    return fig
