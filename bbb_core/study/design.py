"""A study: its images, options and settings, and the key file that describes it (human study)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from bbb_core import checks as check
from bbb_core.balance.shares import NONE
from bbb_core.errors import InputError

__all__ = ["ALL_IMAGES", "UNCLEAR", "Image", "Study", "read_study", "repeats_for"]

UNCLEAR = "unclear"
"""The answer "can't tell"; always offered."""
ALL_IMAGES = "all images"
"""The prompt of images that no metadata file gives one."""
FORMAT, VERSION = "bbb-study-key", 1
LARGEST = 50_000_000
_NAME = re.compile(r"[^\W_][\w .,()/'+-]{0,39}")
_ID = re.compile(r"[0-9a-f]{12}")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Image:
    """One image of a study.

    Attributes
    ----------
    id : str
        What the page calls it: 12 hexadecimal digits that say nothing about the image.
    file : str
        Its file name (empty for a check that the tool drew).
    sha256 : str
        Hash of the file, or of the drawn picture.
    prompt : str
        What the image was generated for.
    role : str
        ``rated``, or ``check``: a picture whose answer is known.
    answer : str
        The known answer of a check; empty for rated images.
    """

    id: str
    file: str
    sha256: str
    prompt: str = ALL_IMAGES
    role: Literal["rated", "check"] = "rated"
    answer: str = ""

    def __post_init__(self) -> None:
        for name in ("id", "file", "sha256", "prompt", "role", "answer"):
            if not isinstance(getattr(self, name), str):
                raise InputError(f"image {name} is no text; take study.json as it was made.")
        if not _ID.fullmatch(self.id) or not _HASH.fullmatch(self.sha256):
            raise InputError("an image's id or hash is damaged; take study.json as it was made.")
        check.choice("image role", self.role, ("rated", "check"))
        if (self.role == "check") != bool(self.answer):
            raise InputError("checks have a known answer, and no other image has; mend study.json.")


@dataclass(frozen=True, kw_only=True)
class Study:
    """Everything that a study is made of, but for the pixels.

    Attributes
    ----------
    groups : tuple of str
        Readings to choose from, at least two.
    question : str
        What is asked of every image.
    images : tuple of Image
        Rated images and checks.
    per_participant : int
        How many different rated images one participant sees.
    checks, repeats : int
        How many checks and how many repeated images are shown to each participant.
    offer_none : str
        Words for "none of the groups" (the answer ``none``), or empty if it is not offered.
    """

    groups: tuple[str, ...]
    question: str
    images: tuple[Image, ...]
    per_participant: int
    checks: int
    repeats: int
    title: str = "How do you read these pictures?"
    contact: str = ""
    offer_none: str = "No person, or none of these"
    seed: int = 0

    def __post_init__(self) -> None:
        _groups(self.groups)
        for name in ("question", "title", "contact", "offer_none"):
            _words(name, getattr(self, name))
        if not self.question.strip():
            raise InputError("question is empty; ask something.")
        ids = [image.id for image in self.images]
        if len(set(ids)) != len(ids):
            raise InputError("images holds an id twice; give each image once.")
        unknown = [i.answer for i in self.images if i.answer and i.answer not in self.options]
        if unknown:
            raise InputError(
                f"a check's answer is {unknown[0]!r}; choose one of {', '.join(self.options)}."
            )
        n = len(self.rated_ids)
        if n < 2:
            raise InputError(f"images has {n} images to rate; give at least two.")
        check.integer("per_participant", self.per_participant, low=1, high=n)
        check.integer("checks", self.checks, low=0, high=len(self.check_ids))
        check.integer("repeats", self.repeats, low=0, high=self.per_participant)
        check.integer("seed", self.seed, low=0)

    @property
    def last_options(self) -> tuple[str, ...]:
        """The answers that always stand last."""
        return (NONE, UNCLEAR) if self.offer_none else (UNCLEAR,)

    @property
    def options(self) -> tuple[str, ...]:
        """All answers, in the order of the groups."""
        return (*self.groups, *self.last_options)

    @property
    def labels(self) -> dict[str, str]:
        """Answer to the words on the page."""
        words = {group: group for group in self.groups}
        return (
            words | ({NONE: self.offer_none} if self.offer_none else {}) | {UNCLEAR: "Can't tell"}
        )

    @cached_property
    def by_id(self) -> dict[str, Image]:
        """Image by id."""
        return {image.id: image for image in self.images}

    @cached_property
    def rated_ids(self) -> tuple[str, ...]:
        """Ids of the images to rate, in the order of the ids."""
        return tuple(sorted(image.id for image in self.images if image.role == "rated"))

    @cached_property
    def check_ids(self) -> tuple[str, ...]:
        """Ids of the checks, in the order of the ids."""
        return tuple(sorted(image.id for image in self.images if image.role == "check"))

    @property
    def shown(self) -> int:
        """Number of pictures that one participant sees, checks and repeats included."""
        return self.per_participant + self.checks + self.repeats

    @cached_property
    def id(self) -> str:
        """SHA-256 of the images and settings: the study's identifier."""
        text = json.dumps(self._plain(), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _plain(self) -> dict[str, Any]:
        return asdict(self)

    def as_dict(self) -> dict[str, Any]:
        """Give what `read_study` reads back."""
        return {"format": FORMAT, "version": VERSION, "study": self.id, **self._plain()}


def repeats_for(per_participant: int, share: float | int) -> int:
    """Return how many images are repeated: the nearest whole number to that share."""
    return int(per_participant * check.number("repeat_share", share, low=0, high=0.3) + 0.5)


def _words(name: str, text: Any) -> None:
    if not isinstance(text, str) or len(text) > 1000 or not text.replace("\n", " ").isprintable():
        raise InputError(f"{name} must be printable text of at most 1000 characters.")


def _groups(groups: Sequence[str]) -> None:
    if len(groups) < 2 or len(groups) > 7:
        raise InputError(f"groups has {len(groups)} names; give two to seven.")
    for name in groups:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name != name.strip():
            raise InputError(
                f"groups holds {name!r:.60}; a name has at most 40 letters, digits or spaces and "
                "begins with a letter or digit."
            )
        if name.casefold() in (NONE, UNCLEAR, "prompt", "group"):
            raise InputError(f"groups holds {name!r}, a name that the study keeps; rename it.")
    if len({name.casefold() for name in groups}) != len(groups):
        raise InputError(f"groups {', '.join(groups)} holds a name twice; give each once.")


def read_study(path: str | Path) -> Study:
    """Read ``study.json`` and check that it was not changed.

    Raises
    ------
    InputError
        If it cannot be read, is no study, or its identifier does not fit its contents.
    """
    from bbb_core.study.strict import load_json

    file = Path(path)
    try:
        told = load_json(file, largest=LARGEST)
    except OSError as error:
        raise InputError(f"study file {file} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise InputError(
            f"study file {file.name} is no study ({error}); name study.json."
        ) from None
    if not isinstance(told, Mapping) or told.get("format") != FORMAT:
        raise InputError(f"study file {file.name} is no key of a study; name study.json.")
    if told.get("version") != VERSION:
        raise InputError(f"study file {file.name} has another version; make the study anew.")
    told = {key: value for key, value in told.items() if key not in ("format", "version")}
    named = told.pop("study", None)
    try:
        images = tuple(Image(**one) for one in told.pop("images"))
        made = Study(images=images, groups=tuple(told.pop("groups")), **told)
    except (TypeError, KeyError, AttributeError, UnicodeError):
        raise InputError(f"study file {file.name} lacks or adds fields; restore it.") from None
    if made.id != named:
        raise InputError(f"study file {file.name} was changed after it was made; restore it.")
    return made
