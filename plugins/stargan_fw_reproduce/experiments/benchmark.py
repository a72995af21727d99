"""The benchmark of partly labelled datasets: every method on the same pairs of datasets, from several seeds."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from stargan_fw import hookimpl
from stargan_fw.errors import ConfigError, LabelError, ModelError, closest
from stargan_fw_evaluate import mean_of_seeds
from stargan_fw_reproduce.benchmark_entry import BenchmarkEntry, check_entry
from stargan_fw_reproduce.experiment import Experiment, PlannedRun, Setup, SheetRow, Table, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from stargan_fw.api import PluginManager
    from stargan_fw_reproduce.experiment import ExperimentContext, Measured, Section

VERSION = 1  # of the data, the splits, the edits and the measures: figures of two versions are not comparable
IMAGE_SIZE = 64  # of the pictures of this version
NOTHING = "–"  # noqa: RUF001 - a cell of a method that cannot do what is measured


@dataclass(frozen=True, eq=False)
class Pair:
    """Two datasets that are labelled differently and trained on together.

    Attributes:
        name: names the pair's runs; `--only` takes it.
        title: heads the pair's table.
        datasets: the two datasets.
        checksum: that of the test images of this version; see `ExperimentContext.data_checksum`.
        settings: keys that hold for every run, such as those that decide the split.
        across: edits of labels of both datasets.
        sheet: by dataset of the pictures, edits of the other dataset's labels to draw.
        missing: what to do if a dataset is not installed.
    """

    name: str
    title: str
    datasets: tuple[str, str]
    checksum: str
    across: Sequence[str]
    sheet: Mapping[str, Sequence[str]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    missing: str = ""

    def other(self, dataset: str) -> str:
        """Returns the other dataset."""
        first, second = self.datasets
        return second if dataset == first else first


FACES = Pair(
    "faces",
    "Drawn faces",
    ("celeba", "rafd"),
    "2b89282ea6f5",
    across=(
        "celeba.Black_Hair,rafd.angry",
        "celeba.Blond_Hair,rafd.happy",
        "celeba.Brown_Hair,rafd.sad",
        "celeba.Male,rafd.surprised",
        "celeba.Male=0,rafd.fearful",
        "celeba.Young,rafd.disgusted",
        "celeba.Young=0,rafd.contemptuous",
        "celeba.Blond_Hair,rafd.neutral",
    ),
    sheet={"celeba": ("angry", "happy", "surprised"), "rafd": ("Blond_Hair", "Male", "Young=0")},
    settings={"datasets.rafd.test_size": 0.3},  # a tenth of the people, seven, are too few to tell methods apart
)
TONES = ("yellow", "light", "medium_light", "medium", "medium_dark", "dark")
EMOJI = Pair(
    "emoji",
    "Emoji of two vendors",
    ("google_tone", "twitter_gender"),
    "99c9b7f2d6d2",
    across=[f"google_tone.{tone},twitter_gender.{gender}" for tone in TONES for gender in ("man", "woman")],
    sheet={"google_tone": ("man", "woman"), "twitter_gender": ("light", "dark")},
    missing="The drawings are downloaded, and a plugin of the sources reads them. Run 'npm install --no-save --prefix DATA "
    "emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0', and add --data DATA --plugin examples/emoji.py",
)
PAIRS = (FACES, EMOJI)


@dataclass(frozen=True)
class Measure:
    """A row of the table for each dataset.

    Attributes:
        what: what is evaluated; a key of what `evaluate_run` returns.
        metric: a metric of docs/evaluation.md.
        name: names the row.
        form: the format of a number, and of half of its interval.
        read: turns the metric into what is shown.
    """

    what: str
    metric: str
    name: str
    form: str
    read: Callable[[float], float] = float


def _opposite(share: float) -> float:
    return 1 - share


MEASURES = (
    Measure("own", "psnr_gain", "gain in PSNR, dB, own labels", "+.2f"),
    Measure("other", "psnr_gain", "gain in PSNR, dB, the other dataset's pictures", "+.2f"),
    Measure("both", "psnr_gain", "gain in PSNR, dB, both labels", "+.2f"),
    Measure("own", "identity_error", "identity error", ".4f"),
    Measure("own", "composition_drift", "drift of ten empty edits", ".4f"),
    Measure("own", "off_target_change", "other labels changed, own pictures", ".1%"),
    Measure("other", "off_target_change", "other labels changed, the other dataset's pictures", ".1%"),
    Measure("own", "classification_error", "label not read, own pictures", ".1%"),
    Measure("other", "classification_error", "label not read, the other dataset's pictures", ".1%"),
    Measure("both", "across_error", "both labels read", ".1%", _opposite),
    Measure("wrong", "classification_error", "label read with the wrong mask", ".1%", _opposite),
)
OTHER_READ = next(one for one in MEASURES if (one.what, one.metric) == ("other", "classification_error"))


class Benchmark(Experiment):
    """Every registered method on every pair of datasets that is there."""

    name = "benchmark"
    title = f"Benchmark of partly labelled datasets, version {VERSION}"
    about = (
        "Each method learns one model of two datasets, each of which lacks the labels of the other. Pictures that no model has "
        "seen are then given labels of their own dataset, of the other one, and of both. Because all pictures are drawn, the "
        "true result of each edit is known, and translations are compared with it.\n\n"
        "docs/benchmark.md has the protocol, and says how to enter another method."
    )
    seeds = 3
    equal = "time"
    limit = 100

    def plan(self, plugins: PluginManager, only: Sequence[str] = ()) -> Sequence[PlannedRun]:
        """Returns a run per method and pair; see `Experiment`."""
        entries = dict(plugins.index("benchmark entry").items())
        known = [*entries, *(pair.name for pair in PAIRS)]
        for name in only:
            if name not in known:
                raise ConfigError(f"--only {name}: the benchmark has no such method or pair; {closest(name, known)}")
        self._left_out = [pair for pair in PAIRS if any(name not in plugins.index("dataset") for name in pair.datasets)]
        for pair in self._left_out:
            if pair.name in only:
                raise ConfigError(f"--only {pair.name}: install what it needs. {pair.missing}.")
        pairs = _chosen({pair.name: pair for pair in PAIRS if pair not in self._left_out}, only)
        chosen = _chosen(entries, only)
        for entry in chosen:
            check_entry(entry, [pair.name for pair in PAIRS])
        if twice := next((title for title, count in Counter(one.title for one in chosen).items() if count > 1), None):
            raise ConfigError(f"Two methods of the benchmark have the title '{twice}': give one of them another title.")
        self._runs = {pair: {entry.title: plan_run(entry, pair) for entry in chosen} for pair in pairs}
        return [run for runs in self._runs.values() for run in runs.values()]

    def report(self, context: ExperimentContext) -> Iterator[Section]:
        for pair, runs in self._runs.items():
            found = {title: evaluate_run(context, pair, run) for title, run in runs.items()}
            yield compare(context, pair, runs, found)
            for dataset, edits in pair.sheet.items():
                caption = f"{pair.title}: unseen pictures of {dataset} with labels of {pair.other(dataset)}; a row per method."
                rows = [SheetRow(run, title) for title, run in runs.items() if found[title].translates(pair, dataset)]
                if rows:
                    yield context.sheet(f"{pair.name}-{dataset}", caption, rows, images=dataset, to=edits, count=3)
        for pair in self._left_out:
            yield Text(f"{pair.title} were left out. {pair.missing}.")


def _chosen(items: Mapping[str, Any], only: Sequence[str]) -> list[Any]:
    """Returns the items that are named, or all if none is."""
    named = [item for name, item in items.items() if name in only]
    return named or list(items.values())


def plan_run(entry: type[BenchmarkEntry], pair: Pair) -> PlannedRun:
    """Returns the run of a method on a pair."""
    setup = Setup(entry.preset, {**pair.settings, **entry.settings, **entry.for_pair.get(pair.name, {})})
    name = f"benchmark-{VERSION}-{pair.name}-{entry.name}"
    return PlannedRun(name, f"{entry.title}, {pair.name}", ",".join(pair.datasets), setup, setup, seeded=True)


@dataclass
class Found:
    """What was found of a method on a pair.

    Attributes:
        figures: what was found of each seed, by what was evaluated ("own", "other", "both" or "wrong") and the dataset whose labels,
            or for "both" whose pictures, were taken. What the method cannot do is missing.
        refusals: why the method cannot do what is missing, each reason once.
    """

    figures: dict[tuple[str, str], Sequence[Measured]] = field(default_factory=dict)
    refusals: dict[str, None] = field(default_factory=dict)

    @contextmanager
    def gather_refusals(self) -> Iterator[None]:
        """Notes what the block cannot do, and goes on."""
        try:
            yield
        except (LabelError, ModelError) as error:
            self.refusals[str(error)] = None

    def translates(self, pair: Pair, dataset: str) -> bool:
        """Tells whether the method translated any of a dataset's pictures to the other dataset's labels."""
        other = pair.other(dataset)
        return bool(read_seeds(OTHER_READ, pair, other, self.figures.get((OTHER_READ.what, other), ())))


def evaluate_run(context: ExperimentContext, pair: Pair, run: PlannedRun) -> Found:
    """Evaluates all seeds of a run. Every method translates to own labels; an error in that is none of the method's limits."""
    asked: list[tuple[str, Sequence[str], dict[str, Any]]] = [
        ("both", pair.datasets, {"datasets": pair.datasets, "to": pair.across}),
    ]
    for name in pair.datasets:
        others: dict[str, Any] = {"datasets": (name,), "images": pair.other(name)}
        asked += [("other", (name,), others), ("wrong", (name,), {**others, "mask": "wrong"})]
    own = context.evaluate([run], datasets=pair.datasets)[run]
    found = Found({("own", name): own for name in pair.datasets})
    for what, names, options in asked:
        with found.gather_refusals():  # the method has no such edits, or no mask
            measured = context.evaluate([run], **options)[run]
            found.figures |= {(what, name): measured for name in names}
    return found


