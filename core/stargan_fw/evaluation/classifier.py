"""The judge: a ResNet-18 that reads a dataset's labels from an image (Table 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from stargan_fw.errors import PluginError

if TYPE_CHECKING:
    from stargan_fw_registry import LabelSchema

FULL_STEM = 48  # pixels, from which on torchvision's stem is used as it is
FEATURES = 512


class LabelClassifier(nn.Module):
    """torchvision's ResNet-18, untrained, with a logit for each label of one dataset.

    Below 48 pixels, where the last stage would be left with a pixel, the stem is a 3 x 3 convolution of stride 2 without
    the pooling after it.

    Args:
        schema: the labels that it reads.
        image_size: side of the images in pixels.
    """

    def __init__(self, schema: LabelSchema, image_size: int) -> None:
        super().__init__()
        self.schema = schema
        self.trunk = _trunk(image_size)
        self.head = nn.Linear(FEATURES, schema.dim)

    def features(self, images: Tensor) -> Tensor:
        """Returns what the last layer sees, (B, 512), of images (B, 3, H, W) in [-1, 1]."""
        result: Tensor = self.trunk(images)
        return result

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits (B, d) of images (B, 3, H, W) in [-1, 1]."""
        logits: Tensor = self.head(self.features(images))
        return logits

    @torch.no_grad()
    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Reads images.

        Args:
            images: (B, 3, H, W); what lies outside of [-1, 1] is clipped, as in a picture.

        Returns:
            Labels (B, d) of 0 and 1, and features (B, 512), in float32.
        """
        features = self.features(images.float().clamp(-1, 1)).float()
        return self.schema.decode(self.head(features)), features


def _trunk(image_size: int) -> nn.Module:
    try:
        from torchvision.models import resnet18  # noqa: PLC0415 - half a second that only this needs
    except (ImportError, RuntimeError) as error:
        raise PluginError(f"The classifier needs torchvision, which cannot be imported: {error}") from None
    trunk: nn.Module = resnet18(weights=None)
    trunk.fc = nn.Identity()
    if image_size < FULL_STEM:
        trunk.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        trunk.maxpool = nn.Identity()
    return trunk
