"""The interface for commands and programs: configuring and training runs, and drawing with them.

The public interface consists of `__all__` of this module, the exports of `stargan_fw`, and `stargan_fw.errors`. The rest of
core may change without notice. This module imports torch, so a command imports this module inside its function.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stargan_fw.components import ParameterCount, complete, count_config_parameters
from stargan_fw.compute.machine import choose_device, wait_for
from stargan_fw.config import Config
from stargan_fw.config_layers import Layer
from stargan_fw.data.source import build_dataset, open_sources
from stargan_fw.errors import DataError
from stargan_fw.files import check_format, check_writable, write_text
from stargan_fw.inference.figures import FigureRow, draw_figure
from stargan_fw.interfaces import DrawsStandIn
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.rendering.pictures import data_uri, scale_pixels
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.stop_signals import Stopped
from stargan_fw.training.plan import Plan, compile_trained
from stargan_fw.training.progress import show_progress
from stargan_fw.training.run_changes import check_same_run
from stargan_fw.training.session import run_training
from stargan_fw.training.train_request import TrainRequest, data_request
from stargan_fw.training.trainer import Trainer
from stargan_fw_registry import LabelSchema, LabelSpace

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from rich.console import Console

    from stargan_fw import Tracker

__all__ = [
    "Config",
    "FigureRow",
    "Layer",
    "ParameterCount",
    "PluginManager",
    "RunFolder",
    "Stopped",
    "Trainer",
    "Training",
    "check_datasets",
    "check_format",
    "check_same_run",
    "check_writable",
    "choose_device",
    "compile_trained",
    "configure_layers",
    "count_parameters",
    "data_uri",
    "draw_figure",
    "prepare_training",
    "scale_pixels",
    "show_progress",
    "wait_for",
    "write_text",
]


def configure_layers(
    layers: Sequence[Layer], *, datasets: str | None = None, preset: str | None = None
) -> tuple[Config, PluginManager]:
    """Returns a complete configuration and its plugins.

    Args:
        layers: later layers override earlier ones. `stargan_fw.cli.command_options.configuration_layers` makes them from a
            command's options.
        datasets: in the format of `--datasets`; None keeps the datasets of the layers.
        preset: the name of the preset; None is the default preset.

    Raises:
        RequestError: if a preset, key, value, component or dataset is unknown, or a plugin file cannot be used.
    """
    config, plugins = data_request(layers, datasets=datasets, preset=preset)
    return complete(config, plugins, layers), plugins


def check_datasets(config: Config, plugins: PluginManager) -> None:
    """Raises DataError if a dataset of the configuration is missing or broken."""
    for alias, table in config.datasets.items():
        dataset = build_dataset(alias, table, config.data.path, plugins)
        if isinstance(dataset, DrawsStandIn) and not dataset.root.exists():
            raise DataError(
                f"There is no dataset '{alias}' at '{dataset.root}'. Put it there, name its folder with --data, or draw "
                f"stand-in data: stargan-fw data sample {config.data.path}"
            )
    open_sources(config, plugins)


def count_parameters(config: Config, plugins: PluginManager) -> ParameterCount:
    """Counts the parameters that a complete configuration would train, without reading data or allocating memory.

    Raises:
        ConfigError: if a network cannot work at the configured image size.
    """
    tables = config.datasets.items()
    datasets = {alias: build_dataset(alias, table, config.data.path, plugins) for alias, table in tables}
    space = LabelSpace([LabelSchema(alias, list(dataset.attributes)) for alias, dataset in datasets.items()])
    return count_config_parameters(config, space, plugins)


@dataclass(frozen=True)
class Training:
    """A checked training that is ready to start, or to resume from its last checkpoint. It has written nothing yet."""

    _plan: Plan
    _request: TrainRequest

    @property
    def steps(self) -> int:
        """Length of the whole run, in updates of the discriminator."""
        return self._plan.steps

    @property
    def resumes(self) -> bool:
        """Whether the run folder has a checkpoint to resume from."""
        return self._request.resume

    def run(self, device: torch.device, console: Console, observers: Sequence[Tracker] = ()) -> None:
        """Trains to the end.

        Args:
            device: the device to train on.
            console: the console that shows progress.
            observers: trackers to notify besides the configured ones.

        Raises:
            RequestError: if the data cannot be used, or differs from the data that the run began with.
        """
        if not self.resumes:
            self._request.run.cut_metrics(0)  # a run that stopped before its first checkpoint may have left some
        run_training(console, self._plan, self._request, device, observers=observers)


def prepare_training(config: Config, plugins: PluginManager, run: RunFolder) -> Training:
    """Checks a complete configuration against the data and the run folder, which may hold a part of the run.

    Raises:
        RequestError: if the data cannot be used, or differs from the data that the run began with.
    """
    resume = run.holds_run and bool(run.checkpoints.paths())
    plan = Plan.make(config, plugins, run.splits() if resume else None)
    request = TrainRequest(plan.config, plugins, run, resume=resume)
    request.check_data(plan.space, plan.sources)
    return Training(plan, request)
