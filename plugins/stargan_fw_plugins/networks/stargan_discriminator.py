"""The paper's discriminator (appendix, Table 5)."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Literal

from pydantic import PositiveInt
from torch import Tensor, nn

from stargan_fw import Discriminator, hookimpl
from stargan_fw.errors import ConfigError
from stargan_fw_plugins.networks.classifying_discriminator import ClassifyingDiscriminator

MAX_DEPTH = 6
MAX_SIDE = 8  # of the last map, in pixels
SLOPE = 0.01  # negative slope of LeakyReLU


def depth_for(image_size: int) -> int:
    """Returns how many convolutions halve an image: six at 128 px and above, as in the paper.

    Smaller images are halved down to a map of 2×2 or 3×3 patches.

    Raises:
        ConfigError: if a halving is uneven before the map is 8×8 or smaller.
    """
    depth, side = 0, image_size
    while depth < MAX_DEPTH and side % 2 == 0 and side >= 4:
        depth, side = depth + 1, side // 2
    if side > MAX_SIDE or not 32 <= image_size <= 512:
        raise ConfigError(
            f"data.image_size = {image_size}: the discriminator must halve the image evenly down to {MAX_SIDE} pixels "
            f"or fewer and gets stuck at {side}. Use a size between 32 and 512 such as 64, 96, 128, 160, 192 or 256."
        )
    return depth


class StarGANDiscriminator(ClassifyingDiscriminator):
    """Strided convolutions without normalisation, a patch head and a classification head.

    Args:
        image_size: side in pixels, 32 to 512.
        label_dim: number of labels of all datasets, without the mask; with 0 there is no classification head.
        conv_dim: channels after the first convolution, d; they double from layer to layer.
        repeat_num: number of convolutions in the trunk; None follows the image size (six at 128 and above).
        init: initialisation of the trunk. "torch" is torch's default, as in the reference implementation: a signal loses
            two thirds of its size from layer to layer. "he" (He et al., 2015) keeps its size, so classification, from
            which the generator learns, starts hundreds of updates earlier.
    """

    name = "stargan"

    def __init__(
        self,
        *,
        image_size: int,
        label_dim: int,
        conv_dim: PositiveInt = 64,
        repeat_num: PositiveInt | None = None,
        init: Literal["torch", "he"] = "torch",
    ) -> None:
        super().__init__()
        depth = depth_for(image_size) if repeat_num is None else repeat_num
        if image_size % 2**depth:
            raise ConfigError(
                f"discriminator.repeat_num = {depth}: an image of {image_size} pixels cannot be halved {depth} times; "
                f"leave it out to follow the image's size."
            )
        widths = [3, *(conv_dim * 2**i for i in range(depth))]
        self.trunk = nn.Sequential()
        for before, after in pairwise(widths):
            self.trunk.append(nn.Conv2d(before, after, 4, stride=2, padding=1))
            self.trunk.append(nn.LeakyReLU(SLOPE))
        if init == "he":
            self.trunk.apply(_initialise_as_he)
        self.src = nn.Conv2d(widths[-1], 1, 3, padding=1, bias=False)
        side = image_size // 2**depth
        self.cls = nn.Conv2d(widths[-1], label_dim, side, bias=False) if label_dim else None

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(images)
        scores: Tensor = self.src(features)
        logits = scores.new_empty(len(images), 0) if self.cls is None else self.cls(features).flatten(1)
        return scores, logits

    def label_axes(self) -> Mapping[str, tuple[int, int]]:
        return {"cls.weight": (0, 0)}


def _initialise_as_he(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, SLOPE)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


@hookimpl
def register_discriminators(register: Callable[[type[Discriminator]], None]) -> None:
    register(StarGANDiscriminator)
