"""Trains as `train` does, to measure the speed: on noise, or for some seconds on a run's own data."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.console import Console

from stargan_fw import ranks
from stargan_fw.components import build_method
from stargan_fw.compute.machine import Precision, accelerate_networks, wait_for
from stargan_fw.data.device_cache import cache_on_device
from stargan_fw.data.loader import Loader
from stargan_fw.data.source import decode
from stargan_fw.data.store import Store, write_store
from stargan_fw.rendering.sheets import SampleSheet
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.training.dataset_schedule import STRATEGIES
from stargan_fw.training.optimisation import LinearDecay
from stargan_fw.training.plan import Plan
from stargan_fw.training.progress import Progress
from stargan_fw.training.trainer import Trainer
from stargan_fw_bench.cycles import cycle
from stargan_fw_registry import Binary, Categorical, LabelSchema, LabelSpace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stargan_fw.config import Config
    from stargan_fw.data.device_cache import ResidentImages
    from stargan_fw.interfaces import Method
    from stargan_fw.plugin_manager import PluginManager

IMAGES = 256  # per dataset: enough to read from many pages of the disk
STEPS = 10**6  # the schedule's length: the rate must not decay during a measurement
POINTS = 5  # of a run that are measured: a method may train in stages of different speed
SECONDS = 2.0  # per point


def rehearse(
    config: Config, plugins: PluginManager, labels: Sequence[int], device: torch.device, folder: Path
) -> Trainer:
    """Returns a trainer on noise with networks that are not compiled. Images lie where `data.resident` puts them.

    Args:
        config: the complete configuration; its datasets are not used.
        plugins: have the configuration's components.
        labels: the number of labels of each dataset: the first dataset's are binary, each other one's are one category.
        device: the device to train on.
        folder: where the stores of noise are written.

    Raises:
        ConfigError: if a network cannot work at the configured size.
    """
    space = LabelSpace([_schema(number, count) for number, count in enumerate(labels)])
    training = config.training
    torch.manual_seed(training.seed)
    method = build_method(config, space, plugins)
    method.prepare()
    for network in method.networks.values():
        network.to(device)
    if training.accelerate != "off":
        accelerate_networks(method.networks.values(), plugins, device, unmeasured=training.accelerate == "on")
    stores = {name: _store(name, config, folder) for name in space.datasets}
    images = cache_on_device(stores, dict.fromkeys(stores, range(IMAGES)), device, config.data.resident)
    loaders = {name: _loader(method, space.schema(name), images[name], training.batch_size) for name in space.datasets}
    return Trainer(
        method,
        loaders,
        RunFolder(folder / "run"),
        training,
        dataset_schedule=STRATEGIES[training.strategy](dict.fromkeys(loaders, IMAGES)),
        schedule=LinearDecay(training.learning_rate, STEPS, training.decay),
        precision=Precision.choose(training.precision, device),
        sample=SampleSheet({}, device),
        observers=[],
    )


def train_on_first(trainer: Trainer) -> Trainer:
    """Leaves a trainer its first dataset alone, and returns it: taking turns makes a cycle longer, and all cost the same."""
    first = next(iter(trainer.loaders))
    trainer.loaders = {first: trainer.loaders[first]}
    trainer.dataset_schedule = type(trainer.dataset_schedule)({first: 1})
    trainer.updates = {first: 0}
    return trainer


def _schema(number: int, count: int) -> LabelSchema:
    names = [f"label{position}" for position in range(count)]
    attributes = [Binary(name) for name in names] if number == 0 else [Categorical("category", names)]
    return LabelSchema(f"dataset{number}", attributes)


def _store(name: str, config: Config, folder: Path) -> Store:
    rng, size = np.random.default_rng(0), config.data.image_size
    path = folder / f"{name}.arrow"
    write_store(path, (rng.bytes(size * size * 3) for _ in range(IMAGES)))
    return Store(path, size)


def _loader(method: Method, schema: LabelSchema, images: Store | ResidentImages, batch_size: int) -> Loader:
    labels = _labels(schema, np.random.default_rng(0))
    kinds = method.batches(schema.name, torch.from_numpy(labels))
    share = {"rank": ranks.rank(), "world_size": ranks.world_size()}
    return Loader(images, labels, range(IMAGES), batch_size=batch_size, seed=(0,), kinds=kinds, **share)


def _labels(schema: LabelSchema, rng: np.random.Generator) -> NDArray[np.float32]:
    labels = rng.integers(0, 2, (IMAGES, schema.dim)).astype(np.float32)
    for attribute, part in schema.parts:
        if attribute.one_hot:
            labels[:, part] = np.eye(attribute.size, dtype=np.float32)[rng.integers(0, attribute.size, IMAGES)]
    return labels


@dataclass(frozen=True, slots=True)
class Throughput:
    """The speed of a training.

    Attributes:
        setup: seconds that the first steps take longer, since networks may be compiled then.
        step: mean seconds per step.
        save: seconds per checkpoint with its sheet.
    """

    setup: float
    step: float
    save: float


def measure_throughput(config: Config, plugins: PluginManager, device: torch.device) -> Throughput:
    """Trains for some seconds at several points of a run, on its own data. Only decoded images stay on disk.

    Args:
        config: the complete configuration.
        plugins: have the configuration's components.
        device: the device to train on.

    Raises:
        RequestError: if the run cannot begin.
    """
    training = config.training.model_copy(update={"steps": STEPS, "epochs": None, "trackers": []})
    plan = Plan.make(config.model_copy(update={"training": training}), plugins)
    stores = decode(plan.config, plan.sources)
    plan.check_readable(stores, device)
    with tempfile.TemporaryDirectory() as folder:
        quiet, run = Progress(Console(quiet=True)), RunFolder(Path(folder))
        with plan.trainer(run, stores, device, plugins, quiet) as trainer:
            return _throughput(trainer)


def _throughput(trainer: Trainer) -> Throughput:
    setup, rates = 0.0, []
    for point in range(POINTS):
        trainer.step = int((point + 0.5) / POINTS * STEPS)
        warm, count = _timed(trainer, 0.0)
        seconds, taken = _timed(trainer, SECONDS)
        rates.append(seconds / taken)
        setup += max(0.0, warm - count * rates[-1])
    start = time.perf_counter()
    trainer.draw_sample()
    trainer.save()
    if trainer.run:
        trainer.run.checkpoints.wait()
    return Throughput(setup, sum(rates) / POINTS, time.perf_counter() - start)


def _timed(trainer: Trainer, at_least: float) -> tuple[float, int]:
    """Trains whole cycles of the method's phases for `at_least` seconds, and returns the seconds and steps."""
    start, taken = time.perf_counter(), 0
    while not taken or time.perf_counter() - start < at_least:
        cycle(trainer)
        taken += trainer.cycle_steps
        wait_for(trainer.device)
    return time.perf_counter() - start, taken
