"""Finds what would spoil a training in its datasets, before hours are spent on them."""

from __future__ import annotations

import hashlib
import logging
import shlex
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stargan_fw.data.images import UNREADABLE, PictureOptions, encoded_bytes, open_image, reason
from stargan_fw.data.ingest import in_order, store_bytes
from stargan_fw.data.source import (
    Source,
    build_dataset,
    check_named,
    encode_leniently,
    nothing_to_translate,
    varies,
)
from stargan_fw.data.splits import divide, find_copies
from stargan_fw.errors import DataError, RequestError, printable
from stargan_fw_registry import ExclusiveLabelsError, LabelSchema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence, Sized

    from numpy.typing import NDArray

    from stargan_fw.config import Config, DatasetConfig
    from stargan_fw.interfaces import Dataset, Example
    from stargan_fw.plugin_manager import PluginManager

    Progress = Callable[[str, int, Iterable[Any]], Iterable[Any]]

logger = logging.getLogger(__name__)

FEW = 3  # warnings about a dataset that a training shows
FEWEST = 16  # a label with fewer training images is hardly learned
SPLIT_NAMES = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"})


@dataclass
class LabelReport:
    """How many training and test images have a label, of how many images that is unknown, and how many train without it."""

    name: str
    train: int
    test: int
    unknown: int
    without: int


@dataclass
class DatasetReport:
    """What was found in one dataset. Images are named by their path below the root, or as the plugin names them.

    Attributes:
        alias: the dataset's name in the label space.
        plugin: the plugin that reads the dataset.
        root: where the dataset lies.
        images: number of images.
        split: how training and test images are divided: "random", "person" or "given".
        training: number of training images.
        test: number of test images.
        labels: the labels in the label vector's order.
        together: label → other label → number of images that have both.
        duplicates: groups of images with the same bytes.
        unreadable: image → why it cannot be read.
        notes: image → note about its crop.
        people: number of people with a name.
        people_on_both_sides: the people with both training and test images.
        violations: image → error, if an exclusive group has several members set.
        wrong_labels: image → error, if another label has an impossible value.
        store_bytes: size of the decoded images.
        problems: what makes training impossible.
        warnings: what may make training worse.
    """

    alias: str
    plugin: str
    root: str
    images: int = 0
    split: str = ""
    training: int = 0
    test: int = 0
    labels: list[LabelReport] = field(default_factory=list)
    together: dict[str, dict[str, int]] = field(default_factory=dict)
    duplicates: list[list[str]] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    people: int = 0
    people_on_both_sides: list[str] = field(default_factory=list)
    violations: dict[str, str] = field(default_factory=dict)
    wrong_labels: dict[str, str] = field(default_factory=dict)
    store_bytes: int = 0
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class CheckedDataset:
    """A dataset's report, with what its contact sheet is drawn from: the readable examples and their labels (N, d)."""

    report: DatasetReport
    examples: Sequence[Example] = ()
    labels: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    names: Sequence[str] = ()
    options: PictureOptions = field(default_factory=PictureOptions)


def check(config: Config, plugins: PluginManager, progress: Progress) -> list[CheckedDataset]:
    """Checks every dataset of a configuration.

    Args:
        config: a configuration with datasets.
        plugins: have the datasets' classes.
        progress: wraps a dataset's images while they are read; takes the dataset's name and its number of images.

    Raises:
        ConfigError: if no dataset is named.
    """
    check_named(config, plugins)
    return [_check(alias, table, config, plugins, progress) for alias, table in config.datasets.items()]


def describe(source: Source) -> DatasetReport:
    """Returns what is known of a dataset before its images are read: the counts, and what may make training worse."""
    report = _count(source, source.dataset.name)
    _assess_sides(report, source, find_copies(source.examples))
    return report


def first_warnings(reports: Iterable[DatasetReport], command: str) -> list[str]:
    """Returns a few lines of warnings per dataset, and the command that shows all of them; nothing if there are none."""
    reports = list(reports)
    lines = [f"{report.alias}: {warning}" for report in reports for warning in report.warnings[:FEW]]
    hidden = sum(len(report.warnings[FEW:]) for report in reports)
    return [*lines, f"{f'{hidden} more warnings' if hidden else 'Details'}: {command}"] if lines else []


def log_warnings(sources: Iterable[Source], run: Path) -> None:
    """Logs a few lines of warnings per dataset of a run, before a command uses the data."""
    command = shlex.join(["stargan-fw", "data", "check", "--config", str(run / "config.toml")])
    for line in first_warnings(map(describe, sources), command):
        logger.warning("%s", printable(line))


