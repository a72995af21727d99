"""Blanks a part of training images, so that no decision rests on one part alone."""

import torch
from torch import Tensor, nn

SIDES = (0.2, 0.5)  # of the image's side: the smallest and the largest square


class Erasing(nn.Module):
    """Blanks a square in some images while training: cutout (DeVries and Taylor, 2017), of any size in `SIDES`.

    A discriminator sees real, generated and interpolated images alike so (as in differentiable augmentation, Zhao et
    al., 2020), each with a square of its own. Blanked pixels are 0, mid-grey, and have no gradient.

    Args:
        chance: that an image loses a square, 0 to 1.
    """

    def __init__(self, chance: float) -> None:
        super().__init__()
        self.chance = chance

    def forward(self, images: Tensor) -> Tensor:
        """Returns images (B, C, H, W) with their squares blanked; evaluated, or with chance 0, the images themselves."""
        if not self.training or not self.chance:
            return images
        return images * kept_pixels(images, self.chance)

    def extra_repr(self) -> str:
        return f"chance={self.chance}"


def kept_pixels(images: Tensor, chance: float) -> Tensor:
    """Draws (B, 1, H, W) of 1, and 0 where a square is blanked; its centre may lie anywhere in the image."""
    least, most = SIDES
    drawn = torch.rand(4, len(images), 1, device=images.device)
    half = (least + (most - least) * drawn[0]) / 2
    erased = drawn[1] < chance
    inside = [
        (torch.linspace(0, 1, side, device=images.device) - centre).abs() < half
        for side, centre in zip(images.shape[2:], drawn[2:], strict=True)
    ]
    down, across = inside[0] & erased, inside[1]
    kept: Tensor = ~(down[:, None, :, None] & across[:, None, None, :])
    return kept.to(images.dtype)
