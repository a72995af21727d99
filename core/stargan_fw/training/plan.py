"""A checked training that can begin: its data, its method, and the trainer that they make."""

from __future__ import annotations

import copy
import logging
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console

from stargan_fw import ranks
from stargan_fw.components import build_method, check_networks
from stargan_fw.compute.machine import (
    Precision,
    accelerate_networks,
    breaks_compiled,
    compile_networks,
    has_graphs,
    resolve,
)
from stargan_fw.data.device_cache import ResidentImages, cache_on_device, check_room
from stargan_fw.data.loader import Loader, check_shares
from stargan_fw.data.source import Source, find_unreadable, label_space, open_sources
from stargan_fw.errors import ConfigError, DataError, PluginError, Refusals
from stargan_fw.rendering.sheets import SampleSheet
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.training.dataset_schedule import STRATEGIES
from stargan_fw.training.optimisation import LinearDecay, check_phases
from stargan_fw.training.progress import Progress
from stargan_fw.training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stargan_fw.config import Config
    from stargan_fw.data.store import Store
    from stargan_fw.interfaces import Method, Tracker, Tuner, Tuning
    from stargan_fw.plugin_manager import PluginManager
    from stargan_fw.training.dataset_schedule import DatasetSchedule
    from stargan_fw_registry import LabelSpace

logger = logging.getLogger(__name__)

SAMPLE_ROWS = 8  # rows of a sample sheet, shared by the datasets


@dataclass(frozen=True)
class Plan:
    """A checked training that can begin; nothing is written yet.

    Attributes:
        config: the complete configuration, as `stargan_fw.components.complete` returns it.
        space: the joint label space.
        sources: the datasets.
        method: the method, with networks initialised from the seed.
        dataset_schedule: chooses the dataset of each step.
        steps: the length of the whole run.
    """

    config: Config
    space: LabelSpace
    sources: Sequence[Source]
    method: Method
    dataset_schedule: DatasetSchedule
    steps: int

    @classmethod
    def make(
        cls,
        config: Config,
        plugins: PluginManager,
        recorded: Mapping[str, Any] | None = None,
        refusals: Refusals | None = None,
    ) -> Plan:
        """Checks a configuration against plugins and data; RequestError if either is wrong, or for `refusals` so far.

        A continued run holds out the images that it `recorded` in its `splits.json`.
        """
        refusals = refusals or Refusals()
        sources: list[Source] = []
        with refusals.gather():
            sources = open_sources(config, plugins, recorded)
        method = build_checked_method(config, plugins, sources, refusals)
        if refusals.problems or method is None:
            with refusals.gather():
                _refuse_unreadable(config, sources)
            raise refusals.error()
        tables = {s.alias: config.datasets[s.alias].model_copy(update=dict(s.dataset.found_options)) for s in sources}
        config = config.model_copy(update={"datasets": tables})
        images = {source.alias: len(source.train) for source in sources}
        schedule = STRATEGIES[config.training.strategy](images)
        return cls(config, label_space(sources), sources, method, schedule, _count_steps(config, schedule))

    def check_readable(self, stores: Mapping[str, Store], device: torch.device) -> None:
        """Checks, once the images are decoded, that a trainer can be made.

        Raises:
            DataError: if so many images are unreadable that none are left to train on, to hold out or for a kind of batch.
            ConfigError: if the configuration keeps the images on a device without enough memory.
        """
        sources = self._readable(stores)
        for source in sources:
            _batch_kinds(self.method, source)
        data = self.config.data
        check_room(sum(len(source.train) for source in sources), data.image_size, device, data.resident)

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
        """Makes the trainer for the block. After it, closes the trackers and the progress bar, and waits for the last save.

        Args:
            run: the run folder, which must exist.
            stores: the decoded images by dataset.
            device: the device to train on.
            plugins: have the configured trackers, and the accelerators.
            progress: shows the steps and metrics.
            observers: get them too, and are not closed.
        """
        training = self.config.training
        readable = self._readable(stores)
        for network in self.method.networks.values():
            network.to(device)
        if training.accelerate != "off":
            unmeasured = training.accelerate == "on"
            accelerate_networks(self.method.networks.values(), plugins, device, unmeasured=unmeasured)
        precision = Precision.choose(training.precision, device)
        indices = {source.alias: source.train for source in readable}
        images = cache_on_device(stores, indices, device, self.config.data.resident)
        first = ranks.rank() == 0  # the one that writes
        trackers = _open_trackers(training.trackers, plugins, run) if first else []
        size = self.config.data.image_size
        held_out = SampleSheet.of_held_out(self.method, readable, SAMPLE_ROWS, size, device) if first else None
        with progress, ExitStack() as closing:
            closing.callback(run.checkpoints.wait)
            for tracker in trackers:
                closing.callback(tracker.close)
            trainer = Trainer(
                self.method,
                {source.alias: self._loader(number, source, images) for number, source in enumerate(readable)},
                run if first else None,
                training,
                dataset_schedule=self.dataset_schedule,
                schedule=LinearDecay(training.learning_rate, self.steps, training.decay),
                precision=precision,
                sample=held_out or SampleSheet({}, device),
                observers=[progress, *trackers, *observers] if first else [],
            )
            compile_trained(trainer)
            yield trainer

    def tune(self, stores: Mapping[str, Store], device: torch.device, plugins: PluginManager) -> Tuning:
        """Returns what the first registered tuner finds. The plan's method stays as it is."""

        @contextmanager
        def make(changes: Mapping[str, Any]) -> Iterator[Trainer]:
            trial = replace(self.changed({**changes, "trackers": []}), method=copy.deepcopy(self.method))
            with TemporaryDirectory() as folder:
                run, quiet = RunFolder(Path(folder)), Progress(Console(quiet=True))
                with trial.trainer(run, stores, device, plugins, quiet) as trainer:
                    yield trainer

        tuner: Tuner = plugins.index("tuner").get(_tuner_name(plugins))()
        return tuner.tune(make, self.config.training.model_dump(), device)

    def changed(self, changes: Mapping[str, Any]) -> Plan:
        """Returns the plan with other settings in `[training]`, which are not checked."""
        training = self.config.training.model_copy(update=dict(changes))
        return replace(self, config=self.config.model_copy(update={"training": training}))

    def _readable(self, stores: Mapping[str, Store]) -> list[Source]:
        return [source.without(stores[source.alias].errors) for source in self.sources]

    def _loader(self, number: int, source: Source, images: Mapping[str, Store | ResidentImages]) -> Loader:
        training = self.config.training
        seed, kinds = (training.seed, number), _batch_kinds(self.method, source)
        store, size = images[source.alias], training.batch_size
        share = {"rank": ranks.rank(), "world_size": ranks.world_size()}
        return Loader(store, source.labels, source.train, batch_size=size, seed=seed, kinds=kinds, **share)


