"""Reads pictures that strangers send: bounded in bytes and pixels, and only formats that Pillow decodes itself."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from stargan_fw.data.images import UNREADABLE, PictureOptions, open_image, reason
from stargan_fw.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 10 * 2**20
MOST_PIXELS = 25_000_000
LONGER_SIDE = 1536  # in pixels: larger pictures are made smaller, so that a translation takes bounded memory and time
# Pillow hands some other formats to programs, such as Ghostscript. HEIF is there if an extension of Pillow is installed.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "MPO", "AVIF", "PPM", "HEIF")
KINDS = "JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF"


def read_upload(path: Path, options: PictureOptions) -> Image.Image:
    """Returns a picture upright and in RGB, with at most `LONGER_SIDE` pixels along its longer side.

    Args:
        path: the uploaded file, whose name says nothing about what it holds.
        options: how the model's pictures are read; of an animation the first frame is.

    Raises:
        DataError: the file is no picture, is broken, or is too large.
    """
    size = path.stat().st_size
    if size > MOST_BYTES:
        most = MOST_BYTES // 2**20
        raise DataError(f"The picture has {size / 2**20:.1f} MB: at most {most} MB can be sent. Send a smaller one.")
    try:
        encoded = path.read_bytes()
        _check(encoded)
        with open_image(encoded) as opened:
            opened.draft("RGB", (LONGER_SIDE, LONGER_SIDE))  # a JPEG is decoded smaller
            picture = options.upright(opened)
    except UNREADABLE as error:
        raise DataError(f"This cannot be read as a picture: {reason(error)}. Send a {KINDS}.") from None
    picture.thumbnail((LONGER_SIDE, LONGER_SIDE), Image.Resampling.LANCZOS)
    return picture


def _check(encoded: bytes) -> None:
    """Raises one of UNREADABLE, or DataError, if a file is no picture or has too many pixels, without decoding it."""
    if not encoded:
        raise OSError("the file is empty")
    Image.init()
    try:
        with Image.open(io.BytesIO(encoded), formats=[name for name in FORMATS if name in Image.OPEN]) as opened:
            few = opened.width * opened.height <= MOST_PIXELS
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        few = False
    if not few:
        most = MOST_PIXELS // 10**6
        raise DataError(f"The picture has too many pixels: at most {most} million can be read. Send a smaller one.")
