"""Converts pictures to tensors and back, and writes them to files and into `data:` addresses."""

import base64
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from stargan_fw.errors import DataError
from stargan_fw.files import check_writable, replacing


def to_tensor(images: Iterable[Image.Image]) -> Tensor:
    """Returns (B, 3, H, W) in [-1, 1] from RGB pictures of one size."""
    return pixels_to_tensor(np.stack([np.asarray(image) for image in images]))


def pixels_to_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """Returns (B, 3, H, W) in [-1, 1] from pixels (B, H, W, 3)."""
    return scale_pixels(torch.from_numpy(pixels).permute(0, 3, 1, 2))


def scale_pixels(pixels: Tensor) -> Tensor:
    """Returns pixels from 0 to 255, of any integer type and shape, as floats in [-1, 1]."""
    return pixels.float().mul_(2 / 255).sub_(1)


def to_pixels(images: Tensor) -> Tensor:
    """Returns bytes from images in [-1, 1]; values outside of the range are clipped."""
    return images.detach().float().add(1).mul(127.5).round().clamp(0, 255).byte()


def to_pictures(images: Tensor) -> list[Image.Image]:
    """Returns RGB pictures from (B, 3, H, W) in [-1, 1]; values outside of the range are clipped."""
    return [Image.fromarray(picture) for picture in to_pixels(images).permute(0, 2, 3, 1).cpu().numpy()]


def data_uri(picture: Image.Image, kind: str, **options: Any) -> str:
    """Returns a picture as a `data:` address, which a page can show without loading a file.

    Args:
        picture: its metadata is written too, so it must hold nothing private.
        kind: "png" or "webp".
        options: options of Pillow's writer for that kind.
    """
    encoded = io.BytesIO()
    picture.save(encoded, kind.upper(), **options)
    return f"data:image/{kind};base64,{base64.b64encode(encoded.getvalue()).decode()}"


def check_picture_target(option: str, picture: Path) -> None:
    """Raises RequestError unless a picture can be written to this file; call it before the work that the picture takes."""
    if Image.registered_extensions().get(picture.suffix.lower()) not in Image.SAVE:
        raise DataError(f"{option} {picture}: no picture can be written to a file of this name. End it in .png.")
    if picture.is_dir():
        raise DataError(f"{option} {picture}: is a folder. Name a file that ends in .png.")
    check_writable(picture.parent, f"Name another folder with {option}.")


def save_picture(picture: Image.Image, path: Path, **options: Any) -> None:
    """Writes a picture whole or not at all, in the format of the file's ending, and makes its folder.

    Args:
        picture: the picture.
        path: the file, which `check_picture_target` would allow.
        options: those of Pillow's `Image.save` for this format.
    """
    with replacing(path) as partial:
        picture.save(partial, Image.registered_extensions()[path.suffix.lower()], **options)
