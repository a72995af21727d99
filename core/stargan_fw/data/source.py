"""Opens configured datasets, with their labels and splits, and decodes their images."""

from __future__ import annotations

import gc
import itertools
import math
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from stargan_fw.components import dataset_options
from stargan_fw.config import expand_path
from stargan_fw.data.cache import cache_folder, check_space
from stargan_fw.data.images import PictureOptions, open_image, prepare
from stargan_fw.data.ingest import Framing, Ingestion
from stargan_fw.data.splits import divide
from stargan_fw.errors import ConfigError, DataError, LabelError, RequestError
from stargan_fw.interfaces.dataset import EncodedImage
from stargan_fw_registry import ExclusiveLabelsError, LabelSchema, LabelSpace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from PIL import Image

    from stargan_fw.config import Config, DatasetConfig
    from stargan_fw.data.store import Store
    from stargan_fw.interfaces import Dataset, Example
    from stargan_fw.plugin_manager import PluginManager

    DecodingProgress: TypeAlias = Callable[[str, int, Iterable[bytes]], Iterable[bytes]]

T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """One dataset of a run.

    Attributes:
        alias: the dataset's name in the label space.
        dataset: the plugin.
        schema: the dataset's labels.
        examples: all examples, in the plugin's order.
        labels: (N, d) float32 in the same order; NaN is unknown.
        train: indices of the training examples.
        test: indices of the held-out examples.
        options: how the images become squares.
    """

    alias: str
    dataset: Dataset
    schema: LabelSchema
    examples: Sequence[Example]
    labels: NDArray[np.float32]
    train: Sequence[int]
    test: Sequence[int]
    options: PictureOptions

    def held_out(self, count: int, preferred: Sequence[bool] = ()) -> list[int]:
        """Returns the indices of up to `count` test examples, spread over all test examples.

        Args:
            count: the largest number of examples.
            preferred: which of the test examples to choose from. If there is none, all are.
        """
        pool = list(itertools.compress(self.test, preferred)) or self.test
        return list(pool[:: max(1, len(pool) // count)][:count])

    def pictures(self, indices: Sequence[int], image_size: int) -> list[Image.Image]:
        """Returns examples as the model sees them: in RGB, cropped to squares of `image_size` pixels."""
        pictures = []
        for index in indices:
            example = self.examples[index]
            with open_image(example.image) as image:
                pictures.append(prepare(image, image_size, self.options, example.crop))
        return pictures

    def framing(self, image_size: int) -> Framing:
        """Returns how the dataset's images become squares of `image_size` pixels."""
        crops = [example.crop for example in self.examples]
        maker = f"{self.dataset.name} {self.dataset.version}"
        return Framing(image_size, self.options, crops if any(crops) else (), maker)

    @classmethod
    def open(
        cls,
        alias: str,
        config: DatasetConfig,
        data: str,
        plugins: PluginManager,
        recorded: Mapping[str, Any] | None = None,
    ) -> Source:
        """Lists a dataset.

        Args:
            alias: the dataset's name in the label space.
            config: the dataset's configuration table.
            data: the folder of datasets without a location of their own.
            plugins: have the dataset's class.
            recorded: the dataset's entry in the `splits.json` of a run to continue.

        Raises:
            ConfigError: if an option is unknown.
            DataError: if the data is missing, broken or empty.
        """
        dataset = build_dataset(alias, config, data, plugins)
        with _garbage_collector_paused():
            examples: Sequence[Example] = list(dataset.examples())
        if not examples:
            raise DataError(f"The dataset '{alias}' has no images at '{dataset.root}'. Check its location (--data).")
        schema = LabelSchema(alias, list(dataset.attributes))
        problems = []
        try:
            examples, train, test = divide(dataset, examples, config.limit, _held_out(dataset, examples, recorded))
        except DataError as error:
            problems.append(str(error))
        labels, wrong = encode_leniently(schema, examples)
        first_of: dict[str, int] = {}  # one problem per kind of error
        for index, label_error in wrong.items():
            if dataset.on_contradiction != "unknown" or not isinstance(label_error, ExclusiveLabelsError):
                first_of.setdefault(str(label_error), index)
        settled = f", or let such groups be unknown: {dataset.option('on_contradiction=unknown')}"
        problems += [
            f"The labels of '{examples[index].image}' in the dataset '{alias}': {wrong[index]}"
            f"{settled if isinstance(wrong[index], ExclusiveLabelsError) else ''}"
            for index in itertools.islice(first_of.values(), 3)
        ]
        if not problems and not varies(labels[train]):
            problems.append(nothing_to_translate(alias, dataset, len(train)))
        if problems:
            raise DataError.of(problems)
        options = PictureOptions.of(dataset, [example.image for example in examples])
        return cls(alias, dataset, schema, examples, labels, train, test, options)

    def without(self, bad: Collection[int]) -> Source:
        """Returns the source without some examples in its split; DataError if that leaves too few to train or test on."""
        train, test = ([index for index in side if index not in bad] for side in (self.train, self.test))
        if len(train) < 2 or not test:
            raise DataError(
                f"The dataset '{self.alias}' at '{self.dataset.root}' has {len(train)} training and {len(test)} test "
                f"images left without the {len(bad)} that cannot be read. Replace them: 'stargan-fw data check' lists "
                "them."
            )
        return replace(self, train=train, test=test)

    def count_labels(self, side: Sequence[int]) -> dict[str, list[int]]:
        """Returns, per label, how many of some examples are known not to have it, and how many to have it.

        Of a continuous label: how many are in the lower and in the upper half of its range.
        """
        known = self.labels[side]
        counts = np.stack([(known < 0.5).sum(axis=0), (known >= 0.5).sum(axis=0)], axis=1)
        return dict(zip(self.schema.names, counts.tolist(), strict=True))

    def name_of(self, index: int) -> str:
        """Returns an example's name: its path below the dataset's root, or what the plugin calls it."""
        return name_of(self.examples[index], self.dataset.root)


def check_named(config: Config, plugins: PluginManager) -> None:
    """Raises ConfigError if the configuration names no dataset."""
    if not config.datasets:
        known = ", ".join(plugins.index("dataset").names())
        raise ConfigError(f"No dataset is named. Name them with --datasets, separated by commas; there are: {known}.")


def open_sources(config: Config, plugins: PluginManager, recorded: Mapping[str, Any] | None = None) -> list[Source]:
    """Opens the configured datasets, in order; raises as `check_named` and `Source.open` do, once for all datasets.

    Args:
        config: names the datasets.
        plugins: have their classes.
        recorded: the `splits.json` of a run to continue.
    """
    check_named(config, plugins)
    sources: list[Source] = []
    errors: dict[str, RequestError] = {}
    for alias, table in config.datasets.items():
        try:
            sources.append(Source.open(alias, table, config.data.path, plugins, (recorded or {}).get(alias)))
        except RequestError as error:
            errors[alias] = error
    if not errors:
        return sources
    problems = [f"{alias}: {problem}" for alias, error in errors.items() for problem in error.args]
    problems += find_unreadable(config, sources)
    if len(problems) == 1:
        raise next(iter(errors.values()))
    raise DataError.of(problems)


def find_unreadable(config: Config, sources: Sequence[Source]) -> list[str]:
    """Returns what reading the first images of each dataset shows, once the training is refused anyway."""
    return [f"{each.name}: {problem}" for each in _ingestions(config, sources) for problem in each.find_problems()]


def varies(labels: NDArray[np.float32]) -> bool:
    """Returns whether any label (N, d) has different known values."""
    return bool((np.fmin.reduce(labels) < np.fmax.reduce(labels)).any())


def nothing_to_translate(alias: str, dataset: Dataset, count: int) -> str:
    """Says that all training images have the same labels, and what to do."""
    given = f", or divide them anew: --set datasets.{alias}.test_split=random" if dataset.test_split == "given" else ""
    return (
        f"All {count} training images of the dataset '{alias}' at '{dataset.root}' have the same labels: there is nothing "
        f"to translate between. Add images with other labels{given}"
    )


def _held_out(dataset: Dataset, examples: Sequence[Example], recorded: Mapping[str, Any] | None) -> list[int]:
    """Returns the examples that a continued run holds out: another release may divide a dataset in another way."""
    if not recorded:
        return []
    names = set(recorded["test"])
    return [index for index, example in enumerate(examples) if name_of(example, dataset.root) in names]


def label_space(sources: Sequence[Source]) -> LabelSpace:
    """Returns the joint label space."""
    return LabelSpace([source.schema for source in sources])


def build_dataset(alias: str, config: DatasetConfig, data: str, plugins: PluginManager) -> Dataset:
    """Constructs a dataset with its location and options; ConfigError if an option is unknown or it has no labels."""
    kind: type[Dataset] = plugins.index("dataset").get(config.plugin)
    root = Path(expand_path(config.location)) if config.location else Path(expand_path(data), config.plugin)
    dataset = kind(root, **dataset_options(alias, config, plugins))
    dataset.alias = alias
    for name, value in config.overrides.items():
        setattr(dataset, name, value)
    if not dataset.attributes:
        raise ConfigError(f"The dataset '{alias}' has no attributes to translate to. Give its plugin at least one.")
    return dataset


@contextmanager
def _garbage_collector_paused() -> Iterator[None]:
    """Pauses the garbage collector, which would search a growing list of examples again and again for nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if not gc.get_freeze_count():  # freezing and unfreezing moves all objects to the oldest generation
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def name_of(example: Example, root: Path) -> str:
    """Returns an example's name: its path below the dataset's root, or what the plugin calls it."""
    if isinstance(example.image, EncodedImage):
        return example.image.name
    path = Path(example.image)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def encode_leniently(
    schema: LabelSchema, examples: Sequence[Example]
) -> tuple[NDArray[np.float32], dict[int, LabelError]]:
    """Returns the labels (N, d), NaN for attributes with an error, and the first error of each example that has any.

    Hundreds of thousands of examples have a few combinations of labels, so each combination is encoded once. Plugins may
    also share one mapping between examples, which is then looked at once.
    """
    mappings = [example.labels for example in examples]
    keys = list(map(id, mappings))
    encoded: list[tuple[list[float], LabelError | None]] = []
    row_of_labels: dict[tuple[str, ...], int] = {}
    row_of_mapping: dict[int, int] = {}
    for key, labels in dict(zip(keys, mappings, strict=True)).items():
        row = row_of_mapping[key] = row_of_labels.setdefault((*labels, *map(repr, labels.values())), len(encoded))
        if row == len(encoded):
            encoded.append(_encode(schema, labels))
    rows = np.array([row_of_mapping[key] for key in keys], dtype=np.intp)
    numbers = np.array([row for row, _ in encoded], dtype=np.float32).reshape(len(encoded), schema.dim)
    errors = {row: error for row, (_, error) in enumerate(encoded) if error}
    wrong = np.flatnonzero(np.isin(rows, [*errors])).tolist() if errors else []
    return numbers[rows], {index: errors[rows[index]] for index in wrong}


def _encode(schema: LabelSchema, labels: Mapping[str, Any]) -> tuple[list[float], LabelError | None]:
    numbers: list[float] = []
    errors: list[LabelError] = []
    try:
        schema.check_keys(labels)
    except LabelError as error:
        errors.append(error)
    for attribute, _ in schema.parts:
        try:
            numbers += attribute.encode(labels)
        except LabelError as error:
            numbers += [math.nan] * attribute.size
            errors.append(error)
    errors.sort(key=lambda error: isinstance(error, ExclusiveLabelsError))  # last: some datasets allow these
    return numbers, errors[0] if errors else None


def decode(config: Config, sources: Sequence[Source], progress: DecodingProgress | None = None) -> dict[str, Store]:
    """Decodes the images that no earlier call has decoded, and returns the stores by dataset.

    Args:
        config: has the size of the images and the folder of the stores.
        sources: the datasets.
        progress: wraps a dataset's images while they are decoded; takes the dataset's name and its number of images.

    Raises:
        DataError: if an image cannot be read, or the disk is too small.
    """
    ingestions = _ingestions(config, sources)
    check_space(cache_folder(config.data), sum(_of_all(lambda each: each.needed, ingestions)))

    def run(ingestion: Ingestion) -> Store:
        name, count = ingestion.name, len(ingestion.images)
        store = ingestion.run(partial(progress, name, count) if progress else iter)
        ingestion.framing.options.settle(store.notes.values())
        return store

    stores = _of_all(run, ingestions)
    return {ingestion.name: store for ingestion, store in zip(ingestions, stores, strict=True)}


def _ingestions(config: Config, sources: Sequence[Source]) -> list[Ingestion]:
    cache, size = cache_folder(config.data), config.data.image_size
    return [
        Ingestion(
            source.alias,
            [example.image for example in source.examples],
            source.framing(size),
            cache,
            config.datasets[source.alias].on_bad_image,
        )
        for source in sources
    ]


def _of_all(work: Callable[[Ingestion], T], ingestions: Iterable[Ingestion]) -> list[T]:
    """Returns the work's result for each ingestion, or raises what is wrong with any of them in one DataError."""
    results: list[T] = []
    problems: list[str] = []
    unread: list[Ingestion] = []
    for ingestion in ingestions:
        try:
            results.append(work(ingestion))
            unread += [] if ingestion.path.exists() else [ingestion]
        except DataError as error:
            problems += error.args
    if problems:
        raise DataError.of(problems + [problem for ingestion in unread for problem in ingestion.find_problems()])
    return results
