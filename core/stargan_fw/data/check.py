"""What can be known about a dataset before hours are spent on it."""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from stargan_fw.data.images import UNREADABLE, crop_and_resize, encoded_bytes, reason
from stargan_fw.data.ingest import in_order, store_bytes
from stargan_fw.data.source import build_dataset, check_named, encode_leniently, name_of, select_examples
from stargan_fw.data.splits import limited, split
from stargan_fw.errors import DataError
from stargan_fw_registry import ExclusiveLabelsError, LabelSchema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence, Sized

    from numpy.typing import NDArray

    from stargan_fw.config import Config, DatasetConfig
    from stargan_fw.errors import LabelError
    from stargan_fw.interfaces import Dataset, Example
    from stargan_fw.plugin_manager import PluginManager

    Progress = Callable[[str, int, Iterable[Any]], Iterable[Any]]

FEWEST = 16  # training images of a label, below which it is hardly learned
SPLIT_NAMES = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"})


@dataclass
class LabelReport:
    """One label: how many images of each side have it set, and of how many it is unknown."""

    name: str
    train: int
    test: int
    unknown: int


@dataclass
class DatasetReport:
    """What was found in one dataset.

    Attributes:
        alias: its name.
        plugin: that reads it.
        root: where it lies.
        images: all of them.
        training: those trained on.
        test: those held out.
        labels: in the label vector's order.
        together: how many images have both of two labels set, by their names.
        duplicates: groups of images with the same bytes, by name.
        unreadable: why an image cannot be read, by name.
        notes: what is to be known about an image's crop, by name.
        people: how many are named.
        people_on_both_sides: those with training and test images.
        violations: exclusive groups with several members set, by image.
        wrong_labels: other labels that cannot be, by image.
        store_bytes: size of the decoded images.
        problems: with which training cannot work.
        warnings: with which it can, perhaps badly.
    """

    alias: str
    plugin: str
    root: str
    images: int = 0
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
        """Returns it as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Checked:
    """A dataset's report, and what a contact sheet is drawn from: examples that can be read and their labels."""

    report: DatasetReport
    examples: Sequence[Example]
    labels: NDArray[np.float32]
    names: Sequence[str]
    crop_size: int | None


def check(config: Config, plugins: PluginManager, progress: Progress) -> list[Checked]:
    """Looks at every dataset of a configuration.

    Args:
        config: with datasets.
        plugins: where their classes are.
        progress: wraps a dataset's images as they are read, given its name and their number.

    Raises:
        RequestError: of a dataset that cannot even be listed.
    """
    check_named(config, plugins)
    return [_check(alias, table, config, plugins, progress) for alias, table in config.datasets.items()]


def _check(alias: str, table: DatasetConfig, config: Config, plugins: PluginManager, progress: Progress) -> Checked:
    dataset = build_dataset(alias, table, config.data.path, plugins)
    report = DatasetReport(alias, table.plugin, str(dataset.root))
    examples: Sequence[Example] = list(dataset.examples())
    schema = LabelSchema(alias, list(dataset.attributes))
    examples, *sides = _divide(dataset, examples, table, report)
    labels, wrong = encode_leniently(schema, examples)
    _note_wrong_labels(report, dataset, examples, wrong)
    _count(report, schema, labels, sides)
    _note_people(report, examples, sides)
    size = config.data.image_size
    report.store_bytes = store_bytes(report.images, size)
    readable = _read(report, dataset, examples, size, progress)
    _judge(report, dataset, table, schema)
    kept = [index for side in sides for index in side if index in readable]
    return Checked(report, [examples[i] for i in kept], labels[kept], schema.names, dataset.crop_size)


def _divide(
    dataset: Dataset, examples: Sequence[Example], table: DatasetConfig, report: DatasetReport
) -> tuple[Sequence[Example], list[int], list[int]]:
    try:
        train, test = split(dataset, examples)
    except DataError as error:
        report.images = len(examples)
        report.problems.append(str(error) if examples else f"There are no images at '{dataset.root}'.")
        return examples, list(range(len(examples))), []
    if table.limit:
        examples, train, test = select_examples(examples, limited(train, table.limit), test)
    report.images, report.training, report.test = len(train) + len(test), len(train), len(test)
    return examples, train, test


def _note_wrong_labels(
    report: DatasetReport, dataset: Dataset, examples: Sequence[Example], wrong: dict[int, LabelError]
) -> None:
    for index, error in wrong.items():
        notes = report.violations if isinstance(error, ExclusiveLabelsError) else report.wrong_labels
        notes[name_of(examples[index], dataset.root)] = str(error)


def _count(report: DatasetReport, schema: LabelSchema, labels: NDArray[np.float32], sides: Sequence[list[int]]) -> None:
    train, test = (labels[side] == 1 for side in sides)
    everything = labels[[*sides[0], *sides[1]]]
    unknown = np.isnan(everything).sum(axis=0)
    report.labels = [
        LabelReport(name, int(train[:, i].sum()), int(test[:, i].sum()), int(unknown[i]))
        for i, name in enumerate(schema.names)
    ]
    ones = (everything == 1).astype(np.int64)
    both = ones.T @ ones
    report.together = {
        name: {other: int(both[i, j]) for j, other in enumerate(schema.names)} for i, name in enumerate(schema.names)
    }


