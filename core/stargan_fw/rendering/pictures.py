"""Pictures to tensors and back."""

from collections.abc import Iterable

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
