"""CycleGAN's generator (Zhu et al., 2017, appendix 7.2; after Johnson et al., 2016)."""

from collections.abc import Callable

from pydantic import PositiveInt
from torch import Tensor, nn

from stargan_fw import Generator, hookimpl
from stargan_fw.errors import ConfigError
from stargan_fw_plugins.networks.stargan_generator import check_quarters


class ReflectedBlock(nn.Module):
    """Two reflected 3×3 convolutions with instance norm, plus the input; (B, channels, h, w) in and out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.ReflectionPad2d(1),
            *normed(nn.Conv2d(channels, channels, 3, bias=False), channels),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=False),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        residual: Tensor = self.main(x)
        return x + residual


class ResNetGenerator(Generator):
    """Down twice, residual blocks, up twice, with reflection padding; for one pair of domains.

    The network takes no labels: after reflection padding, instance norm removes whatever a constant plane adds.
    Convolutions before an instance norm have no bias, because the norm would remove the bias too.

    Args:
        image_size: side in pixels, a multiple of 4 between 32 and 512.
        label_dim: 0.
        conv_dim: channels after the first convolution.
        repeat_num: number of residual blocks: nine; its authors use six at 128 px.
    """

    name = "resnet"
    conditional = False

    def __init__(
        self, *, image_size: int, label_dim: int, conv_dim: PositiveInt = 64, repeat_num: PositiveInt = 9
    ) -> None:
        super().__init__()
        check_quarters(image_size)
        if label_dim:
            raise ConfigError(
                "generator.name = 'resnet': behind its reflection padding, instance norm removes the labels. "
                "Use 'stargan' or 'attention'."
            )
        d = conv_dim
        self.main = nn.Sequential(
            nn.ReflectionPad2d(3),
            *normed(nn.Conv2d(3, d, 7, bias=False), d),
            *normed(nn.Conv2d(d, 2 * d, 3, stride=2, padding=1, bias=False), 2 * d),
            *normed(nn.Conv2d(2 * d, 4 * d, 3, stride=2, padding=1, bias=False), 4 * d),
            *(ReflectedBlock(4 * d) for _ in range(repeat_num)),
            *normed(nn.ConvTranspose2d(4 * d, 2 * d, 3, stride=2, padding=1, output_padding=1, bias=False), 2 * d),
            *normed(nn.ConvTranspose2d(2 * d, d, 3, stride=2, padding=1, output_padding=1, bias=False), d),
            nn.ReflectionPad2d(3),
            nn.Conv2d(d, 3, 7),
            nn.Tanh(),
        )

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:  # noqa: ARG002 - there are none
        result: Tensor = self.main(images)
        return result


def normed(convolution: nn.Module, channels: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    """Returns a convolution, an instance norm without parameters, and ReLU."""
    return convolution, nn.InstanceNorm2d(channels), nn.ReLU(inplace=True)


@hookimpl
def register_generators(register: Callable[[type[Generator]], None]) -> None:
    register(ResNetGenerator)
