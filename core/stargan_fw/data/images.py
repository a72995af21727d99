"""Where an image's bytes are: a file of its own, or a place in a larger one."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from stargan_fw.interfaces import EncodedImage

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


def open_image(image: Path | EncodedImage) -> Image.Image:
    """Opens an image, whose pixels are read when they are first asked for.

    Raises:
        UNREADABLE: it is missing or no image.
    """
    return Image.open(image if isinstance(image, Path) else io.BytesIO(image.read()))


def fingerprint(image: Path | EncodedImage) -> str:
    """Returns what changes when the image does: path, size, time and permissions of a file.

    Raises:
        OSError: the file is missing or cannot be reached.
    """
    if not isinstance(image, Path):
        return f"{image.name}\0{image.fingerprint}"
    status = os.stat(image)  # noqa: PTH116 - `Path.stat` takes twice as long, for hundreds of thousands of files
    return f"{image}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_mode}"


def reason(error: Exception) -> str:
    """Returns why an image cannot be read, in one line and without its name."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
