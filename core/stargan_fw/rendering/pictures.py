"""Pictures to tensors and back, and into pages."""

import base64
import io
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def to_tensor(images: Iterable[Image.Image]) -> Tensor:
    """Returns (B, 3, H, W) in [-1, 1] from RGB pictures of one size."""
    pixels = np.stack([np.asarray(image) for image in images])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().mul_(2 / 255).sub_(1)


def to_pictures(images: Tensor) -> list[Image.Image]:
    """Returns RGB pictures from (B, 3, H, W) in [-1, 1]; what lies outside is clipped."""
    pixels = images.detach().float().add(1).mul(127.5).round().clamp(0, 255).byte()
    return [Image.fromarray(picture) for picture in pixels.permute(0, 2, 3, 1).cpu().numpy()]


def data_uri(picture: Image.Image, kind: str, **options: Any) -> str:
    """Returns a picture as a `data:` address, for a page that reaches nothing else.

    Args:
        picture: without metadata that must stay private.
        kind: "png" or "webp".
        options: of Pillow's writer for that kind.
    """
    encoded = io.BytesIO()
    picture.save(encoded, kind.upper(), **options)
    return f"data:image/{kind};base64,{base64.b64encode(encoded.getvalue()).decode()}"
