"""A generator of your own: it keeps the full size, and sees far by dilated convolutions (Yu and Koltun, 2016).

stargan-fw plugins check examples/dilated_generator.py
stargan-fw train --plugin examples/dilated_generator.py --set generator.name=dilated --datasets celeba,rafd --data DATA
"""

from collections.abc import Callable, Mapping

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw import Generator, hookimpl


class DilatedGenerator(Generator):
    """Adds a change to every pixel, computed from a neighbourhood of 63 × 63 pixels and the labels.

    Args:
        image_size: side in pixels; every size works.
        label_dim: dimension of the target labels, mask included.
        width: channels of every layer, a key of `[generator]`.
    """

    name = "dilated"
    size_multiple = 1

    def __init__(self, *, image_size: int, label_dim: int, width: PositiveInt = 32) -> None:  # noqa: ARG002
        super().__init__()
        # No norm: an instance norm would remove the labels, which are constant over the image.
        self.first = nn.Conv2d(3 + label_dim, width, 3, padding=1)
        self.layers = nn.ModuleList(nn.Conv2d(width, width, 3, padding=far, dilation=far) for far in (1, 2, 4, 8, 16))
        self.last = nn.Conv2d(width, 3, 1, bias=False)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        planes = labels.to(images.dtype)[:, :, None, None].expand(-1, -1, *images.shape[2:])
        features = self.first(torch.cat([images, planes], dim=1))
        for layer in self.layers:
            features = features + F.leaky_relu(layer(features), 0.2)
        return F.hardtanh(images + self.last(features))

    def label_axes(self) -> Mapping[str, tuple[int, int]]:
        # Labels come after the 3 colours on axis 1. Knowing that, `stargan-fw extend` adds datasets to a trained generator.
        return {"first.weight": (1, 3)}


@hookimpl
def register_generators(register: Callable[[type[Generator]], None]) -> None:
    register(DilatedGenerator)
