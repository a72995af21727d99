"""The interface of methods, which own networks and losses and define one update."""

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
        labels: (B, d), the dataset's own label vectors; NaN if unknown.
        dataset: the dataset's name in the label space.
        kind: the kind of batch, an index of the list that `Method.batches` returns.
        progress: the completed share of the run, 0 ≤ progress < 1, for methods that train in stages.
        micro_batch: the number of images in a phase's graph at a time; None puts the whole batch in one graph.
        all_labels: (n, d), the labels of the batches that all ranks have at this step, joined as on one rank. None if
            there is one rank.
        places: (B,), the rows of `all_labels` that are these images'. None if there is one rank.
    """

    images: Tensor
    labels: Tensor
    dataset: str
    kind: int = 0
    progress: float = 0.0
    micro_batch: int | None = None
    all_labels: Tensor | None = None
    places: Tensor | None = None

    @property
    def has_unknown_labels(self) -> bool:
        """Whether a label of this step is unknown, on any rank."""
        return bool((self.labels if self.all_labels is None else self.all_labels).isnan().any())

    def draw(self, function: Callable[..., Tensor], *shape: int) -> Tensor:
        """Draws random numbers, (B, *shape). On any number of ranks, an image gets the same ones.

        Args:
            function: `torch.rand`, `torch.randn` or the like.
            shape: the shape of the numbers of one image.
        """
        count = len(self.labels if self.all_labels is None else self.all_labels)
        return self._own(function(count, *shape, device=self.images.device))

    def shuffled_labels(self) -> Tensor:
        """Returns labels (B, d) for these images: those of this step's images, on all ranks, in random order."""
        labels = self.labels if self.all_labels is None else self.all_labels
        return self._own(labels[torch.randperm(len(labels), device=labels.device)])

    def _own(self, rows: Tensor) -> Tensor:
        return rows if self.places is None else rows[self.places]

    def micro_batches(self) -> Iterator[slice]:
        """Yields the slice of each micro-batch: the whole batch if that is small enough, else shares of equal size."""
        images = len(self.images)
        parts = math.ceil(images / (self.micro_batch or images))
        for part in range(parts):
            yield slice(images * part // parts, images * (part + 1) // parts)

    def cut(self, images: slice) -> "Batch":
        """Returns a batch of only these images. Draw random numbers before: here they would be those of other images."""
        places = None if self.places is None else self.places[images]
        return replace(self, images=self.images[images], labels=self.labels[images], places=places)


@dataclass(frozen=True, slots=True)
class Losses:
    """The objective of a phase, or a micro-batch's share of it.

    Attributes:
        total: the scalar to minimise.
        terms: its unweighted parts by name, for the metrics: "adv" of phase "d" is logged as "d/adv".
        last: whether this completes the phase. If False, further shares follow, and all of them add up.
    """

    total: Tensor
    terms: dict[str, Tensor]
    last: bool = True

    def share(self, fraction: float, *, last: bool) -> "Losses":
        """Returns a micro-batch's share of losses that are means over the whole batch.

        Args:
            fraction: the micro-batch's share of the batch's images.
            last: whether this completes the phase.
        """
        terms = {name: term.detach() * fraction for name, term in self.terms.items()}
        return Losses(self.total * fraction, terms, last)


MakeOptimizer: TypeAlias = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


@dataclass(frozen=True, slots=True)
class OptimizerSpec:
    """How to optimise a phase's parameters. `[training.optimizers.<phase>]` overrides each value.

    Attributes:
        algorithm: "adam", "adamw", or a function that makes any other torch optimiser from the phase's parameters. The
            function itself sets the learning rate, betas and weight decay.
        rate: factor on the learning rate (`training.learning_rate`, or the function's own). Different factors per phase
            give two-time-scale updates (Heusel et al., 2017).
        beta1: None uses `training.beta1`.
        beta2: None uses `training.beta2`.
        weight_decay: an L2 penalty with "adam", decoupled from the gradient with "adamw".
        lazy_ratio: k / (k + 1) if another phase takes a step with the same optimiser at every k-th step of this one: a factor on
            the rate, and the power of Adam's betas (Karras et al., 2020, appendix B).
        clip: the largest allowed norm of the phase's gradient, over all its parameters; None does not clip.
    """

    algorithm: Literal["adam", "adamw"] | MakeOptimizer = "adam"
    rate: float = 1.0
    beta1: float | None = None
    beta2: float | None = None
    weight_decay: float = 0.0
    lazy_ratio: float = 1.0
    clip: float | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of an update: one objective, minimised over some of the networks.

    Attributes:
        name: short, for metrics and the configuration: "d", "g".
        networks: keys of `Method.networks`: the networks that the phase updates.
        interval: the phase is due at every `interval`-th step, counted per dataset and per kind of its batches.
            "n_critic" stands for `training.n_critic`.
        optimizer: the phase's optimiser, or the name of an earlier phase to share its optimiser. A regulariser that runs
            at every 16th step, for example, then uses the same Adam moments as the main phase.
    """

    name: str
    networks: tuple[str, ...]
    interval: int | Literal["n_critic"] = 1
    optimizer: OptimizerSpec | str = OptimizerSpec()


class ComponentBuilder(Protocol):
    """Builds the components that the configuration names, with their configured options."""

    def generator(self, *, image_size: int, label_dim: int) -> Generator:
        """Builds the generator of `[generator]`."""

    def discriminator(self, *, image_size: int, label_dim: int) -> Discriminator:
        """Builds the discriminator of `[discriminator]`."""

    def loss(self) -> AdversarialLoss:
        """Builds the adversarial loss of `[loss]`."""

    def embedding(self, *, image_size: int, label_dim: int) -> Embedding:
        """Builds the embedding of `[embedding]`."""


class Method(ABC):
    """Owns networks and losses and defines one update. A method names no dataset.

    Keyword-only constructor parameters of a subclass are keys of `[method]`. A subclass may also implement `ReadsLabels`,
    `TranslatesAcross` or `HasVariants`.

    Attributes:
        name: the value of `method.name` that selects it.
        components: the default components: "generator", "discriminator", "loss", "embedding" → a registered name. The
            configuration may name others.
        networks: by name; each becomes a file of the checkpoint. A method with many models of one kind keeps them in one
            `nn.ModuleDict`. Any further state that lasts from step to step, such as earlier images, must be a buffer of
            one of these modules, because a checkpoint saves nothing else.
        averaged: the network that `training.ema` averages. Sample sheets and trained models use the averaged weights.
            None if the method has no such network.
        translating: the networks that `translate` needs. A shared model consists of these.
        reading: the networks that only `ReadsLabels.read_labels` needs; empty if the method has no classifier.
        auxiliary: the networks that only training needs and that no model includes, such as a feature extractor.
        phases: in the order in which `losses` yields them.
        min_batch_size: the smallest batch that the method can train on, in images.
        min_batch_reason: why smaller batches do not work, for messages.
        compilable: the networks that `torch.compile` supports: those that no loss differentiates twice.
        penalty: a module without parameters that computes a penalty of a network's gradient in one call, if there is one. It can
            be compiled as a whole; compare the gradients with those of the uncompiled module before they train anything.
    """

    name: ClassVar[str]
    components: ClassVar[Mapping[str, str]] = {}
    compilable: ClassVar[tuple[str, ...]] = ()
    min_batch_size: ClassVar[int] = 1
    min_batch_reason: ClassVar[str] = ""
    averaged: str | None = "generator"
    translating: tuple[str, ...] = ("generator",)
    reading: tuple[str, ...] = ()
    auxiliary: tuple[str, ...] = ()
    penalty: nn.Module | None = None
    networks: dict[str, nn.Module]
    phases: tuple[Phase, ...]

    def __init__(self, space: LabelSpace, image_size: int, build: ComponentBuilder) -> None:
        """Stores the arguments. A subclass then builds its networks.

        Args:
            space: the label space of all datasets.
            image_size: side of the square images in pixels.
            build: builds the configured components.
        """
        self.space = space
        self.image_size = image_size
        self.build = build

    @property
    def model_count(self) -> int:
        """Number of models of the same size: the length of the first translating network if it is a dict, else 1."""
        network = self.networks[self.translating[0]]
        return len(network) if isinstance(network, nn.ModuleDict) else 1

    def prepare(self) -> None:  # noqa: B027 - optional
        """Loads what only training needs. Called once before training, but not when a model is opened to translate.

        Raises:
            RequestError: if something is missing.
        """

    def batches(self, dataset: str, labels: Tensor) -> Sequence[Sequence[Tensor]]:  # noqa: ARG002
        """Returns the kinds of batches to draw from a dataset. By default there is one kind, drawn from all images.

        Args:
            dataset: the dataset's name in the label space.
            labels: (N, d), the labels of its training images; NaN if unknown.

        Returns:
            The kinds, which take turns. A kind is a list of image sets, int64 indices into `labels`. Each set fills an
            equal, consecutive share of the batch.

        Raises:
            DataError: if the dataset lacks images that the method needs.
        """
        return [[torch.arange(len(labels))]]

    def suits_sheet(self, dataset: str, labels: Tensor) -> Tensor:  # noqa: ARG002
        """Returns which held-out images suit a sample sheet, (N,) of bool. By default all do.

        A method may leave out images that it cannot translate to every domain.

        Args:
            dataset: the dataset's name in the label space.
            labels: (N, d); NaN if unknown.
        """
        return torch.ones(len(labels), dtype=torch.bool)

    @abstractmethod
    def losses(self, batch: Batch, due: Collection[str]) -> Iterator[tuple[str, Losses]]:
        """Yields the losses of one step, phase by phase.

        When a phase is complete, the trainer updates its networks before the next yield, so later phases see the new
        weights. To save memory, a phase can be split into micro-batches (`Batch.micro_batches`) and yielded in consecutive
        parts. Their totals and terms add up to the phase's, and every part but the last has `last=False`.

        Random numbers come from torch's global generators, which the trainer seeds at every step. Draw them with
        `Batch.draw`, `Batch.shuffled_labels` or `stargan_fw.ranks.draw`, and average losses over images: then several
        processes train as one does. Every rank must yield the same phases.

        Leave contexts such as `torch.no_grad()` or `torch.autocast` before a yield. Otherwise the trainer's update would
        run inside them.

        Args:
            batch: the images and labels to train on.
            due: names of the phases to yield; compute nothing for the others. A method may skip a due phase, for example
                in a stage of the run that does not train it.
        """

    @abstractmethod
    def translate(self, images: Tensor, dataset: str, target: Tensor, source: Tensor | None = None) -> Tensor:
        """Translates images of any dataset to labels of `dataset`, without gradients.

        Networks are in evaluation mode, also for samples drawn during training.

        Args:
            images: (B, 3, H, W) in [-1, 1].
            dataset: the dataset that defines the labels.
            target: (B, d), the labels to translate to.
            source: (B, d), the images' current labels, NaN if unknown, for methods that need them.

        Returns:
            (B, 3, H, W) in [-1, 1].

        Raises:
            ModelError: if no network was trained for this change, or an unknown label of `source` is needed.
        """


@runtime_checkable
class ReadsLabels(Protocol):
    """A method that can read the current labels of an image.

    A method without a classifier may return the labels that it assumes for every image, or NaN, if it needs current labels
    only for the attributes that change.
    """

    def read_labels(self, images: Tensor, dataset: str) -> Tensor:
        """Returns the images' current labels of a dataset: (B, d) of 0 and 1, NaN if unknown.

        Networks are in evaluation mode.

        Args:
            images: (B, 3, H, W) in [-1, 1].
            dataset: the dataset's name in the label space.
        """


def read_labels(method: Method, images: Tensor, dataset: str, known: Tensor | None = None) -> Tensor:
    """Returns labels (B, d): those that are known, and the others as the method reads them from images; see `ReadsLabels`.

    Raises:
        ModelError: if no labels are passed as known (NaN if one is not), and the method cannot read labels.
    """
    if known is not None and not (isinstance(method, ReadsLabels) and known.isnan().any()):
        return known
    if isinstance(method, ReadsLabels):
        read = method.read_labels(images, dataset)
        return read if known is None else read.where(known.isnan(), known)
    raise ModelError(
        f"The method '{method.name}' cannot read the current labels of '{dataset}' from an image: name every label."
    )


@runtime_checkable
class TranslatesAcross(Protocol):
    """A method that can translate to labels of several datasets in one edit: Eq. 7 with several mask bits, or one after the other.

    Attributes:
        trained_across: whether images get labels of other datasets in training; otherwise such an edit is an extrapolation.
    """

    trained_across: bool

    def translate_across(self, images: Tensor, targets: Mapping[str, Tensor], sources: Mapping[str, Tensor]) -> Tensor:
        """Translates as `Method.translate` does, with labels (B, d) by dataset; the targets' datasets are the sources'."""


def require_across(method: Method, datasets: Collection[str]) -> TranslatesAcross:
    """Returns the method; raises ModelError if it cannot translate to labels of several datasets, such as these, at once."""
    if isinstance(method, TranslatesAcross):
        return method
    raise ModelError(
        f"The method '{method.name}' cannot translate to labels of {' and '.join(datasets)} at once: translate to those of "
        "one dataset, and the results to those of the next."
    )


@runtime_checkable
class HasVariants(Protocol):
    """A method that can also translate with one of its parts changed, to show what that part does.

    Attributes:
        variants: the settings of each part: {"mask": ("wrong",)}.
    """

    variants: ClassVar[Mapping[str, tuple[str, ...]]]

    def variant(self, part: str, setting: str) -> Method:
        """Returns a method that uses the same networks and translates with this setting of the part.

        Args:
            part: a key of `variants`.
            setting: one of that key's values.

        Raises:
            RequestError: if this model has no such part.
        """


def variant_of(method: Method, part: str, setting: str) -> Method:
    """Returns the variant of a method with another setting of one part; see `HasVariants`.

    Args:
        method: any method.
        part: such as "mask".
        setting: such as "wrong".

    Raises:
        ModelError: if the method has no such part or setting.
        RequestError: if the method has the part, but this model of it does not.
    """
    settings = method.variants.get(part, ()) if isinstance(method, HasVariants) else ()
    if isinstance(method, HasVariants) and setting in settings:
        return method.variant(part, setting)
    if settings:
        raise ModelError(f"The method '{method.name}' has no {setting} {part}; {closest(setting, settings)}.")
    raise ModelError(f"The method '{method.name}' has no {part}: leave out the {setting} one.")
