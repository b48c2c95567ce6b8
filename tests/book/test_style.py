"""Figure style: tells series apart without colour, shows once, leaves matplotlib as it was."""

from __future__ import annotations

import base64
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from bbb_book import style
from bbb_core.errors import InputError


def _luminance(colour):
    r, g, b = matplotlib.colors.to_rgb(colour)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_every_look_differs_without_its_colour():
    looks = style.palette(map(str, range(8))).values()
    for part in ("colour", "marker", "hatch"):
        assert len({getattr(look, part) for look in looks}) == 8
    assert len({str(look.line) for look in looks}) == 8
    with pytest.raises(InputError, match="at most 8"):
        style.palette(map(str, range(9)))


def test_figures_show_themselves_once_and_reproducibly():
    @style.house
    def draw():
        made, axes = style.figure(height=2)
        look = style.palette(["a"])["a"]
        axes.plot([0, 1], [0, 1], **look.lines())
        axes.plot([0], [0], **look.points())
        axes.bar([0], [1], **look.bars())
        return made

    before = dict(matplotlib.rcParams)
    data, metadata = draw()._repr_mimebundle_()
    assert dict(matplotlib.rcParams) == before
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert metadata["image/png"]["width"] == 650
    assert data["text/plain"] == "<figure of 6.5 by 2.0 inches>"
    assert draw()._repr_mimebundle_()[0] == data
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )


def test_the_packages_load_heavy_modules_on_use_only():
    code = (
        "import sys, bbb_core, bbb_core.checks, bbb_core.rng, bbb_core.device, "
        "bbb_core.progress, bbb_book, bbb_book.results; "
        "assert not {'torch', 'matplotlib', 'pandas', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_first_colours_differ_in_print():
    greys = [_luminance(style.COLOURS[c]) for c in ("blue", "orange", "black", "yellow")]
    assert np.diff(sorted(greys)).min() > 0.1
