"""A discriminator that also scores how well each patch of an image fits with each label (Miyato and Koyama, 2018)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pydantic import PositiveInt
from torch import Tensor, nn

from stargan_fw import Discriminator, hookimpl
from stargan_fw.errors import ConfigError
from stargan_fw_plugins.networks.classifying_discriminator import ClassifyingDiscriminator
from stargan_fw_plugins.networks.stargan_discriminator import depth_for

SLOPE = 0.2  # negative slope of LeakyReLU
PATCHES = 8  # side of the map of small patches
MOST_CHANNELS = 512


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a discriminator makes of images.

    Attributes:
        scores: per scale, how real each patch looks: unbounded, (B, 1, h, w).
        label_scores: per scale, how well each patch fits with each label: unbounded, (B, label_dim, h, w).
        logits: D_cls, (B, label_dim).
    """

    scores: Sequence[Tensor]
    label_scores: Sequence[Tensor]
    logits: Tensor


class ProjectionDiscriminator(ClassifyingDiscriminator):
    """Strided convolutions that judge an image at two scales: in 8×8 patches and as a whole.

    Each scale has a score of how real a patch looks, and one per label of how well it fits with that label. What the labels
    contribute is linear in them, as in a projection discriminator. A classifier can be satisfied by a detail that no image has;
    these scores cannot, because the discriminator learns to tell such details from those of real images with the label.

    Args:
        image_size: side in pixels, 32 to 512.
        label_dim: number of labels of all datasets, without the mask; with 0 there are no labels to judge.
        conv_dim: channels after the first convolution; they double from layer to layer, to 512 at most.
    """

    name = "projection"

    def __init__(self, *, image_size: int, label_dim: int, conv_dim: PositiveInt = 64) -> None:
        super().__init__()
        depth = depth_for(image_size)
        widths = [3, *(min(conv_dim * 2**i, MOST_CHANNELS) for i in range(depth))]
        stages = [
            nn.Sequential(nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE))
            for before, after in pairwise(widths)
        ]
        sides = [image_size // 2 ** (i + 1) for i in range(depth)]
        small = next(i for i, side in enumerate(sides) if side <= PATCHES)
        self.small_trunk = nn.Sequential(*stages[: small + 1])
        self.large_trunk = nn.Sequential(*stages[small + 1 :])
        self.small = nn.Conv2d(widths[small + 1], 1 + label_dim, 3, padding=1)
        self.large = nn.Conv2d(widths[-1], 1 + label_dim, sides[-1])
        self.cls = nn.Conv2d(widths[-1], label_dim, sides[-1], bias=False) if label_dim else None
        for trunk in (self.small_trunk, self.large_trunk):
            trunk.apply(_initialise_as_he)
        for head in (self.small, self.large):
            nn.init.normal_(head.weight, std=0.02)  # labels decide little until they are learned

    def judge(self, images: Tensor) -> Judgement:
        """Returns what the discriminator makes of images (B, 3, H, W) in [-1, 1]."""
        features = self.small_trunk(images)
        whole = self.large_trunk(features)
        maps = [self.small(features), self.large(whole)]
        logits = whole.new_empty(len(images), 0) if self.cls is None else self.cls(whole).flatten(1)
        return Judgement([part[:, :1] for part in maps], [part[:, 1:] for part in maps], logits)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores each small patch and, in the same number, the image as a whole; the labels have no part in it."""
        judgement = self.judge(images)
        small, large = judgement.scores
        return small + large, judgement.logits

    def label_axes(self) -> Mapping[str, tuple[int, int]]:
        heads = {f"{head}.{kind}": (0, 1) for head in ("small", "large") for kind in ("weight", "bias")}
        return {"cls.weight": (0, 0), **heads}


def require_projection(discriminator: Discriminator) -> ProjectionDiscriminator:
    """Returns the discriminator if it judges labels.

    Raises:
        ConfigError: if it does not.
    """
    if isinstance(discriminator, ProjectionDiscriminator):
        return discriminator
    raise ConfigError(
        f"discriminator.name = '{discriminator.name}' does not judge whether an image fits with its labels, which the method learns "
        "from. Leave it out, or derive its class from "
        "stargan_fw_plugins.networks.projection_discriminator.ProjectionDiscriminator."
    )


def _initialise_as_he(layer: nn.Module) -> None:
    """Keeps the size of a signal from layer to layer (He et al., 2015)."""
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, SLOPE)


@hookimpl
def register_discriminators(register: Callable[[type[Discriminator]], None]) -> None:
    register(ProjectionDiscriminator)