def _note_people(report: DatasetReport, examples: Sequence[Example], sides: Sequence[list[int]]) -> None:
    train, test = ({person for i in side if (person := examples[i].identity) is not None} for side in sides)
    report.people, report.people_on_both_sides = len(train | test), sorted(train & test)


def _read(
    report: DatasetReport, dataset: Dataset, examples: Sequence[Example], image_size: int, progress: Progress
) -> set[int]:
    """Reads every image as ingestion would, and returns the numbers of those that can be read."""

    def look(example: Example) -> tuple[str, str]:
        try:
            content = encoded_bytes(example.image)
            with Image.open(io.BytesIO(content)) as image:
                _, note = crop_and_resize(image, image_size, dataset.crop_size, example.crop)
        except UNREADABLE as error:
            return "", reason(error)
        return hashlib.blake2b(content, digest_size=16).hexdigest(), note

    same: dict[str, list[str]] = defaultdict(list)
    readable = set()
    with ThreadPoolExecutor() as pool:
        for index, (content, said) in enumerate(progress(report.alias, len(examples), in_order(pool, look, examples))):
            name = name_of(examples[index], dataset.root)
            if not content:
                report.unreadable[name] = said
                continue
            if said:
                report.notes[name] = said
            readable.add(index)
            same[content].append(name)
    report.duplicates = [names for names in same.values() if len(names) > 1]
    return readable


def _judge(report: DatasetReport, dataset: Dataset, table: DatasetConfig, schema: LabelSchema) -> None:
    """Says what follows from what was found."""
    _judge_images(report, table)
    _judge_values(report, dataset)
    if report.training == 1:
        report.problems.append("There is one training image: there is nothing to translate between.")
    if report.people_on_both_sides:
        some = ", ".join(report.people_on_both_sides[:3])
        count = len(report.people_on_both_sides)
        remedy = _set(report, "test_split", "person")
        report.warnings.append(
            f"{count} of the people are on both sides of the split ({some}). To divide them: {remedy}"
        )
    _judge_labels(report, schema)


def _judge_images(report: DatasetReport, table: DatasetConfig) -> None:
    if report.unreadable:
        said = f"{_images(report.unreadable)} cannot be read, {_such_as(report.unreadable)}"
        if table.on_bad_image == "skip":
            report.warnings.append(said)
        else:
            report.problems.append(f"{said} Replace them, or leave them out: {_set(report, 'on_bad_image', 'skip')}")
    if report.images and len(report.unreadable) >= report.images - 2:
        report.problems.append("Hardly an image can be read.")
    for note in sorted(set(report.notes.values())):
        names = [name for name, said in report.notes.items() if said == note]
        report.warnings.append(f"{_images(names)}: {note}, such as on '{names[0]}'. Look at them with --sheet.")
    if report.duplicates:
        some = " = ".join(f"'{name}'" for name in report.duplicates[0][:3])
        report.warnings.append(f"Repeated: {_images(report.duplicates)}, such as {some}.")


def _judge_values(report: DatasetReport, dataset: Dataset) -> None:
    if report.violations:
        said = f"{_images(report.violations)} with an exclusive group violated, {_such_as(report.violations)}"
        if dataset.on_contradiction == "unknown":
            report.warnings.append(f"{said} The group counts as unknown on them.")
        else:
            remedy = _set(report, "on_contradiction", "unknown")
            report.problems.append(f"{said} Correct them, or let the group count as unknown on them: {remedy}")
    if report.wrong_labels:
        report.problems.append(f"{_images(report.wrong_labels)} with wrong labels, {_such_as(report.wrong_labels)}")


def _images(found: Sized) -> str:
    return "1 image" if len(found) == 1 else f"{len(found)} images"


def _such_as(reasons: Mapping[str, str]) -> str:
    name, why = next(iter(reasons.items()))
    return f"such as '{name}': {why.rstrip('.?')}."


def _set(report: DatasetReport, key: str, value: str) -> str:
    return f"--set datasets.{report.alias}.{key}={value}"


def _judge_labels(report: DatasetReport, schema: LabelSchema) -> None:
    for label in report.labels:
        if not label.train + label.test:
            report.warnings.append(f"No image has '{label.name}': it cannot be learned.")
        elif not label.train:
            report.warnings.append(f"No training image has '{label.name}', but {label.test} of the test images do.")
        elif label.train < FEWEST:
            report.warnings.append(f"'{label.name}' has {label.train} training images, fewer than {FEWEST}.")
    for attribute, _ in schema.parts:
        if attribute.size > 1 and SPLIT_NAMES.issuperset(name.lower() for name in attribute.label_names):
            names = ", ".join(attribute.label_names)
            report.warnings.append(f"The values of '{attribute.name}' ({names}) are names of splits, not of classes.")