def compare(
    context: ExperimentContext, pair: Pair, runs: Mapping[str, PlannedRun], found: Mapping[str, Found]
) -> Table:
    """Returns the table of a pair: a row per measure and dataset, a column per method."""
    rows, values = [], []
    for measure, dataset in product(MEASURES, pair.datasets):
        cells = []
        for title, one in found.items():
            seeds = read_seeds(measure, pair, dataset, one.figures.get((measure.what, dataset), ()))
            mean, half = mean_of_seeds(seeds)
            cells.append(_cell(measure.form, mean, half))
            number = {"mean": mean, "half_width": half, "seeds": seeds}
            values.append({"measure": measure.name, "of": dataset, "method": title, **number})
        rows.append([measure.name, dataset, *cells])
    rows += [
        ["parameters", "", *(context.parameters(run) for run in runs.values())],
        ["steps", "", *(" / ".join(f"{steps:,}" for steps in context.lengths(run)) for run in runs.values())],
        ["minutes of training", "", *(f"{context.minutes(run):.1f}" for run in runs.values())],
    ]
    note = (
        f"{_describe_images(context, pair, runs)} Means over seeds; after ± stands half of the 95 % "
        "interval (Student's t). The second column names the dataset whose labels are asked for, or of edits to both labels the "
        f"dataset of the pictures. {NOTHING}: the method cannot do this, or nothing measures it."
    )
    refusals = [f"{title}: {text}" for title, one in found.items() for text in one.refusals]
    return Table(pair.title, ["", "of", *runs], rows, "\n\n".join([note, *refusals]), values)


