"""The interface of experiments. An experiment says what is trained, measured and shown; `reproduce` does it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias

from stargan_fw import ComponentKind, hookimpl, hookspec
from stargan_fw.errors import ConfigError
from stargan_fw_reproduce.benchmark_entry import register_benchmark_entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from PIL import Image

    from stargan_fw.api import PluginManager

Size: TypeAlias = Literal["small", "paper"]
Mask: TypeAlias = Literal["right", "wrong"]


@dataclass(frozen=True)
class Setup:
    """How a run is configured.

    Attributes:
        preset: the name of the preset.
        settings: keys that are set over the preset: "method.source" → "neutral".
    """

    preset: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class PlannedRun:
    """A run that experiments need. Experiments that name the same planned run share it, so it is trained once.

    Attributes:
        name: the name of the run folder. The size and the seed are added to it.
        title: what reports call the run.
        datasets: the datasets, as `--datasets` takes them.
        small: the setup for stand-in data and minutes of training.
        paper: the setup of the paper.
        seeded: whether the run is trained from several seeds if an experiment asks for them.
    """

    name: str
    title: str
    datasets: str
    small: Setup
    paper: Setup
    seeded: bool = False

    def at(self, size: Size) -> Setup:
        """Returns the setup for a size."""
        return self.paper if size == "paper" else self.small


class Figure(Protocol):
    """A measured figure; shares are 0 to 1."""

    @property
    def value(self) -> float:
        """The figure."""

    @property
    def low(self) -> float | None:
        """The lower end of the 95 % interval; None if the figure has no interval."""

    @property
    def high(self) -> float | None:
        """The upper end of the 95 % interval; None if the figure has no interval."""

    @property
    def text(self) -> str:
        """The figure and its interval, as people write them."""

    @property
    def n(self) -> int:
        """The number of outcomes that the figure sums up."""


class Measured(Protocol):
    """What an evaluation found of one run."""

    def value(self, metric: str, target: str = "") -> Figure:
        """Returns one figure.

        Args:
            metric: a metric of docs/evaluation.md, such as "classification_error".
            target: a label ("rafd.happy"), a dataset ("rafd"), or "" for the whole run.
        """


@dataclass(frozen=True, slots=True)
class Text:
    """Paragraphs, with an empty line between two of them."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: stands above the table.
        header: one cell for each column.
        rows: cells by row; the first cell names the row.
        note: paragraphs that stand below the table.
        values: the numbers of the cells, for programs.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    values: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of the paper, and whether it holds here.

    Attributes:
        text: the claim, with its threshold.
        measured: what was found.
        holds: whether what was found supports the claim.
    """

    text: str
    measured: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """A picture of translations.

    Attributes:
        name: the file's name, without a suffix.
        caption: what the picture shows.
        picture: the picture.
        inputs: the pictures that were translated.
        command: the command that draws the picture again, from the inputs that lie beside the report.
    """

    name: str
    caption: str
    picture: Image.Image
    inputs: Sequence[Image.Image] = ()
    command: str = ""


Section: TypeAlias = Text | Table | Claim | Sheet


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row that each face of a sheet gets.

    Attributes:
        run: the run that translates; the first seed if the run has several.
        name: stands before the row.
        mask: the mask that the run translates with.
    """

    run: PlannedRun
    name: str = ""
    mask: Mask = "right"


