"""The interface of methods, which own networks and losses and say what one update is."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn

from stargan_fw.errors import ModelError, closest
from stargan_fw.interfaces.loss import AdversarialLoss
from stargan_fw.interfaces.networks import Discriminator, Embedding, Generator
from stargan_fw_registry import LabelSpace


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of one dataset, on the device.

    Attributes:
        images: (B, 3, H, W) in [-1, 1].
        labels: (B, d), the dataset's own label vector; NaN where unknown.
        dataset: the dataset's name in the label space.
        kind: which of the method's own kinds of batches it is: an index of `Method.batches`.
        progress: the share of the run that is done, from 0 to below 1, for methods that train in stages.
        micro_batch: how many images' graphs a phase should hold at a time; None is all of them.
    """

    images: Tensor
    labels: Tensor
    dataset: str
    kind: int = 0
    progress: float = 0.0
    micro_batch: int | None = None

    def micro_batches(self) -> Iterator[slice]:
        """Yields which images are a micro-batch, one after the other: all where there is no need to cut, else equal shares."""
        images = len(self.images)
        parts = math.ceil(images / (self.micro_batch or images))
        for part in range(parts):
            yield slice(images * part // parts, images * (part + 1) // parts)

    def cut(self, images: slice) -> "Batch":
        """Returns a batch of these images alone."""
        return replace(self, images=self.images[images], labels=self.labels[images])


@dataclass(frozen=True, slots=True)
class Losses:
    """One objective, or of a micro-batch its share of one.

    Attributes:
        total: the scalar to minimise.
        terms: its parts by name, unweighted, as the metrics show them after the phase's name ("d/adv").
        last: whether the phase is complete with it. Else more of it follows, and what is yielded adds up.
    """

    total: Tensor
    terms: dict[str, Tensor]
    last: bool = True

    def share(self, fraction: float, *, last: bool) -> "Losses":
        """Returns what a micro-batch adds to losses that are means over the batch's images.

        Args:
            fraction: of the batch's images that are its own.
            last: whether the phase is complete with it.
        """
        terms = {name: term.detach() * fraction for name, term in self.terms.items()}
        return Losses(self.total * fraction, terms, last)


MakeOptimizer: TypeAlias = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


@dataclass(frozen=True, slots=True)
class OptimizerSpec:
    """How a phase's parameters are optimised. `[training.optimizers.<phase>]` overrides each value.

    Attributes:
        algorithm: "adam", "adamw", or a function that makes any other torch optimiser of the phase's parameters. The
            function sets the learning rate, betas and weight decay itself.
        rate: a factor on the learning rate, `training.learning_rate` or the function's own. Factors that differ between
            phases make two-time-scale updates (Heusel et al., 2017).
        beta1: None is `training.beta1`.
        beta2: None is `training.beta2`.
        weight_decay: an L2 penalty with "adam", decoupled from the gradient with "adamw".
        clip: the largest norm of all gradients of the phase together; None does not clip.
    """

    algorithm: Literal["adam", "adamw"] | MakeOptimizer = "adam"
    rate: float = 1.0
    beta1: float | None = None
    beta2: float | None = None
    weight_decay: float = 0.0
    clip: float | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of an update: one objective, minimised over some of the networks.

    Attributes:
        name: short, for metrics and the configuration: "d", "g".
        networks: keys of `Method.networks` whose parameters the phase updates.
        interval: the phase is due at every `interval`-th step, counted for each dataset and each kind of its batches.
            "n_critic" is `training.n_critic`.
        optimizer: its optimiser, or the name of an earlier phase whose optimiser it shares. A regulariser that runs at
            every 16th step only, for instance, shares the moments that Adam keeps of the same parameters.
    """

    name: str
    networks: tuple[str, ...]
    interval: int | Literal["n_critic"] = 1
    optimizer: OptimizerSpec | str = OptimizerSpec()


class ComponentBuilder(Protocol):
    """Builds the components that the configuration names, with the options that it gives them."""

    def generator(self, *, image_size: int, label_dim: int) -> Generator:
        """Builds the generator of `[generator]`."""

    def discriminator(self, *, image_size: int, label_dim: int) -> Discriminator:
        """Builds the discriminator of `[discriminator]`."""

    def loss(self) -> AdversarialLoss:
        """Builds the adversarial loss of `[loss]`."""

    def embedding(self, *, image_size: int, label_dim: int) -> Embedding:
        """Builds the embedding of `[embedding]`."""


class Method(ABC):
    """Owns networks and losses and says what one update is; names no dataset.

    Keyword-only constructor parameters of a subclass are keys of `[method]`. A subclass may also have what
    `ReadsLabels` or `HasVariants` ask for.

    Attributes:
        name: what `method.name` calls it.
        components: the components it uses where the configuration names none: "generator", "discriminator", "loss",
            "embedding" → a registered name.
        networks: by name; each becomes a file of the checkpoint. A method of many models keeps them in one
            `nn.ModuleDict`. What it remembers from step to step besides weights, such as images of earlier steps, is
            buffers of a module here: a checkpoint has nothing else.
        averaged: the network that `training.ema` keeps a moving average of: samples are drawn, and a trained model
            translates, with the averaged weights. None if there is no such network.
        translating: the networks that `translate` needs: those of a model that is shared.
        reading: the networks that only `ReadsLabels.read_labels` needs; empty if the method has no classifier.
        auxiliary: the networks that only training needs and that are no part of a model, such as a feature extractor.
        phases: in the order that `losses` yields them.
        least_batch_size: the fewest images of a batch that it can train on.
        least_batch_reason: why not fewer, for messages.
        compilable: networks that `torch.compile` can take: those that no loss differentiates twice.
    """

    name: ClassVar[str]
    components: ClassVar[Mapping[str, str]] = {}
    compilable: ClassVar[tuple[str, ...]] = ()
    least_batch_size: ClassVar[int] = 1
    least_batch_reason: ClassVar[str] = ""
    averaged: str | None = "generator"
    translating: tuple[str, ...] = ("generator",)
    reading: tuple[str, ...] = ()
    auxiliary: tuple[str, ...] = ()
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

    @property
    def models(self) -> int:
        """How many models of one size the method is: as many as the first `nn.ModuleDict` that translates holds, or one."""
        network = self.networks[self.translating[0]]
        return len(network) if isinstance(network, nn.ModuleDict) else 1

    def prepare(self) -> None:  # noqa: B027 - optional
        """Loads what only training needs; called once before training, and not where a model is opened to translate.

        Raises:
            RequestError: something is missing.
        """

    def batches(self, dataset: str, labels: Tensor) -> Sequence[Sequence[Tensor]]:  # noqa: ARG002
        """Says which images of a dataset batches are made of: by default, any.

        Args:
            dataset: the dataset's name in the label space.
            labels: (N, d), those of its training images; NaN where unknown.

        Returns:
            The kinds of batches, which take turns. Each kind is one or more sets of images, int64 indices into `labels`,
            which have equal shares of a batch, one after the other.

        Raises:
            DataError: there are no images of a kind that it needs.
        """
        return [[torch.arange(len(labels))]]

    def shown(self, dataset: str, labels: Tensor) -> Tensor:  # noqa: ARG002
        """Says which held-out images a sample sheet should show, such as those that every domain can be reached from.

        Args:
            dataset: the dataset's name in the label space.
            labels: (N, d); NaN where unknown.

        Returns:
            (N,) of bool; by default, any.
        """
        return torch.ones(len(labels), dtype=torch.bool)

    @abstractmethod
    def losses(self, batch: Batch, due: Collection[str]) -> Iterator[tuple[str, Losses]]:
        """Yields the losses of one step, phase by phase.

        The trainer updates a phase's networks after its last losses and before the next yield, so a later phase sees them
        updated. A phase whose graph would be large can be yielded in micro-batches (`Batch.micro_batches`), one directly
        after the other: their totals and terms add up to the phase's, and all but the last have `last=False`.
        Random numbers come from torch's global generators, which the trainer seeds for every step.

        No context may be open at a yield: within `torch.no_grad()` or `torch.autocast`, the trainer's own update would run
        in it too. Leave the context first, and yield then.

        Args:
            batch: what to learn from.
            due: names of the phases to yield; the others must cost nothing. A method may leave out one that is due,
                as at another stage of the run.
        """

    @abstractmethod
    def translate(self, images: Tensor, dataset: str, target: Tensor, source: Tensor | None = None) -> Tensor:
        """Translates images of any dataset to labels of `dataset`, without gradients.

        Networks are in evaluation mode, also for a sample in the midst of training.

        Args:
            images: (B, 3, H, W) in [-1, 1].
            dataset: whose labels `target` holds.
            target: (B, d).
            source: (B, d), the images' own labels of that dataset, NaN where unknown, for methods that need them.

        Returns:
            (B, 3, H, W) in [-1, 1].

        Raises:
            ModelError: it has no model for such a change, or needs labels of `source` that are unknown.
        """


@runtime_checkable
class ReadsLabels(Protocol):
    """A method that can say what labels an image has.

    A method without a classifier that needs current labels only if it is asked to change them returns the labels that it
    takes every image for, or NaN.
    """

    def read_labels(self, images: Tensor, dataset: str) -> Tensor:
        """Returns the images' current labels of a dataset, (B, d) of 0 and 1, or NaN if unknown.

        Networks are in evaluation mode, as for `Method.translate`.

        Args:
            images: (B, 3, H, W) in [-1, 1].
            dataset: the name of the dataset.
        """


def read_labels(method: Method, images: Tensor, dataset: str) -> Tensor:
    """Returns the labels that the method reads from images; see `ReadsLabels`.

    Raises:
        ModelError: the method cannot read labels.
    """
    if isinstance(method, ReadsLabels):
        return method.read_labels(images, dataset)
    raise ModelError(
        f"The method '{method.name}' cannot read the current labels of '{dataset}' from an image: name every label."
    )


def translate_where_possible(
    translate: Callable[..., Tensor], images: Tensor, *labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Translates a batch; image by image if the method has no way from the labels of some of them.

    Args:
        translate: takes the images and the labels; raises ModelError if it has no way from the labels of an image.
        images: (B, 3, H, W).
        labels: (B, d) each.

    Returns:
        The translations (B, 3, H, W), zeros for images that cannot be translated, and (B,) booleans: which images could.
    """
    try:
        return translate(images, *labels), torch.ones(len(images), dtype=torch.bool, device=images.device)
    except ModelError:
        if len(images) == 1:
            return torch.zeros_like(images), torch.zeros(1, dtype=torch.bool, device=images.device)
    singles = zip(*(torch.split(tensor, 1) for tensor in (images, *labels)), strict=True)
    translated, possible = zip(*(translate_where_possible(translate, *single) for single in singles), strict=True)
    return torch.cat(translated), torch.cat(possible)


@runtime_checkable
class HasVariants(Protocol):
    """A method that can also translate with one of its parts set differently, to show what that part does.

    Attributes:
        variants: the parts, and how each can be set: {"mask": ("wrong",)}.
    """

    variants: ClassVar[Mapping[str, tuple[str, ...]]]

    def variant(self, part: str, setting: str) -> Method:
        """Returns a method with the same networks that translates with the part set so.

        Args:
            part: a key of `variants`.
            setting: one of that key's values.

        Raises:
            RequestError: this model has no such part.
        """


def variant_of(method: Method, part: str, setting: str) -> Method:
    """Returns the variant of a method that translates with one of its parts set differently.

    Args:
        method: any method.
        part: what is set differently, such as "mask".
        setting: how, such as "wrong".

    Raises:
        ModelError: the method has no such part, or cannot set it so.
        RequestError: the method has such a part, and this model of it does not.
    """
    settings = method.variants.get(part, ()) if isinstance(method, HasVariants) else ()
    if isinstance(method, HasVariants) and setting in settings:
        return method.variant(part, setting)
    if settings:
        raise ModelError(f"The method '{method.name}' has no {setting} {part}; {closest(setting, settings)}.")
    raise ModelError(f"The method '{method.name}' has no {part}: there is no {setting} one to translate with.")