def _check(
    alias: str, table: DatasetConfig, config: Config, plugins: PluginManager, progress: Progress
) -> CheckedDataset:
    try:
        dataset = build_dataset(alias, table, config.data.path, plugins)
        schema, examples = LabelSchema(alias, list(dataset.attributes)), list(dataset.examples())
    except RequestError as error:
        root = table.location or str(Path(config.data.path) / table.plugin)
        return CheckedDataset(DatasetReport(alias, table.plugin, root, problems=list(map(str, error.args))))
    problems: list[str] = []
    labels, wrong = encode_leniently(schema, examples)
    options = PictureOptions.of(dataset, [example.image for example in examples])
    source = Source(alias, dataset, schema, examples, labels, range(len(examples)), [], options)
    try:
        chosen, train, test = divide(dataset, examples, table.limit)
    except DataError as error:
        problems.append(str(error) if examples else f"There are no images at '{dataset.root}'.")
    else:
        labels, wrong = encode_leniently(schema, chosen)
        options = PictureOptions.of(dataset, [example.image for example in chosen])
        source = Source(alias, dataset, schema, chosen, labels, train, test, options)
        if len(train) > 1 and not wrong and not varies(labels[train]):
            problems.append(nothing_to_translate(alias, dataset, len(train)))
    report = _count(source, table.plugin)
    report.problems = problems
    for index, label_error in wrong.items():
        errors = report.violations if isinstance(label_error, ExclusiveLabelsError) else report.wrong_labels
        errors[source.name_of(index)] = str(label_error)
    report.store_bytes = store_bytes(report.images, config.data.image_size)
    readable, copies = _read_images(report, source, config.data.image_size, progress)
    _assess_images(report, table)
    _assess_examples(report, dataset)
    _assess_sides(report, source, copies)
    kept = [index for side in (source.train, source.test) for index in side if index in readable]
    examples = [source.examples[index] for index in kept]
    return CheckedDataset(report, examples, source.labels[kept], schema.names, options)


def _count(source: Source, plugin: str) -> DatasetReport:
    sides = source.train, source.test
    report = DatasetReport(source.alias, plugin, str(source.dataset.root), sum(map(len, sides)))
    report.split, (report.training, report.test) = source.dataset.test_split, map(len, sides)
    report.warnings += [*source.dataset.remarks, *_find_uncertain(source)]
    train, test = ({person for i in side if (person := source.examples[i].identity) is not None} for side in sides)
    report.people, report.people_on_both_sides = len(train | test), sorted(train & test)
    _count_labels(report, source)
    return report


def _find_uncertain(source: Source) -> list[str]:
    """Returns a warning for each label that is 0 on some images and -1 on others: both mean no, but -1 may mean unknown."""
    distinct = {id(example.labels): example.labels for example in source.examples}  # plugins share them
    odd = {name for labels in distinct.values() if -1 in labels.values() for name in labels if labels[name] == -1}
    return [
        f"'{name}' is 0 on some images and -1 on others, and both mean no. If -1 means unknown, it has to be None."
        for name in sorted(odd)
        if any(labels.get(name) == 0 for labels in distinct.values())
    ]


def _count_labels(report: DatasetReport, source: Source) -> None:
    train, test = map(source.count_labels, (source.train, source.test))
    for name in source.schema.names:
        unknown = report.images - sum(train[name]) - sum(test[name])
        report.labels.append(LabelReport(name, train[name][1], test[name][1], unknown, train[name][0]))


def _count_together(source: Source) -> dict[str, dict[str, int]]:
    ones = (source.labels[[*source.train, *source.test]] == 1).astype(np.int64)
    names = source.schema.names
    rows = (ones.T @ ones).tolist()
    return {name: dict(zip(names, row, strict=True)) for name, row in zip(names, rows, strict=True)}


def _read_images(
    report: DatasetReport, source: Source, image_size: int, progress: Progress
) -> tuple[set[int], list[list[int]]]:
    """Reads every image as ingestion would, and returns the indices of the readable ones and of those with equal bytes."""
    options, examples = source.options, source.examples

    def read(example: Example) -> tuple[str, str]:
        try:
            content = encoded_bytes(example.image)
            with open_image(content) as image:
                _, note = options.square(image, image_size, example.crop)
        except UNREADABLE as error:
            return "", reason(error)
        return hashlib.blake2b(content, digest_size=16).hexdigest(), note

    same: dict[str, list[int]] = defaultdict(list)
    readable = set()
    with ThreadPoolExecutor() as pool:
        for index, (digest, note) in enumerate(progress(report.alias, len(examples), in_order(pool, read, examples))):
            name = source.name_of(index)
            if not digest:
                report.unreadable[name] = note
                continue
            if note:
                report.notes[name] = note
            readable.add(index)
            same[digest].append(index)
    copies = [indices for indices in same.values() if len(indices) > 1]
    report.duplicates = [list(map(source.name_of, indices)) for indices in copies]
    report.together = _count_together(source)
    return readable, copies


