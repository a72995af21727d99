"""From a picture of any kind to the square that networks see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from stargan_fw.interfaces.crop import Square

if TYPE_CHECKING:
    from stargan_fw.interfaces.crop import Crop


def prepare(image: Image.Image, image_size: int, crop_size: int | None, crop: Crop | None = None) -> Image.Image:
    """Returns the image upright, in RGB, cropped to a square and resized; see `framed`."""
    return framed(image, image_size, crop_size, crop)[0]


def framed(
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
