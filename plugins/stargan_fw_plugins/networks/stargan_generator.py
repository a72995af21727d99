"""The paper's generator (appendix, Table 4)."""

from collections.abc import Callable, Mapping

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from stargan_fw import Generator, hookimpl
from stargan_fw.errors import ConfigError


def check_quarters(image_size: int) -> None:
    """Raises ConfigError unless `image_size` is a multiple of 4 between 32 and 512 pixels."""
    if image_size % 4 or not 32 <= image_size <= 512:
        raise ConfigError(
            f"data.image_size = {image_size}: the generator halves the image twice. Use a multiple of 4 between 32 and "
            "512, such as 64, 128 or 256."
        )


def exact_dtype(device: torch.device) -> torch.dtype:
    """Returns the type in which a device adds up weights of labels: float64, or float32 on MPS, which has no float64.

    In float64 the sum of a few float32 weights is exact, so it does not depend on their position in the label. A model that
    is extended by labels of weight 0 therefore gives the same outputs to the bit.
    """
    return torch.float32 if device.type == "mps" else torch.float64


class LabelledConvolution(nn.Conv2d):
    """A convolution over an image and its labels. Each label is a constant plane beside the colours.

    (B, 3, H, W) and (B, label_dim) in, (B, channels, H, W) out.
    """

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        planes = labels[:, :, None, None].expand(-1, -1, *images.shape[2:])
        return super().forward(torch.cat([images, planes], dim=1))


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with instance norm, plus the input (Table 4, bottleneck); (B, channels, h, w) in and out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.InstanceNorm2d(channels, affine=True),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.InstanceNorm2d(channels, affine=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.main(x)
        return residual.add_(x)


class StarGANGenerator(Generator):
    """Down twice, residual blocks, up twice; labels enter as constant planes beside the image.

    Zero padding is part of the method: instance norm removes what a constant plane adds, so labels reach the network only
    through the padded border.

    Args:
        image_size: side in pixels, a multiple of 4 between 32 and 512.
        label_dim: dimension of c̃, mask included.
        conv_dim: channels after the first convolution, d.
        repeat_num: number of residual blocks.
    """

    name = "stargan"
    size_multiple = 4

    def __init__(
        self, *, image_size: int, label_dim: int, conv_dim: PositiveInt = 64, repeat_num: PositiveInt = 6
    ) -> None:
        super().__init__()
        check_quarters(image_size)
        d = conv_dim
        self.main = nn.Sequential(
            *_normed(LabelledConvolution(3 + label_dim, d, 7, padding=3, bias=False), d),
            *_normed(nn.Conv2d(d, 2 * d, 4, stride=2, padding=1, bias=False), 2 * d),
            *_normed(nn.Conv2d(2 * d, 4 * d, 4, stride=2, padding=1, bias=False), 4 * d),
            *(ResidualBlock(4 * d) for _ in range(repeat_num)),
            *_normed(nn.ConvTranspose2d(4 * d, 2 * d, 4, stride=2, padding=1, bias=False), 2 * d),
            *_normed(nn.ConvTranspose2d(2 * d, d, 4, stride=2, padding=1, bias=False), d),
            nn.Conv2d(d, 3, 7, padding=3, bias=False),
            nn.Tanh(),
        )

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        first, *others = self.main
        features: Tensor = first(images, labels.to(images.dtype))
        for layer in others:
            features = layer(features)
        return features

    def label_axes(self) -> Mapping[str, tuple[int, int]]:
        return {"main.0.weight": (1, 3)}


def _normed(convolution: nn.Module, channels: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    return convolution, nn.InstanceNorm2d(channels, affine=True), nn.ReLU(inplace=True)


@hookimpl
def register_generators(register: Callable[[type[Generator]], None]) -> None:
    register(StarGANGenerator)
