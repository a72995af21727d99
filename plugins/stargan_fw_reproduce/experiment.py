"""The interface of experiments, which say what is trained, measured and shown; `reproduce` does it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias

from stargan_fw import ComponentKind, hookimpl, hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from PIL import Image

Size: TypeAlias = Literal["small", "paper"]
Mask: TypeAlias = Literal["right", "wrong"]


@dataclass(frozen=True)
class Setup:
    """How a run is configured.

    Attributes:
        preset: its configuration.
        settings: keys over it, as `--set` takes them: "method.source" → "neutral".
    """

    preset: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class PlannedRun:
    """A run that experiments need. Those that name it share it: it is trained once.

    Attributes:
        name: of its folder, which its size and seed are added to.
        title: what reports call it.
        datasets: as `--datasets` takes them.
        small: for stand-in data and minutes.
        paper: as the paper trains it.
        seeded: whether it is trained from several seeds where an experiment asks for them.
    """

    name: str
    title: str
    datasets: str
    small: Setup
    paper: Setup
    seeded: bool = False

    def at(self, size: Size) -> Setup:
        """Returns how it is configured at a size."""
        return self.paper if size == "paper" else self.small


class Figure(Protocol):
    """A measured figure; shares are 0 to 1."""

    @property
    def value(self) -> float:
        """The figure."""

    @property
    def low(self) -> float | None:
        """The lower end of its 95 % interval, where there is one."""

    @property
    def high(self) -> float | None:
        """The upper end."""

    @property
    def text(self) -> str:
        """Figure and 95 % interval, as people write them."""

    @property
    def n(self) -> int:
        """How many outcomes it is of."""


class Measured(Protocol):
    """What an evaluation found of one run."""

    def value(self, metric: str, target: str = "") -> Figure:
        """Returns the figure of a metric (docs/evaluation.md) and a target: "rafd.happy", "rafd", "" for the run."""


@dataclass(frozen=True, slots=True)
class Text:
    """Paragraphs, with empty lines between them."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first column names the lines."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the paper says, and whether it is found here.

    Attributes:
        text: the claim, with its threshold.
        measured: what was found.
        holds: whether that is what is claimed.
    """

    text: str
    measured: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """A picture.

    Attributes:
        name: of its file.
        caption: what it shows.
        picture: itself.
        inputs: the pictures that were translated.
        command: that draws it again, from the inputs that lie beside the report.
    """

    name: str
    caption: str
    picture: Image.Image
    inputs: Sequence[Image.Image] = ()
    command: str = ""


Section: TypeAlias = Text | Table | Claim | Sheet


@dataclass(frozen=True, slots=True)
class SheetRow:
    """What every face of a sheet gets a row for; of several seeds the first."""

    run: PlannedRun
    name: str = ""
    mask: Mask = "right"


class Bench(Protocol):
    """What an experiment works with, once its runs are trained."""

    def evaluate(
        self,
        runs: Sequence[PlannedRun],
        *,
        datasets: Sequence[str],
        images: str | None = None,
        source: str | None = None,
        mask: Mask = "right",
        read: Sequence[str] = (),
    ) -> Mapping[PlannedRun, Sequence[Measured]]:
        """Evaluates runs, all on the same unseen images, as `stargan-fw evaluate` does with options of these names.

        Returns:
            What was found of each run, a seed each.
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
        """Evaluates the checkpoints that a run has kept (`training.keep_checkpoints`); of several seeds the first's.

        Args:
            run: the run.
            datasets: as `evaluate` takes them, and so on.
            images: likewise.
            source: likewise.
            mask: likewise.
            read: likewise.
            limit: how many images are translated at most, since this is done for every checkpoint.

        Returns:
            Steps, and what was found then; the last is the run's end.
        """

    def overview(self, title: str, found: Mapping[PlannedRun, Sequence[Measured]]) -> Table:
        """Returns every figure of an evaluation, a column for each run and seed."""

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
        """Draws unseen faces under edits, a row for each face and run.

        Args:
            name: of the picture's file.
            caption: what it shows.
            rows: what to compare.
            images: the dataset whose faces they are.
            to: the edits, a column each.
            source: labels that the faces must have.
            count: how many faces.
        """

    def parameters(self, run: PlannedRun, size: Size | None = None) -> str:
        """Returns the parameters of all domains, as "53.2 M × 1", at a size; None is the size that is trained."""

    def steps(self, run: PlannedRun) -> int:
        """Returns how many steps a run has trained."""

    def minutes(self, run: PlannedRun) -> float:
        """Returns how long a run has trained, on the average of its seeds."""


class Experiment(ABC):
    """One of the paper's tables or figures, or a plugin's own.

    Attributes:
        name: what `reproduce` calls it.
        title: what its report is headed with.
        about: what it shows, for readers who do not have the paper at hand.
        runs: what must be trained for it.
        minutes: of training in all, at the small size, where neither a budget nor steps are given.
        seeds: from how many seeds the runs that are `seeded` are trained, where nobody says.
        equal: what a fair comparison needs all runs to have in common: "time", "steps" or "nothing". A budget is divided
            equally in any case; with "nothing", a run that another experiment trained is taken as it is.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]
    runs: ClassVar[Sequence[PlannedRun]] = ()
    minutes: ClassVar[float] = 0
    seeds: ClassVar[int] = 1
    equal: ClassVar[Literal["time", "steps", "nothing"]] = "nothing"

    @abstractmethod
    def report(self, bench: Bench) -> Iterator[Section]:
        """Measures, and yields what the report shows, from top to bottom."""


@hookspec
def register_experiments(register: Callable[[type[Experiment]], None]) -> None:
    """Registers experiments, which `reproduce` names."""


@hookimpl
def register_kinds(register: Callable[[ComponentKind], None]) -> None:
    """Registers the kind "experiment"."""
    register(ComponentKind("experiment", register_experiments, "stargan_fw_reproduce:Experiment"))
