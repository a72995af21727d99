"""From a configuration to a trainer: everything is checked before anything is written."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import torch

from stargan_fw.components import build_method
from stargan_fw.data.cache import cache_folder, check_space
from stargan_fw.data.ingest import Ingestion
from stargan_fw.data.loader import Loader
from stargan_fw.data.resident import ResidentImages, check_room, lodge
from stargan_fw.data.source import Source, label_space, open_sources
from stargan_fw.errors import ConfigError, DataError
from stargan_fw.inference.sheets import SampleSheet
from stargan_fw.training.compilation import compile_trained
from stargan_fw.training.machine import Precision
from stargan_fw.training.optimisation import LinearDecay
from stargan_fw.training.trainer import Trainer
from stargan_fw.training.turns import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from stargan_fw.config import Config
    from stargan_fw.data.store import Store
    from stargan_fw.interfaces import Method, Tracker
    from stargan_fw.plugin_manager import PluginManager
    from stargan_fw.training.progress import Progress
    from stargan_fw.training.run_folder import RunFolder
    from stargan_fw.training.turns import Turns
    from stargan_fw_registry import LabelSpace

    DecodingProgress: TypeAlias = Callable[[str, int, Iterable[bytes]], Iterable[bytes]]

SAMPLE_ROWS = 8  # rows of a sample sheet, shared by the datasets


@dataclass(frozen=True)
class Plan:
    """A training that can begin: checked, and nothing written yet.

    Attributes:
        config: complete, as `stargan_fw.components.complete` returns it.
        space: the joint label space.
        sources: the datasets.
        turns: which dataset a step trains on.
        method: with networks initialised from the seed.
        steps: length of the whole run.
    """

    config: Config
    space: LabelSpace
    sources: Sequence[Source]
    method: Method
    turns: Turns
    steps: int

    @classmethod
    def make(cls, config: Config, plugins: PluginManager) -> Plan:
        """Checks a configuration against plugins and data.

        Raises:
            RequestError: of the kind that fits what is wrong.
        """
        sources = open_sources(config, plugins)
        space = label_space(sources)
        torch.manual_seed(config.training.seed)
        method = build_method(config, space, plugins)
        method.prepare()
        for source in sources:
            _kinds(method, source)
        turns = STRATEGIES[config.training.strategy]({source.alias: len(source.train) for source in sources})
        return cls(config, space, sources, method, turns, _steps(config, turns))

    def decode(self, progress: DecodingProgress | None = None) -> dict[str, Store]:
        """Decodes the images that no earlier call has, and returns the stores by dataset.

        Args:
            progress: wraps a dataset's images as they are decoded, given its name and their number.

        Raises:
            DataError: an image cannot be read, or the disk is too small.
        """
        return decode(self.config, self.sources, progress)

    def check_readable(self, stores: Mapping[str, Store], device: torch.device) -> None:
        """Raises what stands in the way of a trainer, once the images are decoded.

        Raises:
            DataError: without the images that cannot be read, nothing is left on a side, or for a kind of batches.
            ConfigError: the images are to stay on a device that has no room for them.
        """
        left = [source.without(stores[source.alias].errors) for source in self.sources]
        for source in left:
            _kinds(self.method, source)
        data = self.config.data
        check_room(sum(len(source.train) for source in left), data.image_size, device, data.resident)

    @contextmanager
    def trainer(
        self,
        run: RunFolder,
        stores: Mapping[str, Store],
        device: torch.device,
        plugins: PluginManager,
        progress: Progress,
        *,
        observers: Sequence[Tracker] = (),
    ) -> Iterator[Trainer]:
        """Lends the trainer of a run folder that exists, and closes what it shows progress on.

        Args:
            run: the folder.
            stores: the decoded images by dataset.
            device: to train on.
            plugins: that have the configured trackers.
            progress: shows how it goes.
            observers: are told besides, and not closed.
        """
        training = self.config.training
        readable = [source.without(stores[source.alias].errors) for source in self.sources]
        for network in self.method.networks.values():
            network.to(device)
        precision = Precision.choose(training.precision, device)
        indices = {source.alias: source.train for source in readable}
        images = lodge(stores, indices, device, self.config.data.resident)
        trackers = [plugins.index("tracker").get(name)(run.path) for name in training.trackers]
        with progress, ExitStack() as closing:
            for tracker in trackers:
                closing.callback(tracker.close)
            trainer = Trainer(
                self.method,
                {source.alias: self._loader(number, source, images) for number, source in enumerate(readable)},
                run,
                training,
                turns=self.turns,
                schedule=LinearDecay(training.learning_rate, self.steps, training.decay),
                precision=precision,
                sample=SampleSheet(self._held_out(readable), device),
                observers=[progress, *trackers, *observers],
            )
            compile_trained(trainer, self.steps)
            yield trainer

    def _held_out(self, sources: Sequence[Source]) -> dict[str, tuple[list[Image.Image], torch.Tensor]]:
        rows, size = max(1, SAMPLE_ROWS // len(sources)), self.config.data.image_size
        held_out = {}
        for source in sources:
            chosen = source.held_out(rows, partial(_shown, self.method, source.alias))
            held_out[source.alias] = (source.pictures(chosen, size), torch.from_numpy(source.labels[chosen]))
        return held_out

    def _loader(self, number: int, source: Source, images: Mapping[str, Store | ResidentImages]) -> Loader:
        training = self.config.training
        seed, kinds = (training.seed, number), _kinds(self.method, source)
        store, size = images[source.alias], training.batch_size
        return Loader(store, source.labels, source.train, batch_size=size, seed=seed, kinds=kinds)


def decode(config: Config, sources: Sequence[Source], progress: DecodingProgress | None = None) -> dict[str, Store]:
    """Returns the decoded images by dataset; see `Plan.decode`."""
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


def _kinds(method: Method, source: Source) -> Sequence[Sequence[torch.Tensor]]:
    return method.batches(source.alias, torch.from_numpy(source.labels[source.train]))


def _shown(method: Method, dataset: str, labels: NDArray[np.float32]) -> list[bool]:
    shown: list[bool] = method.shown(dataset, torch.from_numpy(labels)).tolist()
    return shown


def _steps(config: Config, turns: Turns) -> int:
    training = config.training
    smallest = next((alias for alias, images in turns.images.items() if images < 2), None)
    if smallest:
        raise DataError(f"The dataset '{smallest}' has one training image: there is nothing to translate between.")
    if training.steps:
        return training.steps
    if not training.epochs:
        raise ConfigError("The length of the run is not set: give training.steps or training.epochs.")
    return training.epochs * turns.epoch(training.batch_size)
