"""Training as `train` does it, on noise: the real trainer, loader and store without anybody's data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from stargan_fw.components import build_method
from stargan_fw.compute.machine import Precision
from stargan_fw.data.loader import Loader
from stargan_fw.data.store import Store, write_store
from stargan_fw.rendering.sheets import SampleSheet
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.training.dataset_schedule import STRATEGIES
from stargan_fw.training.optimisation import LinearDecay
from stargan_fw.training.trainer import Trainer
from stargan_fw_registry import Binary, Categorical, LabelSchema, LabelSpace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from stargan_fw.config import Config
    from stargan_fw.interfaces import Method
    from stargan_fw.plugin_manager import PluginManager

IMAGES = 256  # of each dataset: enough that reading is not from one page
STEPS = 10**6  # of the schedule: the rate must not decay while it is measured


def rehearse(
    config: Config, plugins: PluginManager, labels: Sequence[int], device: torch.device, folder: Path
) -> Trainer:
    """Returns a trainer on noise, whose networks are not compiled yet.

    Args:
        config: complete, as `stargan_fw.components.complete` returns it; its datasets are not used.
        plugins: that have its components.
        labels: how many the datasets have: the first dataset's are binary, the others' one category each.
        device: to train on.
        folder: for the stores of noise.

    Raises:
        ConfigError: a network cannot work at the configured size.
    """
    space = LabelSpace([_schema(number, count) for number, count in enumerate(labels)])
    training = config.training
    torch.manual_seed(training.seed)
    method = build_method(config, space, plugins)
    method.prepare()
    for network in method.networks.values():
        network.to(device)
    loaders = {name: _loader(method, space.schema(name), config, folder) for name in space.datasets}
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


def cycle(trainer: Trainer) -> int:
    """Trains for one cycle of the method's phases, and returns the number of images of those steps."""
    for _ in range(trainer.cycle_steps):
        trainer.step += 1
        trainer.update(trainer.load())
    return trainer.cycle_steps * trainer.config.batch_size


def _schema(number: int, count: int) -> LabelSchema:
    names = [f"label{position}" for position in range(count)]
    attributes = [Binary(name) for name in names] if number == 0 else [Categorical("category", names)]
    return LabelSchema(f"dataset{number}", attributes)


def _loader(method: Method, schema: LabelSchema, config: Config, folder: Path) -> Loader:
    rng, size = np.random.default_rng(0), config.data.image_size
    path = folder / f"{schema.name}.arrow"
    write_store(path, (rng.bytes(size * size * 3) for _ in range(IMAGES)))
    store = Store(path, size)
    labels = _labels(schema, rng)
    kinds = method.batches(schema.name, torch.from_numpy(labels))
    return Loader(store, labels, range(IMAGES), batch_size=config.training.batch_size, seed=(0,), kinds=kinds)


def _labels(schema: LabelSchema, rng: np.random.Generator) -> NDArray[np.float32]:
    labels = rng.integers(0, 2, (IMAGES, schema.dim)).astype(np.float32)
    for attribute, part in schema.parts:
        if attribute.one_hot:
            labels[:, part] = np.eye(attribute.size, dtype=np.float32)[rng.integers(0, attribute.size, IMAGES)]
    return labels