def _tuner_name(plugins: PluginManager) -> str:
    if ranks.world_size() > 1:
        raise ConfigError(
            "training.tune works with one process only. Tune a short run with one process, and name the settings that it "
            "shows, as in --set training.channels_last=on."
        )
    names = plugins.index("tuner").names()
    if not names:
        raise ConfigError("training.tune: no plugin registers a tuner. Set training.tune to false.")
    return str(names[0])


def _open_trackers(names: Sequence[str], plugins: PluginManager, run: RunFolder) -> list[Tracker]:
    """Opens the trackers, without those that fail: metrics.jsonl has the same values, so training can go on."""
    opened = []
    for name in names:
        try:
            opened.append(plugins.index("tracker").get(name)(run.path))
        except PluginError as error:
            logger.warning("Training goes on without the tracker '%s': %s", name, error)
    return opened


def compile_trained(trainer: Trainer) -> bool:
    """Compiles the networks of a trainer if `[training]` says so.

    Args:
        trainer: a trainer before its first step.

    Returns:
        Whether networks are compiled. A log message names a setting that is impossible here.

    Raises:
        ConfigError: the configuration demands graphs with several ranks, where one rank's capture can fail alone.
    """
    config, device = trainer.config, trainer.precision.device
    compiles, graphs = resolve("compile", config.compile, device), resolve("graphs", config.graphs, device) == "on"
    if graphs and ranks.world_size() > 1:
        raise ConfigError("training.graphs = on works with one process only. Set training.graphs to auto or off.")
    if graphs and not has_graphs(device):
        logger.warning("training.graphs = on: only CUDA has graphs, and kernels are launched one by one on %s.", device)
        graphs = False
    networks = [trainer.method.networks[name] for name in trainer.method.compilable]
    if compiles == "all" and trainer.method.penalty is not None:
        networks.append(trainer.method.penalty)
    if compiles == "off" or not networks:
        if graphs:
            logger.warning(
                "training.graphs = on: nothing is compiled, and so nothing is captured. Set training.compile to on."
            )
        return False
    if breaks_compiled(trainer.precision):
        logger.warning("Nothing is compiled: torch %s breaks memory so, in bf16 on a processor.", torch.__version__)
        return False
    compiled = compile_networks(networks, device, graphs=graphs)
    trainer.captures = compiled and graphs
    return compiled


def _batch_kinds(method: Method, source: Source) -> Sequence[Sequence[torch.Tensor]]:
    return method.batches(source.alias, torch.from_numpy(source.labels[source.train]))


def build_checked_method(
    config: Config, plugins: PluginManager, sources: Sequence[Source], refusals: Refusals
) -> Method | None:
    """Builds the method, and gathers what is wrong with the settings; without sources, what can be known without them."""
    training, processes = config.training, ranks.world_size()
    if training.tune:
        with refusals.gather():
            _tuner_name(plugins)
    for name in training.trackers:  # checked here because a model opens without its trackers
        with refusals.gather():
            plugins.index("tracker").get(name)
    with refusals.gather():
        _check_length(config)
    if not sources:
        with refusals.gather():
            check_shares(training.batch_size, [[torch.empty(0)]], processes)
        with refusals.gather():
            check_networks(config, plugins)
        return None
    torch.manual_seed(training.seed)
    method = None
    with refusals.gather():
        method = build_method(config, label_space(sources), plugins)
        with refusals.gather():
            check_phases(method, training)
        for source in sources if training.batch_size >= method.min_batch_size else ():  # else that is said already
            with refusals.gather():
                check_shares(training.batch_size, _batch_kinds(method, source), processes)
        method.prepare()
    return method


def _refuse_unreadable(config: Config, sources: Sequence[Source]) -> None:
    problems = find_unreadable(config, sources)
    if problems:
        raise DataError.of(problems)


def _check_length(config: Config) -> None:
    if not config.training.steps and not config.training.epochs:
        raise ConfigError("The length of the run is not set: set training.steps or training.epochs.")


def _count_steps(config: Config, schedule: DatasetSchedule) -> int:
    training = config.training
    smallest = next((alias for alias, images in schedule.images.items() if images < 2), None)
    if smallest:
        raise DataError(f"The dataset '{smallest}' has one training image. Add images to translate between.")
    return training.steps or (training.epochs or 0) * schedule.epoch(training.batch_size)
