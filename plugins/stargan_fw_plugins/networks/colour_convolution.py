"""A convolution to a few channels."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

ROWS, COLUMNS = 2, 4  # of the pixels that are computed as channels


class ColourConvolution(nn.Conv2d):
    """A convolution of odd kernel that keeps the size, for results of a few channels such as an image's colours.

    In fp32 on processors 2×4 neighbouring pixels are computed as channels, by kernels that are moved within a larger one
    of zeros: processors compute eight or sixteen channels at once, so that three leave most of the units idle. At 128
    pixels and 64 channels it takes 0.7 of the time.

    (B, c, H, W) and out; H a multiple of 2 and W one of 4, or it is the plain one.
    """

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        if height % ROWS or width % COLUMNS or not _pays(images):
            return super().forward(images)
        places = [(row, column) for row in range(ROWS) for column in range(COLUMNS)]
        moved = [F.pad(self.weight, (x, COLUMNS - 1 - x, y, ROWS - 1 - y)) for y, x in places]
        together = torch.stack(moved, dim=1).flatten(0, 1)
        result = F.conv2d(images, together, stride=(ROWS, COLUMNS), padding=self.padding)
        pixels = result.view(len(images), -1, ROWS, COLUMNS, height // ROWS, width // COLUMNS)
        return pixels.permute(0, 1, 4, 2, 5, 3).reshape(len(images), -1, height, width)


def _pays(images: Tensor) -> bool:
    plain = torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling() or torch.compiler.is_exporting()
    return images.device.type == "cpu" and images.dtype is torch.float32 and not plain
