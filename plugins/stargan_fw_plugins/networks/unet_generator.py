"""A generator that recolours regions and draws details over them, and leaves alone what lies under neither mask."""

from collections.abc import Callable, Mapping

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw import Generator, hookimpl
from stargan_fw_plugins.networks.attention_generator import (
    MASK_BOUND,
    PATCH,
    ConditionalBlock,
    NormedConvolution,
    bounded_mask,
    label_axes_of_norms,
)
from stargan_fw_plugins.networks.stargan_generator import check_quarters

COARSE = 4  # pixels between the points at which a recolouring is given, on each axis
LEAST = torch.tensor(-MASK_BOUND).sigmoid().item()
CLOSED = 0.03  # once trained, a mask below this share is closed, and one that far from 1 entirely open


class GrowingConvolution(nn.Conv2d):
    """A convolution of maps in which each pixel is repeated once on each axis. (B, c, h, w) in, (B, out, 2h, 2w) out."""

    def forward(self, maps: Tensor) -> Tensor:
        return super().forward(F.interpolate(maps, scale_factor=2, mode="nearest"))


class UNetGenerator(Generator):
    """Residual blocks between a halving and a doubling, with a skip connection (Ronneberger et al., 2015), and two masks.

    Two layers are painted over the image, each through its own mask of full size (Pumarola et al., 2018):

    1. a recolouring `gain · x + offset` per colour, given at every fourth pixel and interpolated. It changes large regions, such as
       hair or skin, keeps their shading, and cannot make specks or a grid.
    2. a colour per pixel, which draws what is new.

    The label scales and shifts every norm, as in the attention generator. Images grow by repeating pixels before a convolution
    (Odena et al., 2016), because transposed convolutions and sub-pixel convolutions leave a woven grid. In evaluation mode, what lies
    under masks that are nearly closed stays exactly as it is.

    Args:
        image_size: side in pixels, a multiple of 4 between 32 and 512.
        label_dim: dimension of c̃, mask included.
        conv_dim: half of the channels after the first convolution; the paper's d, which counts channels at full size.
        repeat_num: number of residual blocks.
    """

    name = "unet"
    size_multiple = 4

    def __init__(
        self, *, image_size: int, label_dim: int, conv_dim: PositiveInt = 64, repeat_num: PositiveInt = 6
    ) -> None:
        super().__init__()
        check_quarters(image_size)
        d = conv_dim
        self.stem = NormedConvolution(nn.Conv2d(3 * PATCH**2, 2 * d, 3, padding=1, bias=False), label_dim)
        self.down = NormedConvolution(nn.Conv2d(2 * d, 4 * d, 4, stride=2, padding=1, bias=False), label_dim)
        self.blocks = nn.ModuleList(ConditionalBlock(4 * d, label_dim) for _ in range(repeat_num))
        self.up = NormedConvolution(GrowingConvolution(4 * d, 2 * d, 3, padding=1, bias=False), label_dim)
        last = max(1, d // 2)
        self.to_full_size = NormedConvolution(GrowingConvolution(2 * d, last, 3, padding=1, bias=False), label_dim)
        self.to_recolouring = nn.Conv2d(4 * d, 6, 3, padding=1)
        self.to_image = nn.Conv2d(last + 3, 5, 3, padding=1)
        # Training begins with the identity and with open masks, so that what is painted learns at once.
        for layer, painted in ((self.to_recolouring, 6), (self.to_image, 3)):
            nn.init.zeros_(layer.weight[:painted])
            nn.init.zeros_(layer.bias[:painted])  # type: ignore[index]

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        skipped = self.stem(F.pixel_unshuffle(images, PATCH), labels)
        features = self.down(skipped, labels)
        for block in self.blocks:
            features = block(features, labels)
        recolouring = F.interpolate(
            self.to_recolouring(features), scale_factor=COARSE, mode="bilinear", align_corners=False
        )
        features = self.up(features, labels) + skipped
        features = self.to_full_size(features, labels)
        drawn = self.to_image(torch.cat([features, images.to(features.dtype)], dim=1)).to(images.dtype)
        colour, masks = torch.split(drawn, [3, 2], dim=1)
        recoloured, detailed = self._stretched(bounded_mask(masks)).chunk(2, dim=1)
        gain, offset = recolouring.to(images.dtype).chunk(2, dim=1)
        images = F.hardtanh(images + recoloured * (gain * images + offset))
        return F.hardtanh(images + detailed * colour)

    def _stretched(self, masks: Tensor) -> Tensor:
        """Returns masks from 0 to 1, stretched so that they close.

        In training, none is cut off: what is closed has to open again. A mask that is nearly closed would change a little at each of
        many edits, so the trained network closes it.
        """
        least = LEAST if self.training else CLOSED
        stretched = (masks - least) / (1 - 2 * least)
        return stretched if self.training else stretched.clamp(0, 1)

    def label_axes(self) -> Mapping[str, tuple[int, int]]:
        return label_axes_of_norms(self)


@hookimpl
def register_generators(register: Callable[[type[Generator]], None]) -> None:
    register(UNetGenerator)
