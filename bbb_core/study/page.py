"""The page of a study: one file of HTML that loads nothing and sends nothing (human study)."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from importlib import resources

from bbb_core.errors import InputError
from bbb_core.study.design import Study

__all__ = ["render", "words_for_minutes"]

SECONDS_PER_PICTURE = 5
LARGEST_PAGE = 200_000_000


def render(study: Study, sources: Mapping[str, str]) -> str:
    """Return the page.

    Parameters
    ----------
    study
        The study. Its file names, prompts and the known answers of its checks stay out of the page.
    sources
        Image id to data URI, for every image of the study.

    Raises
    ------
    InputError
        If an image has no data URI, or the page would be too large for a browser.
    """
    missing = [image.id for image in study.images if image.id not in sources]
    if missing:
        raise InputError(f"sources lacks image {missing[0]}; give every image a data URI.")
    if sum(map(len, sources.values())) > LARGEST_PAGE:
        raise InputError(
            f"the page would have more than {LARGEST_PAGE} bytes; lower --side or take fewer."
        )
    style, script = _part("page.css"), _part("page.js")
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    )
    contact = f"<p>{_text(study.contact)}</p>" if study.contact.strip() else ""
    fields = {
        "policy": html.escape(policy, quote=False),
        "title": _text(study.title),
        "question": _text(study.question),
        "shown": str(study.shown),
        "minutes": words_for_minutes(study.shown),
        "contact": contact,
        "style": style,
        "study": _data(study, sources),
        "script": script,
    }
    pieces = _part("page.html").split("@@")
    return "".join(fields[one] if i % 2 else one for i, one in enumerate(pieces))


def words_for_minutes(pictures: int) -> str:
    """Say how long so many pictures take, at five seconds each.

    Examples
    --------
    >>> words_for_minutes(40)
    '4 minutes'
    """
    minutes = max(1, -(-pictures * SECONDS_PER_PICTURE // 60))
    return f"{minutes} minute{'s' if minutes > 1 else ''}"


def _data(study: Study, sources: Mapping[str, str]) -> str:
    """Give the page its images; nothing in it tells what an image shows."""
    told = {
        "id": study.id,
        "groups": list(study.groups),
        "last": list(study.last_options),
        "labels": study.labels,
        "rated": [{"id": i, "source": sources[i]} for i in study.rated_ids],
        "checks": [{"id": i, "source": sources[i]} for i in study.check_ids],
        "each": study.per_participant,
        "shown": study.checks,
        "repeats": study.repeats,
    }
    text = json.dumps(told, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _text(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")


def _part(name: str) -> str:
    return resources.files("bbb_core.study").joinpath(name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
