"""IcGAN's generator `G(z, c) → x` (Perarnau et al., 2016, Table 1)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from stargan_fw.errors import ConfigError

NARROWEST = 4  # side in pixels of the smallest maps in the published networks, at 64 px


def halvings(image_size: int) -> int:
    """Returns how many halvings reduce an image to a side of 4 to 7 pixels: four at 64 px, five at 128 px.

    Raises:
        ConfigError: if a halving is uneven before that, or the size is not between 32 and 512 pixels.
    """
    count, side = 0, image_size
    while side >= 2 * NARROWEST and side % 2 == 0:
        count, side = count + 1, side // 2
    if side >= 2 * NARROWEST or not 32 <= image_size <= 512:
        raise ConfigError(
            f"data.image_size = {image_size}: the networks halve the image down to 4 to 7 pixels. Use a size between 32 "
            "and 512 such as 64, 96, 128, 160, 192 or 256."
        )
    return count


class IcGANGenerator(nn.Module):
    """Transposed convolutions 4×4 with batch norm, from a vector to an image; widths halve from layer to layer.

    With 64 px and conv_dim = 64 the widths are 512, 256, 128, 64, as published. Each doubling of the image size adds a
    wider layer at the beginning.

    (B, z_dim) and (B, label_dim) in, (B, 3, H, W) in [-1, 1] out.

    Args:
        image_size: side in pixels.
        label_dim: dimension of c̃.
        z_dim: dimension of z.
        conv_dim: channels before the last layer.
    """

    def __init__(self, image_size: int, label_dim: int, z_dim: int, conv_dim: int) -> None:
        super().__init__()
        depth = halvings(image_size)
        widths = [conv_dim * 2**i for i in reversed(range(depth))]
        self.main = nn.Sequential(
            nn.ConvTranspose2d(z_dim + label_dim, widths[0], image_size // 2**depth, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        for before, after in pairwise(widths):
            self.main.append(nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False))
            self.main.append(nn.BatchNorm2d(after))
            self.main.append(nn.ReLU(inplace=True))
        self.main.append(nn.ConvTranspose2d(widths[-1], 3, 4, stride=2, padding=1))
        self.main.append(nn.Tanh())

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        result: Tensor = self.main(torch.cat([z, labels.to(z.dtype)], dim=1)[:, :, None, None])
        return result