class ExperimentContext(Protocol):
    """What an experiment measures and draws with, once its runs are trained."""

    def evaluate(
        self,
        runs: Sequence[PlannedRun],
        *,
        datasets: Sequence[str],
        images: str | None = None,
        source: str | None = None,
        to: Sequence[str] = (),
        mask: Mask = "right",
        read: Sequence[str] = (),
    ) -> Mapping[PlannedRun, Sequence[Measured]]:
        """Evaluates runs on the same unseen images. The arguments are the options of `stargan-fw evaluate`.

        Args:
            runs: planned runs of the experiment.
            datasets: the datasets whose labels are translated to.
            images: the dataset whose images are translated; None translates each dataset's own.
            source: labels that an image must have, as an edit.
            to: edits to translate to; if empty, all labels.
            mask: the mask that the runs translate with.
            read: labels whose share among inputs and translations is counted.

        Returns:
            What was found of each run, one item for each seed.

        Raises:
            LabelError, ModelError: a run cannot translate so.
        """

    def history(
        self,
        run: PlannedRun,
        *,
        datasets: Sequence[str],
        images: str | None = None,
        source: str | None = None,
        mask: Mask = "right",
        read: Sequence[str] = (),
        limit: int = 40,
    ) -> Sequence[tuple[int, Measured]]:
        """Evaluates the checkpoints that a run has kept (`training.keep_checkpoints`), those of the first seed.

        Args:
            run: the run.
            datasets: see `evaluate`.
            images: see `evaluate`.
            source: see `evaluate`.
            mask: see `evaluate`.
            read: see `evaluate`.
            limit: how many images are translated at most, because every checkpoint translates them.

        Returns:
            Each checkpoint's step and what was found at that step. The last checkpoint is the run's end.
        """

    def overview(self, title: str, found: Mapping[PlannedRun, Sequence[Measured]]) -> Table:
        """Returns every figure of an evaluation, in a column for each run and seed."""

    def sheet(
        self,
        name: str,
        caption: str,
        rows: Sequence[SheetRow],
        *,
        images: str,
        to: Sequence[str],
        source: str | None = None,
        count: int = 4,
    ) -> Sheet:
        """Draws unseen faces and their translations, in a row for each face and run.

        Args:
            name: the picture's file name, without a suffix.
            caption: what the picture shows.
            rows: the runs to compare.
            images: the dataset of the faces.
            to: the edits, one for each column.
            source: labels that the faces must have, as an edit.
            count: how many faces.
        """

    def parameters(self, run: PlannedRun, size: Size | None = None) -> str:
        """Returns the parameters of all domains, as "53.2 M × 1"; None counts the size that is trained."""

    def data_checksum(self, run: PlannedRun) -> tuple[int, str]:
        """Returns the number of test images of a run, and a checksum of their names, labels and files: 12 digits."""

    def image_size(self, run: PlannedRun) -> int:
        """Returns the side of a run's pictures in pixels."""

    def steps(self, run: PlannedRun) -> int:
        """Returns how many steps the first seed of a run has trained."""

    def lengths(self, run: PlannedRun) -> Sequence[int]:
        """Returns how many steps the seeds of a run have trained, each number once."""

    def minutes(self, run: PlannedRun) -> float:
        """Returns how many minutes a run has trained: the mean over its seeds."""


class Experiment(ABC):
    """One of the paper's tables or figures, or an experiment of a plugin.

    Attributes:
        name: what `reproduce` calls the experiment.
        title: the heading of the report.
        about: what the experiment shows, for readers who do not have the paper at hand.
        runs: the runs that must be trained.
        minutes: minutes of training in all, at the small size, if neither a budget nor steps are given; 0 leaves each run
            the length of its preset.
        seeds: from how many seeds the `seeded` runs are trained, if the user does not say.
        equal: what all runs must have in common to be compared fairly: "time", "steps" or "nothing". A budget is divided
            equally in any case. With "nothing", a run that another experiment trained is used at its own length.
        limit: how many images of a dataset are translated at most, if the user does not say; None translates all.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]
    runs: ClassVar[Sequence[PlannedRun]] = ()
    minutes: ClassVar[float] = 0
    seeds: ClassVar[int] = 1
    equal: ClassVar[Literal["time", "steps", "nothing"]] = "nothing"
    limit: ClassVar[int | None] = None

    def plan(self, plugins: PluginManager, only: Sequence[str] = ()) -> Sequence[PlannedRun]:  # noqa: ARG002
        """Returns the runs that must be trained, which are `runs` unless the experiment finds others.

        Args:
            plugins: what is installed.
            only: the parts of the experiment that the user wants; if empty, all.

        Raises:
            ConfigError: the experiment does not have such a part.
        """
        if only:
            raise ConfigError(f"The experiment '{self.name}' has no parts: leave --only out.")
        return self.runs

    @abstractmethod
    def report(self, context: ExperimentContext) -> Iterator[Section]:
        """Measures, and yields the sections of the report from top to bottom."""


@hookspec
def register_experiments(register: Callable[[type[Experiment]], None]) -> None:
    """Registers experiments, which `reproduce` names."""


@hookimpl
def register_kinds(register: Callable[[ComponentKind], None]) -> None:
    """Registers the kinds "experiment" and "benchmark entry"."""
    register(ComponentKind("experiment", register_experiments, "stargan_fw_reproduce:Experiment"))
    register(ComponentKind("benchmark entry", register_benchmark_entries, "stargan_fw_reproduce:BenchmarkEntry"))
