"""Where an image's bytes are: a file of its own, or a place in a larger one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from stargan_fw.errors import DataError

if TYPE_CHECKING:
    from stargan_fw.interfaces import EncodedImage

UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # what Pillow raises for broken images


def open_image(image: Path | EncodedImage) -> Image.Image:
    """Opens an image, whose pixels are read when they are first asked for.

    Raises:
        UNREADABLE: it is missing or no image.
    """
    return Image.open(image if isinstance(image, Path) else io.BytesIO(image.read()))


def fingerprint(image: Path | EncodedImage) -> str:
    """Returns what changes when the image does: path, size and time of a file.

    Raises:
        DataError: the file is missing.
    """
    if not isinstance(image, Path):
        return f"{image.name}\0{image.fingerprint}"
    try:
        status = image.stat()
    except OSError as error:
        raise DataError(f"The image '{image}' cannot be read: {error.strerror}.") from None
    return f"{image}\0{status.st_size}\0{status.st_mtime_ns}"