def _describe_images(context: ExperimentContext, pair: Pair, runs: Mapping[str, PlannedRun]) -> str:
    """Says which images were translated, and which methods have others because their settings change the data."""
    titles: dict[str, list[str]] = {}
    for title, run in runs.items():
        titles.setdefault(_describe(pair, *context.data_checksum(run), context.image_size(run)), []).append(title)
    if len(titles) == 1:
        return next(iter(titles))
    named = [f"{', '.join(several)}: {text}" for text, several in titles.items()]
    return " ".join([*named, "Columns of different images cannot be compared with each other."])


def _describe(pair: Pair, count: int, checksum: str, size: int) -> str:
    if checksum == pair.checksum and size == IMAGE_SIZE:
        return f"{count} test images, with the checksum {checksum} of version {VERSION}."
    if checksum == pair.checksum:
        return (
            f"{count} test images, with the checksum {checksum} of version {VERSION}, but of {size} pixels and not of {IMAGE_SIZE}: "
            "its figures cannot be compared with these."
        )
    return (
        f"{count} test images with the checksum {checksum}: not those of version {VERSION} ({pair.checksum}), with whose figures "
        "these cannot be compared."
    )


def read_seeds(measure: Measure, pair: Pair, dataset: str, measured: Sequence[Measured]) -> list[float]:
    """Returns a measure's value of each seed; none if it was not measured."""
    targets = [f"{edit} on {dataset}" for edit in pair.across] if measure.what == "both" else [dataset]
    values = []
    for one in measured:
        figures = []
        for target in targets:
            with suppress(KeyError):  # the truth of an edit may be unknown
                figures.append(one.value(measure.metric, target))
        if count := sum(figure.n for figure in figures):
            values.append(measure.read(sum(figure.value * figure.n for figure in figures) / count))
    return values