def _assess_images(report: DatasetReport, table: DatasetConfig) -> None:
    problems, warnings = report.problems, report.warnings
    if report.unreadable:
        message = f"{_images(report.unreadable)} cannot be read, {_such_as(report.unreadable)}"
        if table.on_bad_image == "skip":
            warnings.append(message)
        else:
            problems.append(f"{message} Replace them, or leave them out: {_setting(report, 'on_bad_image', 'skip')}")
    readable = report.images - len(report.unreadable)
    if report.images and readable <= 2:
        problems.append(f"Too few images can be read: {readable} of {report.images}.")
    for note in sorted(set(report.notes.values())):
        names = [name for name, other in report.notes.items() if other == note]
        warnings.append(f"{_images(names)}: {note}, such as on '{names[0]}'. Look at them with --sheet.")


def _assess_examples(report: DatasetReport, dataset: Dataset) -> None:
    if report.violations:
        message = f"{_images(report.violations)} with an exclusive group violated, {_such_as(report.violations)}"
        if dataset.on_contradiction == "unknown":
            report.warnings.append(f"{message} The group counts as unknown on them.")
        else:
            remedy = _setting(report, "on_contradiction", "unknown")
            report.problems.append(f"{message} Correct them, or let the group count as unknown on them: {remedy}")
    if report.wrong_labels:
        report.problems.append(f"{_images(report.wrong_labels)} with wrong labels, {_such_as(report.wrong_labels)}")
    if report.training == 1:
        report.problems.append("There is one training image: there is nothing to translate between.")


def _assess_sides(report: DatasetReport, source: Source, copies: Sequence[Sequence[int]]) -> None:
    _assess_copies(report, source, copies)
    if report.people_on_both_sides:
        count, some = len(report.people_on_both_sides), ", ".join(report.people_on_both_sides[:3])
        report.warnings.append(
            f"{count} of the people are on both sides of the split ({some}). "
            f"To divide them: {_setting(report, 'test_split', 'person')}"
        )
    single = {name for a, part in source.schema.parts if a.size == 1 for name in source.schema.names[part]}
    for label in report.labels:
        if not label.train + label.test:
            report.warnings.append(f"No image has '{label.name}': it cannot be learned.")
        elif not label.train:
            report.warnings.append(f"No training image has '{label.name}', but {label.test} of the test images do.")
        elif label.name in single and not label.without:
            report.warnings.append(f"No training image is without '{label.name}': {label.name}=0 cannot be learned.")
        elif label.train < FEWEST:
            untested = "" if label.test or not report.test else ", and no test image"
            report.warnings.append(f"'{label.name}' has {label.train} training images, fewer than {FEWEST}{untested}.")
        elif not label.test and report.test:
            report.warnings.append(f"No test image has '{label.name}': what is learned of it cannot be measured.")
    for attribute, _ in source.schema.parts:
        if attribute.size > 1 and SPLIT_NAMES.issuperset(name.lower() for name in attribute.label_names):
            names = ", ".join(attribute.label_names)
            report.warnings.append(f"The values of '{attribute.name}' ({names}) are names of splits, not of classes.")


def _assess_copies(report: DatasetReport, source: Source, copies: Sequence[Sequence[int]]) -> None:
    if not copies:
        return
    report.warnings.append(f"Repeated: {_images(copies)}, such as {_same(source, copies[0])}.")
    labels, test = source.labels, set(source.test)
    other = [group for group in copies if not np.array_equal(labels[group[:-1]], labels[group[1:]], equal_nan=True)]
    if other:
        first, second = (_words(source, index) for index in other[0][:2])
        report.warnings.append(f"{_images(other)} with other labels on a copy: {first}, {second}. One is wrong.")
    divided = [group for group in copies if len({index in test for index in group}) > 1]
    if divided:
        where = _same(source, divided[0])
        report.warnings.append(f"{_images(divided)} for training with a copy among the test images, such as {where}.")


def _same(source: Source, copies: Sequence[int]) -> str:
    return " = ".join(f"'{source.name_of(index)}'" for index in copies[:3])


def _words(source: Source, index: int) -> str:
    values = zip(source.schema.names, source.labels[index], strict=True)
    return f"'{source.name_of(index)}' is {', '.join(name for name, value in values if value == 1) or 'nothing'}"


def _images(found: Sized) -> str:
    return "1 image" if len(found) == 1 else f"{len(found)} images"


def _such_as(reasons: Mapping[str, str]) -> str:
    name, why = next(iter(reasons.items()))
    return f"such as '{name}': {why.rstrip('.?')}."


def _setting(report: DatasetReport, key: str, value: str) -> str:
    return f"--set datasets.{report.alias}.{key}={value}"
