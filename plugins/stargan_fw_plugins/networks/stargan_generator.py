"""The paper's generator (appendix, Table 4)."""

from collections.abc import Callable, Mapping

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw import Generator, hookimpl
from stargan_fw.errors import ConfigError
from stargan_fw_plugins.networks.colour_convolution import ColourConvolution
from stargan_fw_plugins.networks.instance_norm import InstanceNorm
from stargan_fw_plugins.networks.winograd import WinogradConvolution, WinogradTransposed


def check_quarters(image_size: int) -> None:
    """Raises ConfigError unless two halvings of `image_size` pixels come out even, within 32 to 512."""
    if image_size % 4 or not 32 <= image_size <= 512:
        raise ConfigError(
            f"data.image_size = {image_size}: the generator halves the image twice, so the size must be a multiple of 4 "
            "between 32 and 512, such as 64, 128 or 256."
        )


class LabelConvolution(nn.Conv2d):
    """A convolution over an image and constant label planes, which are never made.

    Over a constant plane with zero padding p, a convolution of 2p + 1 pixels has as many distinct rows and columns: p at
    each border and one between them, which repeats. So each label's kernel is summed over what it covers at those
    (2p + 1)² places, the labels weigh the sums, and the middle is stretched: exact, at a cost that hardly depends on the
    number of labels.

    (B, 3, H, W) and (B, label_dim) in, (B, channels, H, W) out, H and W at least 2p + 1.
    """

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:  # type: ignore[override]
        colours, side = images.shape[1], self.kernel_size[0]
        over_images, over_labels = self.weight[:, :colours], self.weight[:, colours:]
        # In fp64 a sum of fp32 weights is exact, so that it does not depend on where in the label they stand: a model that
        # is extended by labels of weight 0 keeps its outputs to the bit. "mps" has no fp64.
        exact = images.dtype if images.device.type == "mps" else torch.float64
        sums = over_labels.to(exact).flatten(2) @ _coverage(side, over_labels.device).to(exact)
        distinct = labels.to(exact) @ sums.transpose(0, 1).flatten(1)
        rows = _stretched(distinct.to(images.dtype).view(len(labels), -1, side, side), 2, images.shape[2])
        planes, result = _stretched(rows, 3, images.shape[3]), F.conv2d(images, over_images, padding=self.padding)
        # In bf16 the sum would round away what is left of a label behind instance norm.
        return result.add_(planes) if result.dtype is planes.dtype else result + planes


def _coverage(side: int, device: torch.device) -> Tensor:
    """Tells which taps of a kernel lie on a plane of the kernel's own size: (taps, places) of 0 and 1."""
    taps, places = torch.arange(side, device=device)[:, None], torch.arange(side, device=device)
    met = (taps + places - side // 2).clamp(0, side - 1) == taps + places - side // 2
    return torch.kron(met.float(), met.float())


def _stretched(distinct: Tensor, dim: int, size: int) -> Tensor:
    """Repeats what lies in the middle of a dimension, of odd length, until it is `size` long."""
    border = distinct.shape[dim] // 2
    first, middle, last = torch.split(distinct, [border, 1, border], dim)
    shape = [-1] * distinct.ndim
    shape[dim] = size - 2 * border
    return torch.cat([first, middle.expand(shape), last], dim)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with instance norm, plus the input (Table 4, bottleneck); (B, channels, h, w) in and out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            WinogradConvolution(channels, channels),
            InstanceNorm(channels),
            nn.ReLU(inplace=True),
            WinogradConvolution(channels, channels),
            InstanceNorm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.main(x)
        return residual.add_(x)


class StarGANGenerator(Generator):
    """Down twice, residual blocks, up twice; the label enters as constant planes beside the image.

    Zero padding is part of the method: instance norm removes what a constant plane adds, so the label reaches the
    network only through the padded border.

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
            *_normed(LabelConvolution(3 + label_dim, d, 7, padding=3, bias=False), d),
            *_normed(WinogradConvolution(d, 2 * d, 4, stride=2), 2 * d),
            *_normed(WinogradConvolution(2 * d, 4 * d, 4, stride=2), 4 * d),
            *(ResidualBlock(4 * d) for _ in range(repeat_num)),
            *_normed(WinogradTransposed(4 * d, 2 * d), 2 * d),
            *_normed(WinogradTransposed(2 * d, d), d),
            ColourConvolution(d, 3, 7, padding=3, bias=False),
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
    return convolution, InstanceNorm(channels), nn.ReLU(inplace=True)


@hookimpl
def register_generators(register: Callable[[type[Generator]], None]) -> None:
    register(StarGANGenerator)
