"""An embedding that needs no pretrained weights: the middle layer of a classifier that is trained on the data."""

from collections.abc import Callable

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw import Embedding, hookimpl
from stargan_fw.errors import ConfigError
from stargan_fw.interfaces import LearnedEmbedding


def unit_mean_square(features: Tensor) -> Tensor:
    """Scales features (B, c, …) so that the channels have a mean square of 1 at each place."""
    normed: Tensor = F.normalize(features.float(), dim=1) * features.shape[1] ** 0.5
    return normed


class DatasetClassifier(LearnedEmbedding):
    """Four strided convolutions, global max pooling and a linear layer; the second convolution gives the features.

    The classifier learns the labels that a translation changes. Its first two convolutions do not separate them yet: they
    keep outlines and colours.

    Args:
        image_size: side in pixels, at least 32.
        label_dim: number of labels over all datasets.
        conv_dim: channels after the first convolution; they double from layer to layer.
    """

    name = "classifier"

    def __init__(self, *, image_size: int, label_dim: int, conv_dim: PositiveInt = 32) -> None:
        super().__init__()
        if image_size < 32:
            raise ConfigError(
                f"data.image_size = {image_size}: the embedding's classifier is for more pixels. Set 32 or more."
            )
        d = conv_dim
        self.outlines = nn.Sequential(_halving_convolution(3, d), _halving_convolution(d, 2 * d))
        self.meaning = nn.Sequential(_halving_convolution(2 * d, 4 * d), _halving_convolution(4 * d, 8 * d))
        self.cls = nn.Linear(8 * d, label_dim)

    def forward(self, images: Tensor) -> Tensor:
        return unit_mean_square(self.outlines(images))

    def classify(self, images: Tensor) -> Tensor:
        features: Tensor = self.meaning(self.outlines(images))
        logits: Tensor = self.cls(torch.amax(features, (2, 3)))
        return logits


def _halving_convolution(before: int, after: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.1))


@hookimpl
def register_embeddings(register: Callable[[type[Embedding]], None]) -> None:
    register(DatasetClassifier)
