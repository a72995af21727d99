"""Builds the components that a configuration names."""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from stargan_fw.component_kinds import CONFIG_TABLES
from stargan_fw.config_layers import with_source
from stargan_fw.errors import ConfigError, PluginError, Refusals
from stargan_fw.options import OptionError, check_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import nn

    from stargan_fw.config import ComponentConfig, Config, DatasetConfig
    from stargan_fw.config_layers import Layer
    from stargan_fw.interfaces import AdversarialLoss, Discriminator, Embedding, Generator, Method
    from stargan_fw.plugin_manager import PluginManager
    from stargan_fw_registry import LabelSpace


NETWORK_ARGUMENTS = ("image_size", "label_dim")  # which the method passes, so they are no options
MOST_LISTED = 12  # plugin files in a message


def complete(
    config: Config, plugins: PluginManager, layers: Sequence[Layer] = (), refusals: Refusals | None = None
) -> Config:
    """Returns the configuration with the names and all options of its components filled in.

    Args:
        config: the merged configuration.
        plugins: the registered components.
        layers: the layers that were merged; messages name the layer that has the mistake.
        refusals: gathers that batches are too small, which is then said with what else is wrong; None raises it.

    Raises:
        ConfigError: if a component or dataset has an unknown option, or batches are too small for the method.
        UnknownNameError: if no plugin registers a component or dataset.
    """
    check_dataset_options(config, plugins, layers)
    try:
        completed = complete_model(config, plugins)
    except OptionError as error:
        raise with_source(layers, error.path, str(error)) from None
    with refusals.gather() if refusals else nullcontext():
        _check_batch_size(completed, plugins, layers)
    return completed


def _check_batch_size(config: Config, plugins: PluginManager, layers: Sequence[Layer]) -> None:
    method: type[Method] = plugins.index("method").get(str(config.method.name))
    size, least = config.training.batch_size, method.min_batch_size
    if size < least:
        message = f"training.batch_size = {size}: {method.min_batch_reason}. Use {least} or more."
        raise with_source(layers, ("training", "batch_size"), message)


def check_dataset_options(config: Config, plugins: PluginManager, layers: Sequence[Layer] = ()) -> None:
    """Checks the options of the datasets, and raises the same errors as `complete`."""
    try:
        for alias, table in config.datasets.items():
            dataset_options(alias, table, plugins)
    except OptionError as error:
        raise with_source(layers, error.path, str(error)) from None


def dataset_options(alias: str, table: DatasetConfig, plugins: PluginManager) -> dict[str, Any]:
    """Returns all options to construct a dataset's plugin with.

    Raises:
        OptionError: if an option is unknown, or its value has the wrong type.
        UnknownNameError: if no plugin of that name is registered.
    """
    kind = plugins.index("dataset").get(table.plugin)
    return check_options(kind, table.options, f"datasets.{alias}", other_keys=type(table).model_fields)


def model_components(config: Config) -> list[tuple[str, str]]:
    """Returns kind and name of the components that a run's model is built of."""
    tables = {kind: getattr(config, kind) for kind in CONFIG_TABLES}
    return [(kind, table.name) for kind, table in tables.items() if table.name]


def data_components(config: Config) -> list[tuple[str, str]]:
    """Returns kind and name of the components that read a run's data."""
    return [("dataset", table.plugin) for table in config.datasets.values()]


def all_components(config: Config) -> list[tuple[str, str]]:
    """Returns kind and name of everything that a run is trained with."""
    trackers = [("tracker", name) for name in config.training.trackers]
    return [*model_components(config), *data_components(config), *trackers]


def check_plugins_named(
    needed: Iterable[tuple[str, str]], config: Config, plugins: PluginManager, folder: Path
) -> None:
    """Raises PluginError if a run needs plugin files that its folder names and the user does not.

    A folder may come from anybody, so no file that it names is ever run. If the components are registered anyway, because
    they are installed or the user named their files, nothing needs saying.

    Args:
        needed: kind and name of the components.
        config: the run's configuration, which names the files.
        plugins: the plugins, with those files that the user named.
        folder: the run folder.
    """
    named = {Path(report.name).resolve() for report in plugins.reports if report.source == "file"}
    files = [file for file in config.plugins if Path(file).resolve() not in named]
    if not files or all(name in plugins.index(kind) for kind, name in needed):
        return
    names = ", ".join(Path(file).name for file in files[:MOST_LISTED])
    listed = names + (f" and {len(files) - MOST_LISTED} more" if files[MOST_LISTED:] else "")
    options = " ".join(f"--plugin {shlex.quote(file)}" for file in files[:MOST_LISTED])
    one = len(files) == 1
    raise PluginError(
        f"The run '{folder}' was trained with the plugin {'file' if one else 'files'} {listed}. Files that a folder names "
        f"are never run by themselves; name {'it if you trust it' if one else 'those that you trust'}: {options}"
    )


