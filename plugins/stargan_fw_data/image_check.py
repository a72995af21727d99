"""Reads every image of the configured datasets, and finds what would spoil a training before hours are spent on it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stargan_fw.data.check import DatasetReport, assess_sides, count, count_images
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
from stargan_fw.data.splits import divide
from stargan_fw.errors import DataError, RequestError
from stargan_fw_registry import ExclusiveLabelsError, LabelSchema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from stargan_fw.config import Config, DatasetConfig
    from stargan_fw.interfaces import Dataset, Example
    from stargan_fw.plugin_manager import PluginManager

    Progress = Callable[[str, int, Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True)
class CheckedDataset:
    """A dataset's report, with what its contact sheet is drawn from: the readable examples and their labels (N, d).

    `trains` and `tests` have a name for the bytes of each image of a side, by their hash.
    """

    report: DatasetReport
    examples: Sequence[Example] = ()
    labels: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    schema: LabelSchema | None = None
    options: PictureOptions = field(default_factory=PictureOptions)
    trains: Mapping[str, str] = field(default_factory=dict)
    tests: Mapping[str, str] = field(default_factory=dict)


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
    checked = [_check(alias, table, config, plugins, progress) for alias, table in config.datasets.items()]
    for training, testing in permutations(checked, 2):
        _assess_shared(training, testing)
    return checked


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
        problems.append(
            str(error) if examples else f"There are no images at '{dataset.root}'. Check its location (--data)."
        )
    else:
        labels, wrong = encode_leniently(schema, chosen)
        options = PictureOptions.of(dataset, [example.image for example in chosen])
        source = Source(alias, dataset, schema, chosen, labels, train, test, options)
        if len(train) > 1 and not wrong and not varies(labels[train]):
            problems.append(nothing_to_translate(alias, dataset, len(train)))
    report = count(source, table.plugin)
    report.problems = problems
    for index, label_error in wrong.items():
        errors = report.violations if isinstance(label_error, ExclusiveLabelsError) else report.wrong_labels
        errors[source.name_of(index)] = str(label_error)
    report.store_bytes = store_bytes(report.images, config.data.image_size)
    same = _read_images(report, source, config.data.image_size, progress)
    copies = [indices for indices in same.values() if len(indices) > 1]
    report.duplicates = [list(map(source.name_of, indices)) for indices in copies]
    _assess_images(report, table, dataset)
    _assess_examples(report, dataset)
    assess_sides(report, source, copies)
    digests = {index: digest for digest, indices in same.items() for index in indices}
    kept = [index for side in (source.train, source.test) for index in side if index in digests]
    trains, tests = (
        {digests[index]: source.name_of(index) for index in side if index in digests}
        for side in (source.train, source.test)
    )
    examples = [source.examples[index] for index in kept]
    return CheckedDataset(report, examples, source.labels[kept], schema, options, trains, tests)


def _count_together(source: Source) -> dict[str, dict[str, int]]:
    ones = (source.labels[[*source.train, *source.test]] == 1).astype(np.int64)
    names = source.schema.names
    rows = (ones.T @ ones).tolist()
    return {name: dict(zip(names, row, strict=True)) for name, row in zip(names, rows, strict=True)}


def _read_images(report: DatasetReport, source: Source, image_size: int, progress: Progress) -> Mapping[str, list[int]]:
    """Reads every image as ingestion would, and returns the indices of the readable ones by a hash of their bytes."""
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
    with ThreadPoolExecutor() as pool:
        for index, (digest, note) in enumerate(progress(report.alias, len(examples), in_order(pool, read, examples))):
            name = source.name_of(index)
            if not digest:
                report.unreadable[name] = note
                continue
            if note:
                report.notes[name] = note
            same[digest].append(index)
    report.together = _count_together(source)
    return same


def _assess_shared(training: CheckedDataset, testing: CheckedDataset) -> None:
    """Warns of images that one dataset trains on and another one holds out."""
    shared = training.trains.keys() & testing.tests.keys()
    if shared:
        first = min(testing.tests[digest] for digest in shared)
        testing.report.warnings.append(
            f"{count_images(shared)} held out here, such as '{first}', but trained on in '{training.report.alias}': what is "
            "measured on them looks better than it is. Hold the same images out in all datasets."
        )


def _assess_images(report: DatasetReport, table: DatasetConfig, dataset: Dataset) -> None:
    problems, warnings = report.problems, report.warnings
    if report.unreadable:
        message = f"{count_images(report.unreadable)} cannot be read, {_such_as(report.unreadable)}"
        if table.on_bad_image == "skip":
            warnings.append(message)
        else:
            problems.append(f"{message} Replace them, or leave them out: {dataset.option('on_bad_image=skip')}")
    readable = report.images - len(report.unreadable)
    if report.images and readable <= 2:
        problems.append(f"Too few images can be read: {readable} of {report.images}. Replace the others.")
    for note in sorted(set(report.notes.values())):
        names = [name for name, other in report.notes.items() if other == note]
        warnings.append(f"{count_images(names)}: {note}, such as on '{names[0]}'. Look at them with --sheet.")


def _assess_examples(report: DatasetReport, dataset: Dataset) -> None:
    if report.violations:
        message = f"{count_images(report.violations)} with an exclusive group violated, {_such_as(report.violations)}"
        if dataset.on_contradiction == "unknown":
            report.warnings.append(f"{message} The group counts as unknown on them.")
        else:
            remedy = dataset.option("on_contradiction=unknown")
            report.problems.append(f"{message} Correct them, or let the group count as unknown on them: {remedy}")
    if report.wrong_labels:
        report.problems.append(
            f"{count_images(report.wrong_labels)} with wrong labels, {_such_as(report.wrong_labels)} Correct them."
        )
    if report.training == 1:
        report.problems.append("There is one training image. Add images to translate between.")


def _such_as(reasons: Mapping[str, str]) -> str:
    name, why = next(iter(reasons.items()))
    return f"such as '{name}': {why.rstrip('.?')}."
