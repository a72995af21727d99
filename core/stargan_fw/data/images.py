"""Where an image's bytes are: a file of its own, or a place in a larger one."""

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


# What Pillow raises for broken images, and for one whose header claims more pixels than it is safe to make room for.
UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def open_image(image: ImageSource) -> Image.Image:
    """Opens an image, whose pixels are read when they are first asked for.

    Raises:
        UNREADABLE: it is missing or no image.
    """
    return Image.open(io.BytesIO(image.read()) if isinstance(image, EncodedImage) else image)


def encoded_bytes(image: ImageSource) -> bytes:
    """Returns what the file, or the place in a larger one, holds.

    Raises:
        UNREADABLE: there is nothing.
    """
    return image.read() if isinstance(image, EncodedImage) else Path(image).read_bytes()


def fingerprint(image: ImageSource) -> str:
    """Returns what changes when the image does: path, size, time and permissions of a file.

    Raises:
        OSError: the file is missing or cannot be reached.
    """
    if isinstance(image, EncodedImage):
        return f"{image.name}\0{image.fingerprint}"
    path = str(image)
    status = os.stat(path)  # noqa: PTH116 - `Path.stat` takes twice as long, for hundreds of thousands of files
    return f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_mode}"


def reason(error: Exception) -> str:
    """Returns why an image cannot be read, in one line and without its name."""
    if isinstance(error, UnidentifiedImageError):  # whose words are those of Python for a place in memory
        return "no image, or one of an unknown format"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def prepare(image: Image.Image, image_size: int, crop_size: int | None, crop: Crop | None = None) -> Image.Image:
    """Returns the image upright, in RGB, cropped to a square and resized; see `crop_and_resize`."""
    return crop_and_resize(image, image_size, crop_size, crop)[0]


def crop_and_resize(
    image: Image.Image, image_size: int, crop_size: int | None, crop: Crop | None = None
) -> tuple[Image.Image, str]:
    """Returns the image upright, in RGB, cropped to a square and resized, and what is to be noted about the square.

    Args:
        image: of any size and mode.
        image_size: side of the result in pixels.
        crop_size: side of the centre crop in pixels; None, or more than the image has, is its short side.
        crop: finds another square.
    """
    image = rgb(ImageOps.exif_transpose(image))
    square = (crop.find(image) if crop else None) or Square.centred(image.size, crop_size)
    # Not `resize(box=…)`, whose filter reaches for pixels outside of the box.
    cropped = image.crop((square.left, square.top, square.left + square.side, square.top + square.side))
    return cropped.resize((image_size, image_size), Image.Resampling.BILINEAR), square.note


def rgb(image: Image.Image) -> Image.Image:
    """Returns an image of any mode in RGB."""
    if image.mode.startswith("I;16"):  # which `convert` would clip to 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode == "P":  # which `convert` warns about where it has transparency
        image = image.convert("RGBA")
    return image.convert("RGB")
