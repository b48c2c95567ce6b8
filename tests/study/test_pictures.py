"""Pictures of every kind that Pillow opens are shown as they are, or refused."""

from __future__ import annotations

import base64
import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings, strategies
from PIL import Image, ImageCms

from bbb_core.errors import InputError
from bbb_core.study.images import load_picture

RAMP = np.linspace(0, 1, 48)[None].repeat(40, 0)


def shown(path):
    uri = load_picture(path).source
    raw = base64.b64decode(uri.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")).astype(float)


def colour(path):
    return shown(path).mean(axis=(0, 1)).round().tolist()


def test_sixteen_bits_are_scaled_not_cut(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(path)
    assert colour(path) == [156, 156, 156]
    Image.fromarray((RAMP * 65_535).round().astype(np.uint16)).save(path)
    np.testing.assert_allclose(shown(path)[..., 0], RAMP * 255, atol=0.51)


def test_sixteen_bits_with_a_transparent_value(tmp_path):
    values = np.full((8, 8), 10_000, np.uint16)
    values[:, :4] = 500
    path = tmp_path / "a.png"
    Image.fromarray(values).save(path, transparency=500)
    found = shown(path)
    assert found[:, :4].min() == 255
    assert found[:, 4:].max() == round(10_000 / 257)


@pytest.mark.parametrize(
    ("mode", "value", "expected", "ending"),
    [
        ("1", 1, [255, 255, 255], "png"),
        ("L", 100, [100, 100, 100], "png"),
        ("LA", (0, 128), [127, 127, 127], "png"),
        ("RGB", (10, 20, 30), [10, 20, 30], "bmp"),
        ("RGBA", (255, 0, 0, 128), [255, 127, 127], "png"),
        ("CMYK", (0, 255, 255, 0), [255, 0, 0], "jpg"),
        ("CMYK", (0, 0, 0, 255), [0, 0, 0], "jpg"),
        ("YCbCr", (128, 128, 128), [128, 128, 128], "jpg"),
    ],
)
def test_every_mode_keeps_its_colour(tmp_path, mode, value, expected, ending):
    path = tmp_path / f"a.{ending}"
    Image.new(mode, (16, 16), value).save(path, **({"quality": 100} if ending == "jpg" else {}))
    np.testing.assert_allclose(colour(path), expected, atol=2)


def test_a_palette_with_transparency_lies_on_white(tmp_path):
    image = Image.new("P", (8, 8), 0)
    image.putpalette([200, 0, 0, 0, 100, 0])
    image.paste(1, (0, 0, 4, 8))
    path = tmp_path / "a.png"
    image.save(path, transparency=bytes([0, 255]))
    found = shown(path)
    assert found[0, 0].tolist() == [0, 100, 0]
    assert found[0, 7].tolist() == [255, 255, 255]


def test_a_turned_picture_stands_upright(tmp_path):
    wide = Image.new("L", (16, 8), 255)
    wide.paste(0, (0, 0, 8, 8))  # dark on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to show it
    path = tmp_path / "a.png"
    wide.save(path, exif=exif)
    found = shown(path)
    assert found.shape[:2] == (16, 8)
    assert found[:8].max() == 0
    assert found[8:].min() == 255


def test_a_colour_profile_is_turned_into_srgb(tmp_path):
    path = tmp_path / "a.png"
    plain = Image.new("RGB", (8, 8), (40, 90, 160))
    plain.save(path, icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    np.testing.assert_allclose(colour(path), [40, 90, 160], atol=1)
    plain.save(path, icc_profile=b"no profile")
    with pytest.raises(InputError, match=r"a\.png has a colour profile that does not fit"):
        load_picture(path)


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_an_animation_is_refused(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    frames = [Image.new("RGB", (8, 8), c) for c in ("red", "green", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match=rf"a\.{ending} is animated \(3 frames\)"):
        load_picture(path)


def test_a_picture_of_nothing_is_refused(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(path)
    with pytest.raises(InputError, match="wholly transparent"):
        load_picture(path)


def _valid(ending):
    out = io.BytesIO()
    Image.fromarray((RAMP * 255).astype(np.uint8)).save(out, format=ending)
    return out.getvalue()


VALID = {ending: _valid(ending) for ending in ("png", "jpeg", "gif", "webp", "bmp")}


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(
    kind=strategies.sampled_from(sorted(VALID)),
    cut=strategies.integers(0, 400),
    places=strategies.lists(
        strategies.tuples(strategies.integers(0, 2000), strategies.integers(0, 255)), max_size=4
    ),
)
def test_damage_gives_a_picture_or_one_line(tmp_path_factory, kind, cut, places):
    raw = bytearray(VALID[kind])
    for place, value in places:
        raw[place % len(raw)] = value
    path = tmp_path_factory.getbasetemp() / f"damaged.{kind}"
    path.write_bytes(bytes(raw[: len(raw) - cut] if cut < len(raw) else raw))
    with contextlib.suppress(InputError):  # anything else fails the test
        assert load_picture(path).source.startswith("data:image/")
