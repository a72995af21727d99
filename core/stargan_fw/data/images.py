"""Opens images, which are files or parts of larger files, and makes squares of one size of them."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from stargan_fw.interfaces.dataset import EncodedImage, Square

if TYPE_CHECKING:
    from stargan_fw.interfaces.dataset import Crop, ImageSource

# Endings of files that are taken for pictures, in training and in translating. A file that Pillow cannot read is named.
IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .bmp .gif .tif .tiff .ppm .pgm .pnm .heic .heif .avif .jp2".split()  # noqa: SIM905
)
# What systems and editors leave behind in folders of pictures; names that start with a dot are nothing either.
JUNK = frozenset({"@eadir", "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "lost+found"})

# What Pillow raises for broken images and, as `DecompressionBombError`, for headers that claim a dangerous number of pixels.
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, zlib.error)
UNREADABLE = (*_BROKEN, Image.DecompressionBombError)


def is_junk(name: str) -> bool:
    """Returns whether a file or folder of this name is none of the user's own, such as `._a.jpg` or `Thumbs.db`."""
    return name.startswith(".") or name.lower() in JUNK


def is_image_name(name: str) -> bool:
    """Returns whether a file of this name is taken for a picture."""
    return not is_junk(name) and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - fast


def open_image(image: ImageSource) -> Image.Image:
    """Opens an image, or raises one of UNREADABLE. Pillow reads the pixels when they are first needed."""
    return Image.open(io.BytesIO(image.read()) if isinstance(image, EncodedImage) else image)


def encoded_bytes(image: ImageSource) -> bytes:
    """Returns the bytes of an image before they are decoded, or raises one of UNREADABLE."""
    return image.read() if isinstance(image, EncodedImage) else Path(image).read_bytes()


def fingerprint(image: ImageSource) -> str:
    """Returns a text that changes when the image does (size, time, permissions); OSError if there is no file."""
    if isinstance(image, EncodedImage):
        return image.fingerprint
    status = os.stat(image)  # noqa: PTH116 - `Path.stat` takes twice as long, for hundreds of thousands of files
    return f"{status.st_size}\0{status.st_mtime_ns}\0{status.st_mode}"


def absolute_name(image: ImageSource) -> str:
    """Returns a file's path, which does not depend on how it was typed, or the name of another image."""
    return image.name if isinstance(image, EncodedImage) else os.path.abspath(image)  # noqa: PTH100 - as fast as it gets


def reason(error: Exception) -> str:
    """Returns why an image cannot be read, in one line and without the image's name."""
    if isinstance(error, UnidentifiedImageError):  # its message names an object in memory
        return "no image, or one of an unknown format"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def prepare(image: Image.Image, image_size: int, crop_size: int | None, crop: Crop | None = None) -> Image.Image:
    """Returns the image upright, in RGB, cropped to a square and resized; see `crop_and_resize`."""
    return crop_and_resize(image, image_size, crop_size, crop)[0]


def crop_and_resize(
    image: Image.Image, image_size: int, crop_size: int | None, crop: Crop | None = None
) -> tuple[Image.Image, str]:
    """Returns the image upright, in RGB, cropped to a square and resized, with the crop's note, which may be empty.

    Args:
        image: an image of any size and mode.
        image_size: side of the result in pixels.
        crop_size: side of the centre crop in pixels. None means the image's short side, as does a larger size than that.
        crop: finds a better square than the centre crop, or None.
    """
    image = upright(image)
    square = find_square(image, crop_size, crop)
    return cut(image, square, image_size), square.note


def upright(image: Image.Image) -> Image.Image:
    """Returns an image of any mode in RGB, turned as its EXIF data says."""
    if (image.format, image.mode) == ("PPM", "I"):  # a PGM of 16 bits, which Pillow reads as 32
        image = _high_bytes(image)
    return rgb(ImageOps.exif_transpose(image))


def find_square(image: Image.Image, crop_size: int | None, crop: Crop | None) -> Square:
    """Returns the square of an upright RGB image to keep; arguments as for `crop_and_resize`."""
    return (crop.find(image) if crop else None) or Square.centred(image.size, crop_size)


def cut(image: Image.Image, square: Square, image_size: int) -> Image.Image:
    """Returns a square of an upright RGB image, resized to a side of `image_size` pixels."""
    # The filter of `resize(box=…)` would use pixels outside the box.
    cropped = image.crop((square.left, square.top, square.left + square.side, square.top + square.side))
    return cropped.resize((image_size, image_size), Image.Resampling.BILINEAR)


def rgb(image: Image.Image) -> Image.Image:
    """Returns an image of any mode in RGB."""
    if image.mode.startswith("I;16"):
        image = _high_bytes(image)
    if image.mode == "P":  # `convert` would warn if the image has transparency
        image = image.convert("RGBA")
    return image.convert("RGB")


def _high_bytes(image: Image.Image) -> Image.Image:
    """Returns an image of 16 bits with the upper 8 of them; `convert` would clip to 255."""
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