def _cell(form: str, mean: float | None, half: float | None) -> str:
    if mean is None:
        return NOTHING
    return f"{mean:{form}}" if half is None else f"{mean:{form}} ± {half:{form.lstrip('+')}}"


class PaperNetworks(BenchmarkEntry):
    """The paper's method and networks, with as many images as the small ones have."""

    name, title, preset = "paper", "StarGAN (paper)", "paper"
    settings = {"data.image_size": 64, "training.steps": 750}  # noqa: RUF012


class SmallNetworks(BenchmarkEntry):
    """The paper's method in minutes: what `quickstart` was in version 0.1.0, written out so that it stays what it was."""

    name, title, preset = "small", "StarGAN (small)", "paper"
    settings = {  # noqa: RUF012
        "data.image_size": 64,
        "training.batch_size": 8,
        "training.n_critic": 1,
        "training.learning_rate": 3e-4,
        "training.steps": 1500,
        "training.ema": 0.99,
        "generator.name": "attention",
        "generator.conv_dim": 32,
        "generator.repeat_num": 4,
        "discriminator.conv_dim": 32,
        "discriminator.init": "he",
        "loss.lambda_cls": 0.3,
        "loss.lambda_rec": 5.0,
    }


SOURCES = {  # the domains that DIAT and CycleGAN translate from
    "faces": {"method.source": "neutral,Black_Hair,Male=0,Young"},
    "emoji": {"method.source": "yellow,man"},
}


class Joint(BenchmarkEntry):
    """The project's method, which trains for labels of several datasets at once."""

    name, title, preset = "joint", "Joint", "quickstart"


class CycleGAN(BenchmarkEntry):
    """Two generators for each domain but the source."""

    name, title, preset, for_pair = "cyclegan", "CycleGAN", "cyclegan_64", SOURCES


class DIAT(BenchmarkEntry):
    """A generator for each domain but the source."""

    name, title, preset, for_pair = "diat", "DIAT", "diat_64", SOURCES


class IcGAN(BenchmarkEntry):
    """A conditional GAN with encoders."""

    name, title, preset = "icgan", "IcGAN", "icgan_64"


@hookimpl
def register_experiments(register: Callable[[type[Experiment]], None]) -> None:
    register(Benchmark)


@hookimpl
def register_benchmark_entries(register: Callable[[type[BenchmarkEntry]], None]) -> None:
    for entry in (PaperNetworks, SmallNetworks, Joint, CycleGAN, DIAT, IcGAN):
        register(entry)
