"""IcGAN's discriminator `D(x, c)` (Perarnau et al., 2016, Table 1)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from stargan_fw_plugins.networks.icgan_generator import halvings


class IcGANDiscriminator(nn.Module):
    """Strided convolutions 4×4 with batch norm; label planes enter after the first, where they worked best.

    (B, 3, H, W) and (B, label_dim) in, scores (B, 1, 1, 1) out, without a sigmoid.

    Args:
        image_size: side in pixels.
        label_dim: dimension of c̃.
        conv_dim: channels after the first convolution; they double from layer to layer.
    """

    def __init__(self, image_size: int, label_dim: int, conv_dim: int) -> None:
        super().__init__()
        depth = halvings(image_size)
        widths = [conv_dim * 2**i for i in range(depth)]
        self.first = nn.Sequential(nn.Conv2d(3, widths[0], 4, stride=2, padding=1), nn.LeakyReLU(0.2))
        self.rest = nn.Sequential()
        for before, after in pairwise([widths[0] + label_dim, *widths[1:]]):
            self.rest.append(nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False))
            self.rest.append(nn.BatchNorm2d(after))
            self.rest.append(nn.LeakyReLU(0.2))
        self.rest.append(nn.Conv2d(widths[-1], 1, image_size // 2**depth))

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        features = self.first(images)
        planes = labels[:, :, None, None].to(features.dtype).expand(-1, -1, *features.shape[2:])
        scores: Tensor = self.rest(torch.cat([features, planes], dim=1))
        return scores
