"""The figures of the primer, drawn once and committed as SVG.

``python -m bbb_book.press.primer`` draws them into ``book/_static/primer`` (or a folder that is
named). They explain terms: nothing in them is a result.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.special import expit
from torch import Tensor

from bbb_book.data.emoji import load_emoji_people
from bbb_book.style import COLOURS, RC, figure, house
from bbb_core import rng
from bbb_core.balance import representational_balance
from bbb_core.diffusion import two_group_oracle
from bbb_core.io.writing import atomic_write
from bbb_core.theory import inherited_share

__all__ = ["FIGURES", "draw", "main"]

BLUE, RED, GREY = COLOURS["blue"], COLOURS["vermillion"], "#777777"


def _bare(axes: Any) -> None:
    axes.grid(visible=False)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _drawing(occupation: str, group: str) -> Tensor:
    people = load_emoji_people(size=48, occupations=[occupation], groups=[group], tones=["dark"])
    return people.images[0]


def _picture(drawing: Tensor) -> np.ndarray:
    return drawing.permute(1, 2, 0).clamp(0, 1).numpy()


@house
def embedding() -> Figure:
    """Draw three unit vectors, the angle between two of them, and the way between two prompts."""
    made, (left, right) = figure(1, 2, height=2.5)
    turn = np.linspace(0, 2 * np.pi, 200)
    angles = {"a male nurse": 0.25, "a nurse": 1.05, "a female nurse": 1.5}
    for axes, (x0, y0, reach) in ((left, (0, 0, 1.25)), (right, (0.51, 0.63, 0.62))):
        axes.plot(np.cos(turn), np.sin(turn), color="#cccccc", linewidth=1)
        axes.set_aspect("equal")
        axes.set(xlim=(x0 - reach, x0 + reach), ylim=(y0 - reach, y0 + reach))
        _bare(axes)
    for name, angle in angles.items():
        tip = np.array([np.cos(angle), np.sin(angle)])
        look = {"color": RED if name == "a nurse" else "black"}
        for axes in (left, right):
            axes.annotate("", tip, (0, 0), arrowprops={"arrowstyle": "-|>", **look})
        right.annotate(name, tip, (6, 4), textcoords="offset points", fontsize=9, **look)
    arc = np.linspace(angles["a nurse"], angles["a female nurse"], 30)
    left.plot(0.55 * np.cos(arc), 0.55 * np.sin(arc), color=BLUE)
    left.annotate("cosine of this angle", (0.12, 0.55), (-1.2, 0.75), fontsize=9, color=BLUE,
                  arrowprops={"arrowstyle": "-", "color": BLUE})  # fmt: skip
    a, b, p = (np.array([np.cos(v), np.sin(v)]) for v in (0.25, 1.5, 1.05))
    t = 0.5 + ((p @ (b - a)) - (b @ b - a @ a) / 2) / ((b - a) @ (b - a))
    foot = a + t * (b - a)
    right.plot(*np.array([a, b]).T, color=BLUE, linewidth=2)
    right.plot(*np.array([p, foot]).T, color=RED, linestyle=":", linewidth=1.5)
    right.plot(*foot, "o", color=RED)
    for value, where in ((0, a), (1, b), (t, foot)):
        label = f"$t = {value:.2g}$" if value in (0, 1) else "$t$"
        shift = (-8, -14) if value == 0 else (-30, -8)
        right.annotate(label, where, shift, textcoords="offset points", fontsize=9, color=BLUE)
    return made


@house
def clip() -> Figure:
    """Draw pictures against captions; training raises the cosines on the diagonal."""
    shown = (("cook", "woman"), ("judge", "man"), ("astronaut", "woman"))
    made, axes = figure(height=2.6, width=4.6)
    cosines = np.array([[0.9, 0.3, 0.2], [0.25, 0.9, 0.3], [0.2, 0.3, 0.9]])
    axes.imshow(cosines, cmap="Blues", vmin=0, vmax=1.1, extent=(0, 3, 0, 3))
    for i, (occupation, group) in enumerate(shown):
        people = load_emoji_people(
            size=48, occupations=[occupation], groups=[group], tones=["dark"]
        )
        axes.imshow(_picture(people.images[0]), extent=(i + 0.1, i + 0.9, 3.1, 3.9))
        said = f"a photo of a {'female' if group == 'woman' else 'male'} {occupation}"
        axes.text(-0.1, 2.5 - i, said, ha="right", va="center", fontsize=9)
    axes.set(xlim=(-2.6, 3.1), ylim=(-0.1, 4))
    axes.set_aspect("equal")
    _bare(axes)
    return made


@house
def diffusion() -> Figure:
    """Show a drawing under more and more noise, and reverse paths of the oracle."""
    made, grid = figure(1, 2, height=2.2, gridspec_kw={"width_ratios": [1.6, 1]})
    clean = _drawing("cook", "woman") * 2 - 1
    noise = torch.as_tensor(rng.generator(0, "primer").standard_normal(clean.shape)).float()
    for i, kept in enumerate((0.02, 0.3, 0.7, 0.9, 1.0)):
        seen = kept**0.5 * clean + (1 - kept) ** 0.5 * noise
        grid[0].imshow(_picture((seen + 1) / 2), extent=(i, i + 0.94, 0, 0.94))
    grid[0].annotate("", (4.9, -0.25), (0.05, -0.25), arrowprops={"arrowstyle": "-|>"})
    grid[0].text(2.45, -0.4, "the model removes noise", ha="center", va="top", fontsize=9)
    grid[0].annotate("", (0.05, 1.2), (4.9, 1.2), arrowprops={"arrowstyle": "-|>"})
    grid[0].text(2.45, 1.3, "training adds noise", ha="center", va="bottom", fontsize=9)
    grid[0].set(xlim=(0, 5), ylim=(-0.7, 1.6))
    grid[0].set_aspect("equal")
    _bare(grid[0])
    oracle = two_group_oracle(separation=4.0, steps=60)
    half, draw = torch.tensor([0.5], dtype=torch.float64), rng.generator(1, "primer paths")
    x = torch.as_tensor(draw.standard_normal((14, 1)))
    path = [x]
    for step in range(len(oracle.sigmas), 0, -1):
        shock = torch.as_tensor(draw.standard_normal(x.shape))
        x = oracle.mean(x, step, half) + float(oracle.sigmas[step - 1]) * shock
        path.append(x)
    lines = torch.cat(path, 1).numpy()
    for line in lines:
        grid[1].plot(line, color=BLUE if line[-1] > 0 else RED, linewidth=0.7)
    grid[1].set(xticks=[0, 60], xticklabels=["noise", "image"], yticks=[-1, 1],
                yticklabels=["men", "women"])  # fmt: skip
    return made


@house
def guidance() -> Figure:
    """Show how the condition sets the weights of the groups and guidance sharpens them."""
    made, (left, right) = figure(1, 2, height=2.3)
    oracle, x = two_group_oracle(separation=3.0), torch.linspace(-2.2, 2.2, 200).double()[:, None]
    for weight, style in ((0.2, ":"), (0.5, "-"), (0.8, "--")):
        condition = torch.tensor([weight], dtype=torch.float64)
        density = oracle.density(x, condition, 0)
        left.plot(x[:, 0], density, style, color=BLUE, label=f"condition {weight:g}")
    left.set(xticks=[-1, 1], xticklabels=["men", "women"], yticks=[], ylabel="density of images")
    left.legend(fontsize=7, loc="upper center")
    left.set_ylim(0, 1.75)
    t = np.linspace(0, 1, 200)
    for weight, style in ((1, "-"), (3, "--")):
        share = expit(weight * 6 * (t - 0.6))
        right.plot(t, share, style, color=BLUE, label=f"guidance {weight}")
    right.axhline(0.5, color=GREY, linewidth=0.8)
    right.set(xlabel="position of the prompt", ylabel="share of women", yticks=[0, 0.5, 1])
    right.legend(fontsize=8)
    return made


@house
def variation() -> Figure:
    """Draw two laws; the area by which one exceeds the other is their total variation."""
    made, (left, right) = figure(1, 2, height=2.2, gridspec_kw={"width_ratios": [1.5, 1]})
    x = np.linspace(-4, 5, 400)
    p, q = (np.exp(-((x - m) ** 2) / 2) / (2 * np.pi) ** 0.5 for m in (0, 1.2))
    left.plot(x, p, color=BLUE, label="$P$")
    left.plot(x, q, "--", color=RED, label="$Q$")
    left.fill_between(x, q, p, where=p > q, color=BLUE, alpha=0.25, hatch="//", edgecolor="white")
    left.annotate(r"$\mathrm{TV}(P, Q)$", (-0.5, 0.27), (-3.9, 0.33), fontsize=9,
                  arrowprops={"arrowstyle": "-"})  # fmt: skip
    left.set(yticks=[], xticks=[])
    left.legend(fontsize=8)
    right.bar([-0.2, 0.8], [0.2, 0.8], width=0.4, color=BLUE, label="drawn")
    right.bar([0.2, 1.2], [0.5, 0.5], width=0.4, color="#cccccc", label="balanced")
    right.annotate("", (0.8, 0.5), (0.8, 0.8), arrowprops={"arrowstyle": "<->", "color": "white"})
    right.text(0.45, 0.63, "0.3", ha="center", fontsize=9)
    right.set(xticks=[0, 1], xticklabels=["men", "women"], yticks=[0, 0.5, 1], ylim=(0, 1))
    right.legend(fontsize=8, loc="upper left")
    return made


@house
def odds() -> Figure:
    """Draw shares and log-odds along the way: prior and evidence are lengths that add up."""
    made, (left, right) = figure(1, 2, height=2.5)
    slope, switch, t = 9.0, 0.6, 0.4
    way = np.linspace(0, 1, 200)
    left.plot(way, inherited_share(way, slope, switch), color=BLUE)
    left.plot(t, inherited_share(t, slope, switch), "^", color=RED, markersize=8)
    left.axvline(switch, color=BLUE, linestyle="--")
    left.annotate("switch $t^*$", (switch, 0.06), (4, 0), textcoords="offset points", fontsize=9)
    left.annotate("a nurse", (t, 0.14), (-8, 8), textcoords="offset points", fontsize=9,
                  color=RED, ha="right")  # fmt: skip
    left.set(xlabel="position $t$", ylabel="share of women", yticks=[0, 0.5, 1])
    begotten, own = slope * (t - 0.5), slope * (0.5 - switch)
    rows = (("own", 0, own), ("begotten", own, begotten), ("sum", 0, own + begotten))
    for y, (name, start, size) in enumerate(rows):
        colour = {"own": BLUE, "begotten": RED, "sum": "black"}[name]
        right.barh(-y, size, left=start, height=0.5, color=colour)
    right.set_yticks([0, -1, -2], ["generator's own", "begotten", "sum"])
    right.axvline(0, color="black", linewidth=0.8)
    right.set(xlabel="log-odds of a woman", xlim=(-2.2, 0.6))
    return made


@house
def audit() -> Figure:
    """Draw the same share in small and large samples, each with its exact interval."""
    made, axes = figure(height=1.9, width=5.4)
    samples = ((8, 6), (40, 30), (200, 150), (1000, 750))
    for y, (n, women) in enumerate(samples):
        found = representational_balance({"woman": women, "man": n - women})
        low, high = found.share_intervals["woman"]
        axes.plot([low, high], [-y, -y], color=BLUE, linewidth=2)
        axes.plot(women / n, -y, "o", color=BLUE)
    axes.axvline(0.5, color="black", linewidth=0.8)
    axes.set_yticks([0, -1, -2, -3], [f"{women} of {n} images" for n, women in samples])
    axes.set(xlabel="share of women", xlim=(0, 1), ylim=(-3.5, 0.5))
    return made


FIGURES: dict[str, Callable[[], Figure]] = {
    draw.__name__: draw for draw in (embedding, clip, diffusion, guidance, variation, odds, audit)
}
"""Every figure of the primer by its name."""


def draw(folder: Path) -> list[Path]:
    """Draw every figure into a folder that exists, and return the files."""
    import matplotlib

    made, settings = [], cast(Any, RC)
    for name, function in FIGURES.items():
        target = folder / f"{name}.svg"
        with matplotlib.rc_context(settings), atomic_write(target) as temporary:
            function().savefig(temporary, format="svg", dpi=100, metadata={"Date": None})
        made.append(target)
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the figures into the folder that is named, by default the book's."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    folder = Path(given[0]) if given else Path(__file__).parents[2] / "_static" / "primer"
    folder.mkdir(parents=True, exist_ok=True)
    draw(folder)


if __name__ == "__main__":
    main()
