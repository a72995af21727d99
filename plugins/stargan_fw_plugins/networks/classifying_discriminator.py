"""StarGAN's kind of discriminator, which also classifies."""

from abc import abstractmethod

from torch import Tensor

from stargan_fw import Discriminator
from stargan_fw.errors import ConfigError


class ClassifyingDiscriminator(Discriminator):
    """`D(x) → (D_src(x), D_cls(x))` (Sec. 3): realness per patch, and logits of the labels of all datasets.

    With `label_dim=0` the network only scores: D_cls has no parameters and returns logits of shape (B, 0).
    """

    @abstractmethod
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and classifies each image, independently of the rest of the batch.

        Args:
            images: (B, 3, H, W) in [-1, 1].

        Returns:
            D_src, unbounded scores of shape (B, 1, h, w), and D_cls, logits of shape (B, label_dim).
        """

    def score_images(self, images: Tensor) -> Tensor:
        scores: Tensor = self(images)[0]
        return scores


def require_classifier(discriminator: Discriminator) -> ClassifyingDiscriminator:
    """Returns the discriminator if it classifies.

    Raises:
        ConfigError: if it does not.
    """
    if isinstance(discriminator, ClassifyingDiscriminator):
        return discriminator
    raise ConfigError(
        f"discriminator.name = '{discriminator.name}' reads no labels, which the method learns from. Derive its class from "
        "stargan_fw_plugins.networks.classifying_discriminator.ClassifyingDiscriminator."
    )
