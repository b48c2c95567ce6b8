"""Sphinx extension: the front page's picture.

``{portraits-on-the-way}`` draws what the book's main generator makes of points between the prompts
of two groups. Everything comes from the artefacts that lie in the repository, whatever preset
is built; where they are missing the page says so.
"""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bbb_book.results.artefacts import committed_dir
from bbb_book.results.rules import NOT_MEASURED
from bbb_book.results.storage import load

__all__ = ["Way", "setup", "ways"]


@dataclass(frozen=True, eq=False)
class Way:
    """One occupation: pictures between two groups' prompts, and its neutral prompt.

    Attributes
    ----------
    occupation : str
        Its name.
    pictures : np.ndarray
        One picture per position, from the man's prompt to the woman's, [positions, 3, size, size].
    position, switch : float
        Where the neutral prompt lies on that way, and where the generator draws both alike.
    foretold : float
        The share of women that slope, switch and position give.
    women, read : int
        Images of the neutral prompt read as a woman, and as a woman or a man.
    """

    occupation: str
    pictures: np.ndarray
    position: float
    switch: float
    foretold: float
    women: int
    read: int


def _stored(prefix: str, folder: Path, **wanted: Any) -> Iterator[Mapping[str, Any]]:
    """Yield parameters and results of the stored artefacts of that name and these parameters."""
    for path in sorted(folder.glob(f"{prefix}*/manifest.json")):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        parameters = manifest["parameters"]
        if all(parameters.get(key) == value for key, value in wanted.items()):
            yield {**parameters, **load(path.parent, manifest["results"])}


def ways(folder: Path | None = None) -> list[Way]:
    """Return the main generator's ways, one per occupation that was swept picture by picture.

    An empty list if the folder (that of the repository by default) lacks one of the three artefacts
    that they are made of.
    """
    from bbb_book.data.emoji import OCCUPATIONS
    from bbb_core.theory import inherited_share

    folder = committed_dir() if folder is None else folder
    swept = next(_stored("people-sweep-", folder), None)
    study = swept and swept["study"]
    law = next(_stored("people-switch-", folder, study=study), None)
    plain = {"study": study, "tuning": None, "at": None, "guidance": 1.0}
    drawn = next((a for a in _stored("people-draw-", folder, **plain) if a["n_neutral"]), None)
    if swept is None or law is None or drawn is None:
        return []
    found = []
    for name, pictures in zip(swept["occupations"], swept["sheet"], strict=True):
        row = OCCUPATIONS.index(name)
        t, switch = float(law["t"][row]), float(law["own_switches"][row])
        men, women = (int(n) for n in drawn["neutral"][row][:2])
        foretold = float(inherited_share(t, law["slope"], switch))
        found.append(Way(name, pictures[:, 0], t, switch, foretold, women, men + women))
    return found


def _strip(pictures: np.ndarray, scale: int = 4) -> str:
    """Return pictures side by side, enlarged pixel by pixel, as the address of a PNG."""
    from PIL import Image

    row = np.concatenate(list(pictures), axis=2).transpose(1, 2, 0)
    row = row.repeat(scale, axis=0).repeat(scale, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(row).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _place(t: float, points: int) -> float:
    """Return where position t lies on a strip, in percent of its width: 0 in the first picture."""
    return 100 * (float(np.clip(t, 0, 1)) * (points - 1) + 0.5) / points


def _row(way: Way) -> str:
    name, n = html.escape(way.occupation), len(way.pictures)
    prompt, switch = _place(way.position, n), _place(way.switch, n)
    side = "after" if way.position >= way.switch else "before"
    alt = (
        f"Portraits of a {name} that turn from a man to a woman along the way. The neutral prompt "
        f"lies {side} the switch."
    )
    return f"""<div class="bbb-way">
<p class="bbb-way-name">a {name}</p>
<div class="bbb-way-strip">
<img src="{_strip(way.pictures)}" alt="{alt}" width="{n * 66}" height="66">
<span class="bbb-way-switch" style="left:{switch:.2f}%"></span>
<span class="bbb-way-prompt bbb-{side}" style="left:{prompt:.2f}%">
<span>“a photo of a {name}”</span></span>
</div>
<p class="bbb-way-drawn"><strong>{way.women} of {way.read}</strong> women<br>
{way.read * way.foretold:.0f} foretold</p>
</div>"""


def _summary(found: Sequence[Way]) -> str:
    """Say on which side of the middle the prompts lie, and on which side of balance they draw."""
    near = sum(way.position < 0.5 for way in found)
    women = sum(2 * way.women > way.read for way in found)
    men = sum(2 * way.women < way.read for way in found)
    lie = f"All {len(found)}" if near == len(found) else f"{near} of {len(found)}"
    return (
        f"{lie} neutral prompts lie nearer to the man’s prompt than to the woman’s. This generator "
        f"draws {women} of them mostly as women, {men} mostly as men. "
    )


class PortraitsOnTheWay(SphinxDirective):
    """Draw the ways as one figure; the content is its caption."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Write pictures and marks as HTML, and the caption as any other text."""
        found = ways()
        if not found:
            return [nodes.paragraph("", f"The pictures of this page are {NOT_MEASURED}.")]
        ends = (
            '<div class="bbb-way bbb-way-ends" aria-hidden="true"><p></p><p>'
            "<span>“a photo of a male …”</span><span><i></i> switch: both drawn alike</span>"
            "<span>“a photo of a female …”</span></p><p></p></div>"
        )
        text = "\n".join(_row(way) for way in found)
        top = f'<figure class="bbb-ways" id="fig-ways">\n{ends}\n{text}\n<figcaption>'
        caption = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, caption)
        summary = _summary(found)
        caption[0].insert(0, nodes.strong("", summary))
        bottom = nodes.raw("", "</figcaption></figure>", format="html")
        return [nodes.raw("", top, format="html"), *caption.children, bottom]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("portraits-on-the-way", PortraitsOnTheWay)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
