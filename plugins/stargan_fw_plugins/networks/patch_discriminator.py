"""CycleGAN's discriminator, which sees 70×70 pixels per score (PatchGAN; Isola et al., 2017)."""

from collections.abc import Callable, Mapping

from pydantic import PositiveInt
from torch import Tensor, nn

from stargan_fw import Discriminator, hookimpl
from stargan_fw.errors import ConfigError
from stargan_fw_plugins.networks.classifying_discriminator import ClassifyingDiscriminator


class PatchDiscriminator(ClassifyingDiscriminator):
    """Convolutions 4×4: three that halve the image, one that keeps its size, and one that gives the scores.

    Args:
        image_size: side in pixels, 32 to 512.
        label_dim: number of labels of all datasets, without the mask. CycleGAN uses 0. If there are labels, a
            linear layer on the mean of the last features gives their logits.
        conv_dim: channels after the first convolution; they double three times.
    """

    name = "patch"

    def __init__(self, *, image_size: int, label_dim: int, conv_dim: PositiveInt = 64) -> None:
        super().__init__()
        if not 32 <= image_size <= 512:
            raise ConfigError(
                f"data.image_size = {image_size}: the discriminator is for other sizes. Use one between 32 and 512, "
                "such as 64, 128 or 256."
            )
        d = conv_dim
        self.trunk = nn.Sequential(
            nn.Conv2d(3, d, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            *_normed(d, 2 * d, stride=2),
            *_normed(2 * d, 4 * d, stride=2),
            *_normed(4 * d, 8 * d, stride=1),
        )
        self.src = nn.Conv2d(8 * d, 1, 4, padding=1)
        self.cls = nn.Linear(8 * d, label_dim) if label_dim else None

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(images)
        scores = self.src(features)
        logits = scores.new_empty(len(images), 0) if self.cls is None else self.cls(features.mean((2, 3)))
        return scores, logits

    def label_axes(self) -> Mapping[str, tuple[int, int]]:
        return {"cls.weight": (0, 0), "cls.bias": (0, 0)}


def _normed(before: int, after: int, stride: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    convolution = nn.Conv2d(before, after, 4, stride=stride, padding=1, bias=False)
    return convolution, nn.InstanceNorm2d(after), nn.LeakyReLU(0.2)


@hookimpl
def register_discriminators(register: Callable[[type[Discriminator]], None]) -> None:
    register(PatchDiscriminator)
