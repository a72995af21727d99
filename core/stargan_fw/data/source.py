"""A configured dataset: its examples, labels and split."""

from __future__ import annotations

import gc
import math
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from stargan_fw.components import dataset_options
from stargan_fw.data.cache import cache_folder, check_space
from stargan_fw.data.images import open_image, prepare
from stargan_fw.data.ingest import Framing, Ingestion
from stargan_fw.data.splits import limited, split
from stargan_fw.errors import ConfigError, DataError, LabelError
from stargan_fw.interfaces.dataset import EncodedImage
from stargan_fw_registry import ExclusiveLabelsError, LabelSchema, LabelSpace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from PIL import Image

    from stargan_fw.config import Config, DatasetConfig
    from stargan_fw.data.store import Store
    from stargan_fw.interfaces import Dataset, Example
    from stargan_fw.plugin_manager import PluginManager

    DecodingProgress: TypeAlias = Callable[[str, int, Iterable[bytes]], Iterable[bytes]]


@dataclass(frozen=True)
class Source:
    """One dataset of a run.

    Attributes:
        alias: its name in the label space.
        dataset: the plugin.
        schema: its labels.
        examples: all of them, in the plugin's order.
        labels: (N, d) float32 in the same order; NaN where unknown.
        train: indices of the training examples.
        test: indices of the held-out examples.
    """

    alias: str
    dataset: Dataset
    schema: LabelSchema
    examples: Sequence[Example]
    labels: NDArray[np.float32]
    train: Sequence[int]
    test: Sequence[int]

    def held_out(self, count: int, prefer: Callable[[NDArray[np.float32]], Sequence[bool]] | None = None) -> list[int]:
        """Returns up to `count` test examples, spread over all of them.

        Args:
            count: at most so many.
            prefer: says which to take, given their labels (N, d); where it is none of them, any are taken.
        """
        wanted = prefer(self.labels[list(self.test)]) if prefer else ()
        among = [index for index, is_wanted in zip(self.test, wanted, strict=False) if is_wanted] or self.test
        return list(among[:: max(1, len(among) // count)][:count])

    def pictures(self, indices: Sequence[int], image_size: int) -> list[Image.Image]:
        """Returns examples as the model sees them: RGB, cropped, `image_size` pixels square."""
        pictures = []
        for index in indices:
            example = self.examples[index]
            with open_image(example.image) as image:
                pictures.append(prepare(image, image_size, self.dataset.crop_size, example.crop))
        return pictures

    def framing(self, image_size: int) -> Framing:
        """Returns how the images become squares of `image_size` pixels."""
        crops = [example.crop for example in self.examples]
        maker = f"{self.dataset.name} {self.dataset.version}"
        return Framing(image_size, self.dataset.crop_size, crops if any(crops) else (), maker)

    @classmethod
    def open(cls, alias: str, config: DatasetConfig, data: str, plugins: PluginManager) -> Source:
        """Lists a dataset.

        Args:
            alias: its name in the label space.
            config: its table.
            data: the folder of datasets that have no location of their own.
            plugins: where the dataset's class is.

        Raises:
            ConfigError: unknown options.
            DataError: the data is missing or broken, or there is none.
        """
        dataset = build_dataset(alias, config, data, plugins)
        with _uncollected():
            examples = list(dataset.examples())
        if not examples:
            raise DataError(f"The dataset '{alias}' has no images at '{dataset.root}'. Check its location (--data).")
        schema = LabelSchema(alias, list(dataset.attributes))
        train, test = split(dataset, examples)
        if config.limit and config.limit < len(train):
            examples, train, test = select_examples(examples, limited(train, config.limit), test)
        return cls(alias, dataset, schema, examples, _encode(dataset, schema, examples), train, test)

    def without(self, bad: Collection[int]) -> Source:
        """Returns the source with these examples on neither side; places and labels stay.

        Raises:
            DataError: nothing is left on a side.
        """
        train, test = ([index for index in side if index not in bad] for side in (self.train, self.test))
        if len(train) < 2 or not test:
            raise DataError(
                f"The dataset '{self.alias}' at '{self.dataset.root}' has {len(train)} training and {len(test)} test "
                f"images left without the {len(bad)} that cannot be read. Replace them: 'stargan-fw data check' lists "
                "them."
            )
        return replace(self, train=train, test=test)

    def name_of(self, index: int) -> str:
        """Returns an example's name: its path below the dataset's root, or what the plugin calls it."""
        return name_of(self.examples[index], self.dataset.root)


def check_named(config: Config, plugins: PluginManager) -> None:
    """Raises ConfigError if the configuration names no dataset."""
    if not config.datasets:
        known = ", ".join(plugins.index("dataset").names())
        raise ConfigError(f"No dataset is named. Name them with --datasets, separated by commas; there are: {known}.")


def open_sources(config: Config, plugins: PluginManager) -> list[Source]:
    """Lists the configured datasets, in order.

    Raises:
        ConfigError: there are none, or their options are unknown.
        DataError: data is missing or broken.
    """
    check_named(config, plugins)
    return [Source.open(alias, table, config.data.path, plugins) for alias, table in config.datasets.items()]


def label_space(sources: Sequence[Source]) -> LabelSpace:
    """Returns the joint label space."""
    return LabelSpace([source.schema for source in sources])


def build_dataset(alias: str, config: DatasetConfig, data: str, plugins: PluginManager) -> Dataset:
    """Constructs the plugin's dataset at its location, with its options."""
    kind: type[Dataset] = plugins.index("dataset").get(config.plugin)
    root = Path(config.location).expanduser() if config.location else Path(data).expanduser() / config.plugin
    dataset = kind(root, **dataset_options(alias, config, plugins))
    for name, value in config.overrides.items():
        setattr(dataset, name, value)
    if not dataset.attributes:
        raise ConfigError(f"The dataset '{alias}' has no attributes, so there is nothing to translate to.")
    return dataset


@contextmanager
def _uncollected() -> Iterator[None]:
    """Stops the garbage collector, which would look again and again through examples that are all kept."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            if not gc.get_freeze_count():  # together they pass all objects on to the oldest generation, unseen
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def select_examples(
    examples: Sequence[Example], train: Sequence[int], test: Sequence[int]
) -> tuple[list[Example], list[int], list[int]]:
    """Returns the examples of both sides alone, and the sides' indices among them."""
    kept = sorted([*train, *test])
    places = {index: place for place, index in enumerate(kept)}
    return [examples[index] for index in kept], [places[index] for index in train], [places[index] for index in test]


def name_of(example: Example, root: Path) -> str:
    """Returns an example's name: its path below the dataset's root, or what the plugin calls it."""
    if isinstance(example.image, EncodedImage):
        return example.image.name
    path = Path(example.image)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def encode_leniently(
    schema: LabelSchema, examples: Sequence[Example]
) -> tuple[NDArray[np.float32], dict[int, LabelError]]:
    """Returns the labels (N, d), and the first thing that is wrong with some, by the example's number.

    A wrong attribute is NaN.
    """
    kinds, kind_of = _alike(examples)
    encoded = [_encoded(schema, example) for example in kinds]
    numbers = np.array([row for row, _ in encoded], dtype=np.float32).reshape(len(encoded), schema.dim)
    errors = {kind: error for kind, (_, error) in enumerate(encoded) if error}
    return numbers[kind_of], {row: errors[kind] for row, kind in enumerate(kind_of) if kind in errors}


def _alike(examples: Sequence[Example]) -> tuple[list[Example], list[int]]:
    """Returns one example of each that have the same labels, and of which of them each example is a copy.

    Hundreds of thousands of examples say a few things, and plugins may give one mapping to all that say the same.
    """
    kinds: list[Example] = []
    of_said: dict[tuple[str, ...], int] = {}
    of_mapping: dict[int, int] = {}
    for example in examples:
        if id(example.labels) not in of_mapping:
            said = (*example.labels, *map(repr, example.labels.values()))
            if said not in of_said:
                of_said[said] = len(kinds)
                kinds.append(example)
            of_mapping[id(example.labels)] = of_said[said]
    return kinds, [of_mapping[id(example.labels)] for example in examples]


def _encoded(schema: LabelSchema, example: Example) -> tuple[list[float], LabelError | None]:
    numbers: list[float] = []
    errors: list[LabelError] = []
    try:
        schema.check_keys(example.labels)
    except LabelError as error:
        errors.append(error)
    for attribute, _ in schema.parts:
        try:
            numbers += attribute.encode(example.labels)
        except LabelError as error:
            numbers += [math.nan] * attribute.size
            errors.append(error)
    errors.sort(key=lambda error: isinstance(error, ExclusiveLabelsError))  # which some datasets allow
    return numbers, errors[0] if errors else None


def _encode(dataset: Dataset, schema: LabelSchema, examples: Sequence[Example]) -> NDArray[np.float32]:
    labels, wrong = encode_leniently(schema, examples)
    for row, error in wrong.items():
        if not is_allowed(dataset, error):
            raise DataError(f"The labels of '{examples[row].image}' in the dataset '{schema.name}': {error}") from None
    return labels


def is_allowed(dataset: Dataset, error: LabelError) -> bool:
    """Whether the dataset has such labels count as unknown."""
    return dataset.on_contradiction == "unknown" and isinstance(error, ExclusiveLabelsError)


def decode(config: Config, sources: Sequence[Source], progress: DecodingProgress | None = None) -> dict[str, Store]:
    """Decodes the images that no earlier call has decoded, and returns the stores by dataset.

    Args:
        config: says where decoded images are kept, and at which size.
        sources: the datasets.
        progress: wraps a dataset's images while they are decoded, given the dataset's name and their number.

    Raises:
        DataError: an image cannot be read, or the disk is too small.
    """
    ingestions = [_ingestion(config, source) for source in sources]
    check_space(cache_folder(config.data), sum(ingestion.needed for ingestion in ingestions))
    stores = {}
    for ingestion in ingestions:
        name, count = ingestion.name, len(ingestion.images)
        stores[name] = ingestion.run(partial(progress, name, count) if progress else iter)
    return stores


def _ingestion(config: Config, source: Source) -> Ingestion:
    return Ingestion(
        source.alias,
        [example.image for example in source.examples],
        source.framing(config.data.image_size),
        cache_folder(config.data),
        config.datasets[source.alias].on_bad_image,
    )
