"""Images of a study: read with care, stripped of metadata, ready for the page (human study)."""

from __future__ import annotations

import base64
import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bbb_core.errors import InputError
from bbb_core.io.files import shown

__all__ = ["Picture", "draw_check", "list_images", "load_picture"]

LARGEST_FILE = 30_000_000
LARGEST_PIXELS = 40_000_000
MOST_IMAGES = 5000
_FORMATS = {"PNG", "JPEG", "WEBP", "GIF", "BMP"}


@dataclass(frozen=True)
class Picture:
    """A picture for the page.

    Attributes
    ----------
    sha256 : str
        Hash of the file that it was made from.
    source : str
        The picture as a data URI.
    """

    sha256: str
    source: str


def list_images(folder: str | Path, *, but: tuple[Path, ...] = ()) -> list[Path]:
    """Return the files of a flat folder in order of their names, without hidden files and `but`.

    Raises
    ------
    InputError
        If there is no such folder, it is empty, or it holds a folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"FOLDER {shown(root)} is no folder; name a folder of images.")
    left = {path.resolve() for path in but}
    found = sorted(p for p in root.iterdir() if not p.name.startswith("."))
    found = [p for p in found if p.resolve() not in left]
    for path in found:
        if not path.name.isprintable():
            raise InputError(f"FOLDER holds {path.name!r}; give that file a printable name.")
        if not path.is_file():
            raise InputError(f"FOLDER holds {path.name!r}, which is no file; use a flat folder.")
    if not found:
        raise InputError(f"FOLDER {shown(root)} is empty; put images into it.")
    if len(found) > MOST_IMAGES:
        raise InputError(f"FOLDER holds {len(found)} files; one page takes {MOST_IMAGES}.")
    return found


def load_picture(path: Path, *, side: int = 512) -> Picture:
    """Read one image file and make it ready: turned upright, on white, at most `side` pixels.

    Gray values of 16 bits are scaled, colour profiles turned into sRGB. The pixels are encoded
    anew, so camera data, places and comments in the file stay behind.

    Raises
    ------
    InputError
        If the file is too large, no image (PNG, JPEG, WebP, GIF, BMP), damaged, animated, wholly
        transparent, or of values without a known range.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"image {path.name} has more than {LARGEST_FILE} bytes; shrink it.")
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"image {path.name} cannot be read: {error.strerror}.") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(raw), formats=sorted(_FORMATS)) as opened:
                kind, (width, height) = opened.format, opened.size
                if width * height > LARGEST_PIXELS:
                    raise InputError(
                        f"image {path.name} has {width} x {height} pixels; shrink it below "
                        f"{LARGEST_PIXELS} in all."
                    )
                if kind in ("GIF", "PNG", "WEBP") and getattr(opened, "is_animated", False):
                    frames = getattr(opened, "n_frames", 0)
                    raise InputError(
                        f"image {path.name} is animated ({frames} frames), and the page "
                        "would show one of them; save that frame as a picture."
                    )
                opened.load()
                upright = _eight_bits(ImageOps.exif_transpose(opened), path.name)
    except UnidentifiedImageError:
        raise InputError(
            f"FOLDER holds {path.name!r}, which is no PNG, JPEG, WebP, GIF or BMP image; move it."
        ) from None
    except Image.DecompressionBombError:
        raise InputError(f"image {path.name} has too many pixels; shrink it.") from None
    except InputError:
        raise
    except Exception as error:  # decoders raise many kinds
        raise InputError(
            f"image {path.name} is broken ({type(error).__name__}); mend it."
        ) from None
    if upright.getchannel("A").getextrema() == (0, 0):
        raise InputError(f"image {path.name} is wholly transparent; there is nothing to rate.")
    flat = Image.new("RGBA", upright.size, "white")
    flat.alpha_composite(upright)
    flat.thumbnail((side, side))
    lossy = kind in ("JPEG", "MPO")
    return Picture(hashlib.sha256(raw).hexdigest(), _uri(flat.convert("RGB"), lossy=lossy))


def _eight_bits(image: Any, name: str) -> Any:
    """Return a picture of any mode as 8-bit RGBA in sRGB, shown as bright as it is."""
    from PIL import Image, ImageCms

    if image.mode.startswith("I;16"):  # Pillow would cut, not scale: everything above 255 is white
        values = np.asarray(image)
        gray = Image.fromarray((values / 257).round().astype(np.uint8))
        made = gray.convert("RGBA")
        clear = image.info.get("transparency")
        if isinstance(clear, int):
            made.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
        return made
    if image.mode in ("F", "I"):
        raise InputError(
            f"image {name} holds {image.mode!r} values, whose range no file states; save it with 8 "
            "or 16 bits."
        )
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("CMYK", "L", "RGB"):
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            image = ImageCms.profileToProfile(
                image, own, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError):
            raise InputError(
                f"image {name} has a colour profile that does not fit it; save it in sRGB."
            ) from None
    return image.convert("RGBA")


def draw_check(label: str, number: int, *, side: int = 320) -> Picture:
    """Draw a check: a picture of words that say which answer to choose."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (side, side), "white")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((4, 4, side - 5, side - 5), outline="#444444", width=3)
    lines = ["No picture here.", "Please choose:", *_wrapped(label, 22)]
    for i, line in enumerate(lines):
        font = ImageFont.load_default(size=22 if i < 2 else 28)
        pen.text((side / 2, 70 + 44 * i), line, fill="#111111", font=font, anchor="mm")
    pen.text((side - 14, side - 20), str(number), fill="#666666", anchor="rm")
    uri = _uri(picture, lossy=False)
    return Picture(hashlib.sha256(f"check {number}: {label}".encode()).hexdigest(), uri)


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width)[:4]


def _uri(image: Any, *, lossy: bool) -> str:
    out = io.BytesIO()
    if lossy:
        image.save(out, format="JPEG", quality=90)
    else:
        image.save(out, format="PNG", optimize=True)
    kind = "jpeg" if lossy else "png"
    return f"data:image/{kind};base64,{base64.b64encode(out.getvalue()).decode('ascii')}"