def complete_model(config: Config, plugins: PluginManager) -> Config:
    """Returns the configuration with the names and all options of the model's components filled in; raises as `complete`."""
    method = _complete(plugins, "method", config.method)
    defaults = plugins.index("method").get(str(method.name)).components
    tables = {kind: _complete(plugins, kind, getattr(config, kind), name) for kind, name in defaults.items()}
    return config.model_copy(update={"method": method, **tables})


def _complete(plugins: PluginManager, kind: str, table: ComponentConfig, default: str | None = None) -> ComponentConfig:
    name = table.name or default
    if name is None:
        presets = ", ".join(plugins.index("preset").names())
        raise ConfigError(
            f"The configuration has no {kind}.name. Name a preset, which has one, with --preset: {presets}."
        )
    options = check_options(plugins.index(kind).get(name), table.options, kind, NETWORK_ARGUMENTS)
    return type(table)(name=name, **options)


class Components:
    """The `ComponentBuilder` of a complete configuration."""

    def __init__(self, config: Config, plugins: PluginManager) -> None:
        self._config = config
        self._plugins = plugins

    def generator(self, *, image_size: int, label_dim: int) -> Generator:
        return cast("Generator", self._build("generator", image_size=image_size, label_dim=label_dim))

    def discriminator(self, *, image_size: int, label_dim: int) -> Discriminator:
        return cast("Discriminator", self._build("discriminator", image_size=image_size, label_dim=label_dim))

    def loss(self) -> AdversarialLoss:
        return cast("AdversarialLoss", self._build("loss"))

    def embedding(self, *, image_size: int, label_dim: int) -> Embedding:
        return cast("Embedding", self._build("embedding", image_size=image_size, label_dim=label_dim))

    def _build(self, kind: str, **arguments: Any) -> Any:
        table: ComponentConfig = getattr(self._config, kind)
        index = self._plugins.index(kind)
        if table.name is None:
            raise ConfigError(f"The method needs a {kind}. Set {kind}.name; there are: {', '.join(index.names())}.")
        return index.get(table.name)(**arguments, **table.options)


def check_networks(config: Config, plugins: PluginManager) -> None:
    """Raises ConfigError if a network cannot work at the configured image size. Needs no data, and allocates no memory."""
    import torch  # noqa: PLC0415 - as below

    build = Components(config, plugins)
    with torch.device("meta"):
        for kind, network in (("generator", build.generator), ("discriminator", build.discriminator)):
            if getattr(config, kind).name:
                network(image_size=config.data.image_size, label_dim=1)


def build_method(config: Config, space: LabelSpace, plugins: PluginManager) -> Method:
    """Builds the method of a complete configuration, with networks initialised from torch's global random state.

    Raises:
        ConfigError: if a network cannot work at the configured image size.
    """
    method: type[Method] = plugins.index("method").get(str(config.method.name))
    return method(space, config.data.image_size, Components(config, plugins), **config.method.options)


@dataclass(frozen=True, slots=True)
class ParameterCount:
    """The number of trained parameters of a method.

    Attributes:
        networks: parameters per network, summed over all models.
        models: number of models of the same size.
    """

    networks: dict[str, int]
    models: int

    @property
    def total(self) -> int:
        return sum(self.networks.values())

    @property
    def per_model(self) -> float:
        """Parameters of one model, such as one generator and one discriminator."""
        return self.total / self.models

    def __str__(self) -> str:
        return f"{self.per_model / 1e6:.1f} M × {self.models}"  # noqa: RUF001 - a multiplication sign


def parameter_count(network: nn.Module) -> int:
    """Returns the number of trained parameters of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_parameters(method: Method) -> ParameterCount:
    """Counts the parameters of a method's networks, except for auxiliary ones (`Method.auxiliary`)."""
    counted = {
        name: parameter_count(network) for name, network in method.networks.items() if name not in method.auxiliary
    }
    return ParameterCount({name: count for name, count in counted.items() if count}, method.model_count)


def count_config_parameters(config: Config, space: LabelSpace, plugins: PluginManager) -> ParameterCount:
    """Counts the parameters that a complete configuration would train on these labels, without allocating memory.

    Raises:
        ConfigError: if a network cannot work at the configured image size.
    """
    import torch  # noqa: PLC0415 - takes seconds, and not every command that reads a configuration needs it

    with torch.device("meta"):
        return count_parameters(build_method(config, space, plugins))
