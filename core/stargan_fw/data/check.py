"""Counts what is in datasets and finds what would spoil a training, without reading an image."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from stargan_fw.data.splits import find_copies
from stargan_fw.interfaces.dataset import Remark
from stargan_fw_registry.split_words import SPLIT_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Sized

    from stargan_fw.data.source import Source

FEW = 3  # warnings about a dataset that a training shows
FEWEST = 16  # a label with fewer training images is hardly learned


@dataclass
class LabelReport:
    """How many training and test images have a label, of how many images that is unknown, and how many train without it.

    Of a continuous label, `train` and `test` are those with a number, and `spread` says which numbers the training images have.
    """

    name: str
    train: int
    test: int
    unknown: int
    without: int
    spread: str = ""


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
        remarks: what was inferred about the data, and what was left out.
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
    remarks: list[Remark] = field(default_factory=list)
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
        """Returns the report as JSON values. The warnings begin with the remarks, which had no place of their own once."""
        remarks = [{"kind": one.kind, "text": one.text, "otherwise": one.otherwise} for one in self.remarks]
        return asdict(self) | {"remarks": remarks, "warnings": [*self.remarks, *self.warnings]}


def describe(source: Source) -> DatasetReport:
    """Returns what is known of a dataset before its images are read: the counts, and what may make training worse."""
    report = count(source, source.dataset.name)
    assess_sides(report, source, find_copies(source.examples))
    return report


def first_warnings(reports: Iterable[DatasetReport], command: str) -> list[str]:
    """Returns a few lines of warnings per dataset, and the command that shows all of them; nothing if there are none."""
    reports = list(reports)
    lines = [f"{report.alias}: {warning}" for report in reports for warning in report.warnings[:FEW]]
    hidden = sum(len(report.warnings[FEW:]) for report in reports)
    return [*lines, f"{f'{hidden} more warnings' if hidden else 'Details'}: {command}"] if lines else []


def count(source: Source, plugin: str) -> DatasetReport:
    """Returns a report that counts a dataset's images and labels; `plugin` is what reads it."""
    sides = source.train, source.test
    report = DatasetReport(source.alias, plugin, str(source.dataset.root), sum(map(len, sides)))
    report.split, (report.training, report.test) = source.dataset.test_split, map(len, sides)
    remarks = source.dataset.remarks
    report.remarks = [remark for remark in remarks if isinstance(remark, Remark)]
    report.warnings = [*(text for text in remarks if not isinstance(text, Remark)), *_find_uncertain(source)]
    train, test = ({person for i in side if (person := source.examples[i].identity) is not None} for side in sides)
    report.people, report.people_on_both_sides = len(train | test), sorted(train & test)
    _count_labels(report, source)
    return report


def _find_uncertain(source: Source) -> list[str]:
    """Returns a warning for each label that is 0 on some images and -1 on others: both mean no, but -1 may mean unknown."""
    distinct = {id(example.labels): example.labels for example in source.examples}  # plugins share them
    numbers = {attribute.name for attribute in source.schema.attributes if attribute.continuous}
    odd = {
        name for labels in distinct.values() if -1 in labels.values() for name in labels if labels[name] == -1
    } - numbers
    return [
        f"'{name}' is 0 on some images and -1 on others, and both mean no. If -1 means unknown, it has to be None."
        for name in sorted(odd)
        if any(labels.get(name) == 0 for labels in distinct.values())
    ]


def _count_labels(report: DatasetReport, source: Source) -> None:
    train, test = map(source.count_labels, (source.train, source.test))
    for attribute, part in source.schema.parts:
        for name in source.schema.names[part]:
            known, without = (sum(train[name]), sum(test[name])), train[name][0]
            counts = known if attribute.continuous else (train[name][1], test[name][1])
            spread = attribute.describe_spread(source.labels[source.train, part.start])
            report.labels.append(LabelReport(name, *counts, report.images - sum(known), without, spread))


def assess_sides(report: DatasetReport, source: Source, copies: Sequence[Sequence[int]]) -> None:
    """Adds warnings of labels and people that the split divides badly, and of copies: groups of indices of examples."""
    _assess_copies(report, source, copies)
    if both := report.people_on_both_sides:
        found = f"People on both sides of the split: {len(both)}, such as {both[0]}"
        report.warnings.append(f"{found}. To divide them: {source.dataset.option('test_split=person')}")
    _assess_labels(report, source)
    for attribute, _ in source.schema.parts:
        if attribute.size > 1 and all(name.casefold() in SPLIT_WORDS for name in attribute.label_names):
            names = ", ".join(attribute.label_names)
            report.warnings.append(f"The values of '{attribute.name}' ({names}) are names of splits, not of classes.")


def _assess_labels(report: DatasetReport, source: Source) -> None:
    """Warns of labels that the split leaves out of a side. What cannot be learned comes before all other warnings."""
    single = {
        name
        for a, part in source.schema.parts
        if a.size == 1 and not a.continuous
        for name in source.schema.names[part]
    }
    never: list[str] = []
    for label in report.labels:
        if not label.train:
            some = f"No training image has '{label.name}', but {label.test} of the test images do."
            never.append(some if label.test else f"No image has '{label.name}': it cannot be learned.")
            continue
        if label.name in single and not label.without:
            never.append(f"No training image is without '{label.name}': {label.name}=0 cannot be learned.")
        untested = not label.test and report.test
        if label.train < FEWEST:
            beside = ", and no test image" if untested else ""
            report.warnings.append(f"'{label.name}' has {label.train} training images, fewer than {FEWEST}{beside}.")
        elif untested:
            report.warnings.append(f"No test image has '{label.name}': what is learned of it cannot be measured.")
    report.warnings[:0] = never


def _assess_copies(report: DatasetReport, source: Source, copies: Sequence[Sequence[int]]) -> None:
    if not copies:
        return
    labels, test = source.labels, set(source.test)
    divided = [group for group in copies if len({index in test for index in group}) > 1]
    both = f" ({len(divided)} on both sides of the split)" if divided else ""
    report.warnings.append(f"Repeated: {count_images(copies)}{both}, such as {_same(source, (divided or copies)[0])}.")
    other = [group for group in copies if not np.array_equal(labels[group[:-1]], labels[group[1:]], equal_nan=True)]
    if other:
        first, second = (_words(source, index) for index in other[0][:2])
        report.warnings.append(f"{count_images(other)} with other labels on a copy: {first}, {second}. One is wrong.")


def _same(source: Source, copies: Sequence[int]) -> str:
    return " = ".join(f"'{source.name_of(index)}'" for index in copies[:3])


def _words(source: Source, index: int) -> str:
    edit = source.schema.known(source.labels[index].tolist())
    values = [text for text in source.schema.write(edit) if not text.endswith("=0")]
    return f"'{source.name_of(index)}' is {', '.join(values) or 'nothing'}"


def count_images(found: Sized) -> str:
    """Says how many images were found: "1 image", "3 images"."""
    return "1 image" if len(found) == 1 else f"{len(found)} images"
