"""The interfaces of networks, and the mode in which they are used without being trained."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from torch import Tensor, nn


class Generator(nn.Module, ABC):
    """`G(x, c̃) → y` (Sec. 3): one network for every domain of every dataset.

    The constructor takes the keyword arguments `image_size` (pixels) and `label_dim` (the dimension of c̃, mask
    included) and, as further keyword arguments with defaults, its own options: keys of `[generator]`. A method that
    has a generator for each pair of domains gives it no labels: `label_dim` is 0, and every generator can be built so.

    Attributes:
        name: what `generator.name` calls it.
        conditional: whether it can follow labels; one that cannot refuses a `label_dim` that is not 0.
        size_multiple: it also takes images of any other size whose sides are multiples of so many pixels; None: of
            `image_size` alone.

    Raises:
        ConfigError: from the constructor, if the network cannot work at `image_size` or with labels.
    """

    name: ClassVar[str]
    conditional: ClassVar[bool] = True
    size_multiple: ClassVar[int | None] = None

    @abstractmethod
    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Translates images to target labels, each by itself: a batch may be given in parts.

        Args:
            images: (B, 3, H, W) in [-1, 1].
            labels: (B, label_dim), c̃ as `LabelSpace.join` makes it; (B, 0) without labels.

        Returns:
            (B, 3, H, W) in [-1, 1].
        """

    def label_axes(self) -> Mapping[str, tuple[int, int]] | None:
        """Says where labels meet the parameters, so that a trained network can be given others.

        Returns:
            Parameter name → the axis that labels lie on, and the index of the first one, whose labels go to the axis'
            end; every other parameter is the same for any labels. None: the network cannot change its labels.
        """
        return None


class Discriminator(nn.Module, ABC):
    """`D(x)`: says how real images look, and perhaps more, which the methods that use it read.

    The constructor takes the keyword arguments `image_size` (pixels) and `label_dim` (the number of labels of all
    datasets, without the mask; 0 if the method only wants scores) and its own options: keys of `[discriminator]`.

    Attributes:
        name: what `discriminator.name` calls it.

    Raises:
        ConfigError: from the constructor, if the network cannot work at `image_size`.
    """

    name: ClassVar[str]

    @abstractmethod
    def forward(self, images: Tensor) -> Any:
        """Judges images, each by itself: a batch may be given in parts.

        Args:
            images: (B, 3, H, W) in [-1, 1].

        Returns:
            Unbounded scores of shape (B, 1, h, w). A network that says more than how real images look returns what its
            methods read, and overrides `score_images`.
        """

    def score_images(self, images: Tensor) -> Tensor:
        """Returns how real images (B, 3, H, W) look: unbounded scores by patch, (B, 1, h, w)."""
        scores: Tensor = self(images)
        return scores

    def label_axes(self) -> Mapping[str, tuple[int, int]] | None:
        """Says where labels meet the parameters, so that a trained network can be given others.

        Returns:
            Parameter name → the axis that labels lie on, and the index of the first one, whose labels go to the axis'
            end; every other parameter is the same for any labels. None: the network cannot change its labels.
        """
        return None


class Embedding(nn.Module, ABC):
    """`F(x)`: features of who or what is on an image, for losses that keep the identity.

    The constructor takes the keyword arguments `image_size` (pixels) and `label_dim` (labels of all datasets, without
    the mask) and its own options: keys of `[embedding]`. It must not need weights that only training needs: a trained
    model is opened without them.

    Attributes:
        name: what `embedding.name` calls it.
    """

    name: ClassVar[str]

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


class LearnedEmbedding(Embedding):
    """An embedding whose weights are not given: it is trained beside the method, as a classifier of the data's labels."""

    @abstractmethod
    def classify(self, images: Tensor) -> Tensor:
        """Returns logits of the labels of all datasets, (B, label_dim).

        Args:
            images: (B, 3, H, W) in [-1, 1].
        """


@contextmanager
def evaluating(*networks: nn.Module) -> Iterator[None]:
    """Puts networks in evaluation mode: batch norms use their running averages and leave them alone, nothing drops out.

    Afterwards every module is in the mode that it was in.
    """
    modes = [(module, module.training) for network in networks for module in network.modules()]
    try:
        for network in networks:
            network.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training
