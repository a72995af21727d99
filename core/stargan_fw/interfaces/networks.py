"""The interfaces of networks, and `evaluating`, the mode for using them without training."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from torch import Tensor, nn


class LabelledNetwork(nn.Module, ABC):
    """What generators and discriminators have in common.

    Attributes:
        name: the value of `generator.name` or `discriminator.name` that selects the network.
    """

    name: ClassVar[str]

    def label_axes(self) -> Mapping[str, tuple[int, int]] | None:
        """Returns where labels meet the parameters, so that core can add labels to a trained network.

        Returns:
            Parameter name → the axis along which labels lie, and the index of the first label; labels fill the axis from
            there to its end. Parameters that do not depend on the labels are not listed. None: the labels cannot change.
        """
        return None


class Generator(LabelledNetwork):
    """`G(x, c̃) → y` (Sec. 3): one network for every domain of every dataset.

    The constructor takes the keyword arguments `image_size` (pixels) and `label_dim` (the dimension of c̃, mask
    included). Its other keyword arguments have defaults and are keys of `[generator]`. Every generator must accept
    `label_dim=0`, for methods that train one generator per pair of domains.

    Attributes:
        conditional: whether the network can follow labels. If False, it accepts no `label_dim` but 0.
        size_multiple: the network accepts every image size with sides that are multiples of this many pixels; None: only
            `image_size`.

    Raises:
        ConfigError: from the constructor, if the network cannot work at `image_size` or with labels.
    """

    conditional: ClassVar[bool] = True
    size_multiple: ClassVar[int | None] = None

    @abstractmethod
    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Translates each image to its target labels, independently of the rest of the batch.

        Args:
            images: (B, 3, H, W) in [-1, 1].
            labels: (B, label_dim), c̃ from `LabelSpace.join`; (B, 0) without labels.

        Returns:
            (B, 3, H, W) in [-1, 1].
        """


class Discriminator(LabelledNetwork):
    """`D(x)`: scores how real images look. Some discriminators also classify them.

    The constructor takes the keyword arguments `image_size` (pixels) and `label_dim` (the number of labels of all
    datasets, without the mask; 0 for methods that only use scores). Its other keyword arguments have defaults and are
    keys of `[discriminator]`.

    Raises:
        ConfigError: from the constructor, if the network cannot work at `image_size`.
    """

    @abstractmethod
    def forward(self, images: Tensor) -> Any:
        """Scores each image, independently of the rest of the batch.

        Args:
            images: (B, 3, H, W) in [-1, 1].

        Returns:
            Unbounded scores (B, 1, h, w). A network with further outputs returns whatever its methods expect, and
            overrides `score_images`.
        """

    def score_images(self, images: Tensor) -> Tensor:
        """Returns how real images (B, 3, H, W) look: unbounded scores per patch, (B, 1, h, w)."""
        scores: Tensor = self(images)
        return scores


class Embedding(nn.Module, ABC):
    """`F(x)`: features of who or what is on an image, for losses that keep the identity.

    The constructor takes the keyword arguments `image_size` (pixels) and `label_dim` (the number of labels of all
    datasets, without the mask). Its other keyword arguments have defaults and are keys of `[embedding]`. It must not load
    pretrained weights, because a trained model is opened without them; `prepare` loads them.

    Attributes:
        name: the value of `embedding.name` that selects it.
    """

    name: ClassVar[str]

    def prepare(self) -> None:
        """Loads pretrained weights, as buffers that `state_dict` leaves out; called once, before training.

        Raises:
            ConfigError: if a package that provides the weights is not installed.
        """

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Returns differentiable features (B, …) of any shape, with a mean square of about 1.

        Args:
            images: (B, 3, H, W) in [-1, 1].
        """


class LearnedEmbedding(Embedding):
    """An embedding without pretrained weights: the method trains it along, as a classifier of the dataset's labels."""

    @abstractmethod
    def classify(self, images: Tensor) -> Tensor:
        """Returns logits (B, label_dim) of the labels of all datasets, for images (B, 3, H, W) in [-1, 1]."""


@contextmanager
def evaluating(*networks: nn.Module) -> Iterator[None]:
    """Puts networks in evaluation mode: batch norms use their running averages without updating them, dropout is off.

    Every module returns to its earlier mode afterwards.
    """
    modes = [(module, module.training) for network in networks for module in network.modules()]
    try:
        for network in networks:
            network.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training
