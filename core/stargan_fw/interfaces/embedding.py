"""The interface of embeddings, which say what of an image a translation must keep."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn


class Embedding(nn.Module, ABC):
    """`F(x)`: features of who or what is on an image, for identity losses such as DIAT's.

    The constructor takes the keyword arguments `image_size` (pixels) and `label_dim` (labels of all datasets, without
    the mask) and its own options: keys of `[embedding]`. It must not need weights that only training needs: a trained
    model is opened without them.

    Attributes:
        name: what `embedding.name` calls it.
        learns: whether it is trained beside the method, as a classifier of the data's labels; otherwise it is given.
    """

    name: ClassVar[str]
    learns: ClassVar[bool] = False

    def prepare(self) -> None:
        """Loads given weights, as buffers that `state_dict` leaves out; called once, before training.

        Raises:
            ConfigError: something that holds them is not installed.
        """

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Returns features, differentiably, with a mean square of about 1.

        Args:
            images: (B, 3, H, W) in [-1, 1].

        Returns:
            (B, …), any shape.
        """

    def classify(self, images: Tensor) -> Tensor:
        """Returns logits of the labels, (B, label_dim); called only where it `learns`."""
        raise NotImplementedError
