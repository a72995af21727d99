"""The interface of methods, which own networks and losses and say what one update is."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from torch import Tensor, nn

from stargan_fw.errors import ModelError
from stargan_fw.interfaces.loss import AdversarialLoss
from stargan_fw.interfaces.networks import Discriminator, Generator
from stargan_fw_registry import LabelSpace


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of one dataset, on the device.

    Attributes:
        images: (B, 3, H, W) in [-1, 1].
        labels: (B, d), the dataset's own label vector; NaN where unknown.
        dataset: the dataset's name in the label space.
    """

    images: Tensor
    labels: Tensor
    dataset: str


@dataclass(frozen=True, slots=True)
class Losses:
    """One objective.

    Attributes:
        total: the scalar to minimise.
        terms: its parts by name, unweighted, as the metrics show them after the phase's name ("d/adv").
    """

    total: Tensor
    terms: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of an update that has an optimiser of its own.

    Attributes:
        name: short, for metrics: "d", "g".
        networks: keys of `Method.networks` whose parameters it updates.
        every_n_critic: whether it runs only once in `training.n_critic` steps of a dataset.
    """

    name: str
    networks: tuple[str, ...]
    every_n_critic: bool = False


class ComponentBuilder(Protocol):
    """Builds the components that the configuration names, with the options that it gives them."""

    def generator(self, *, image_size: int, label_dim: int) -> Generator:
        """Builds the generator of `[generator]`."""

    def discriminator(self, *, image_size: int, label_dim: int) -> Discriminator:
        """Builds the discriminator of `[discriminator]`."""

    def loss(self) -> AdversarialLoss:
        """Builds the adversarial loss of `[loss]`."""


class Method(ABC):
    """Owns networks and losses and says what one update is; names no dataset.

    Keyword-only constructor parameters of a subclass are keys of `[method]`.

    Attributes:
        name: what `method.name` calls it.
        components: the components it uses where the configuration names none: "generator", "discriminator", "loss"
            → a registered name.
        networks: by name; each becomes a file of the checkpoint.
        translating: the networks that `translate` needs: those of a model that is shared.
        reading: the networks that `read_labels` needs besides; empty where the method reads none.
        phases: in the order that `losses` yields them.
        compilable: networks that `torch.compile` can take: those that no loss differentiates twice.
    """

    name: ClassVar[str]
    components: ClassVar[Mapping[str, str]] = {}
    compilable: ClassVar[tuple[str, ...]] = ()
    translating: tuple[str, ...] = ("generator",)
    reading: tuple[str, ...] = ("discriminator",)
    networks: dict[str, nn.Module]
    phases: tuple[Phase, ...]

    def __init__(self, space: LabelSpace, image_size: int, build: ComponentBuilder) -> None:
        """Keeps what every method knows; a subclass goes on to build its networks.

        Args:
            space: the label space of all datasets.
            image_size: side of the square images in pixels.
            build: builds the configured components.
        """
        self.space = space
        self.image_size = image_size
        self.build = build

    @abstractmethod
    def losses(self, batch: Batch, due: Collection[str]) -> Iterator[tuple[str, Losses]]:
        """Yields the losses of one step, phase by phase.

        The trainer updates a phase's networks between its yield and the next, so a later phase sees them updated.
        Random numbers come from torch's global generators, which the trainer seeds for every step.

        Args:
            batch: what to learn from.
            due: names of the phases to yield; the others must cost nothing.
        """

    @abstractmethod
    def translate(self, images: Tensor, dataset: str, target: Tensor, source: Tensor | None = None) -> Tensor:
        """Translates images of any dataset to labels of `dataset`, without gradients.

        Args:
            images: (B, 3, H, W) in [-1, 1].
            dataset: whose labels `target` holds.
            target: (B, d).
            source: (B, d), the images' own labels of that dataset, for methods that need them.

        Returns:
            (B, 3, H, W) in [-1, 1].
        """

    def translate_masked(self, images: Tensor, dataset: str, target: Tensor, mask: str) -> Tensor:  # noqa: ARG002
        """Translates as `translate` does, under the mask of another dataset, to show what the mask does (Fig. 7).

        Args:
            images: (B, 3, H, W) in [-1, 1].
            dataset: whose labels `target` holds.
            target: (B, d).
            mask: the dataset that the mask names.

        Returns:
            (B, 3, H, W) in [-1, 1].

        Raises:
            ModelError: the method has no mask.
        """
        raise ModelError(f"The method '{self.name}' has no mask: there is no wrong one to translate with.")

    def read_labels(self, images: Tensor, dataset: str) -> Tensor:  # noqa: ARG002
        """Reads the images' current labels of `dataset`, (B, d) of 0 and 1, with the method's own classifier.

        Args:
            images: (B, 3, H, W) in [-1, 1].
            dataset: whose labels to read.

        Raises:
            ModelError: the method has no classifier.
        """
        raise ModelError(
            f"The method '{self.name}' cannot read the current labels of '{dataset}' from an image: name every label."
        )
