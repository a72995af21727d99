"""Builds what a configuration names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stargan_fw.config import with_source
from stargan_fw.errors import ConfigError
from stargan_fw.options import OptionError, check_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from stargan_fw.config import ComponentConfig, Config, DatasetConfig, Layer
    from stargan_fw.interfaces import AdversarialLoss, Discriminator, Embedding, Generator, Method
    from stargan_fw.plugin_manager import PluginManager
    from stargan_fw_registry import LabelSpace


GIVEN = ("image_size", "label_dim")  # what the method gives its networks


def complete(config: Config, plugins: PluginManager, layers: Sequence[Layer] = ()) -> Config:
    """Returns the configuration with every component named and every option of it spelled out.

    Args:
        config: merged.
        plugins: where the components are.
        layers: that it was merged from, to say where a mistake comes from.

    Raises:
        ConfigError: an unknown option of a component or dataset, or batches that are too small for the method.
        UnknownNameError: a component or dataset that nobody registers.
    """
    check_dataset_options(config, plugins, layers)
    try:
        completed = _completed(config, plugins)
    except OptionError as error:
        raise with_source(layers, error.path, str(error)) from None
    _check_batch_size(completed, plugins, layers)
    return completed


def _check_batch_size(config: Config, plugins: PluginManager, layers: Sequence[Layer]) -> None:
    method: type[Method] = plugins.index("method").get(str(config.method.name))
    size, least = config.training.batch_size, method.min_batch_size
    if size < least:
        message = f"training.batch_size = {size}: {method.min_batch_reason}. Use {least} or more."
        raise with_source(layers, ("training", "batch_size"), message)


def check_dataset_options(config: Config, plugins: PluginManager, layers: Sequence[Layer] = ()) -> None:
    """Raises what `complete` does about datasets."""
    try:
        for alias, table in config.datasets.items():
            dataset_options(alias, table, plugins)
    except OptionError as error:
        raise with_source(layers, error.path, str(error)) from None


def dataset_options(alias: str, table: DatasetConfig, plugins: PluginManager) -> dict[str, Any]:
    """Returns the options that a dataset's plugin is constructed with.

    Raises:
        OptionError: one is unknown, or its value has the wrong type.
        UnknownNameError: nobody registers the plugin.
    """
    kind = plugins.index("dataset").get(table.plugin)
    return check_options(kind, table.options, f"datasets.{alias}", beside=type(table).model_fields)


def _completed(config: Config, plugins: PluginManager) -> Config:
    method = _complete(plugins, "method", config.method)
    defaults = plugins.index("method").get(str(method.name)).components
    tables = {kind: _complete(plugins, kind, getattr(config, kind), name) for kind, name in defaults.items()}
    return config.model_copy(update={"method": method, **tables})


def _complete(plugins: PluginManager, kind: str, table: ComponentConfig, default: str | None = None) -> ComponentConfig:
    name = table.name or default
    if name is None:
        presets = ", ".join(plugins.index("preset").names())
        raise ConfigError(
            f"The configuration has no {kind}.name. A preset gives one: name one of {presets} with --preset."
        )
    options = check_options(plugins.index(kind).get(name), table.options, kind, GIVEN)
    return type(table)(name=name, **options)


class Components:
    """The `ComponentBuilder` of a complete configuration."""

    def __init__(self, config: Config, plugins: PluginManager) -> None:
        self._config = config
        self._plugins = plugins

    def generator(self, *, image_size: int, label_dim: int) -> Generator:
        """Builds the generator of `[generator]`."""
        generator: Generator = self._build("generator", image_size=image_size, label_dim=label_dim)
        return generator

    def discriminator(self, *, image_size: int, label_dim: int) -> Discriminator:
        """Builds the discriminator of `[discriminator]`."""
        discriminator: Discriminator = self._build("discriminator", image_size=image_size, label_dim=label_dim)
        return discriminator

    def loss(self) -> AdversarialLoss:
        """Builds the adversarial loss of `[loss]`."""
        loss: AdversarialLoss = self._build("loss")
        return loss

    def embedding(self, *, image_size: int, label_dim: int) -> Embedding:
        """Builds the embedding of `[embedding]`."""
        embedding: Embedding = self._build("embedding", image_size=image_size, label_dim=label_dim)
        return embedding

    def _build(self, kind: str, **given: Any) -> Any:
        table: ComponentConfig = getattr(self._config, kind)
        if table.name is None:
            raise ConfigError(f"The method needs a {kind}, and the configuration has no {kind}.name.")
        return self._plugins.index(kind).get(table.name)(**given, **table.options)


def build_method(config: Config, space: LabelSpace, plugins: PluginManager) -> Method:
    """Builds the method with its networks, freshly initialised from torch's global random state.

    Args:
        config: a complete configuration.
        space: the joint label space.
        plugins: where the components are.

    Raises:
        ConfigError: a network cannot work at the configured image size.
    """
    kind = plugins.index("method").get(str(config.method.name))
    method: Method = kind(space, config.data.image_size, Components(config, plugins), **config.method.options)
    return method


@dataclass(frozen=True, slots=True)
class ParameterCount:
    """What `count_parameters` found.

    Attributes:
        networks: parameters by network, all models together.
        models: how many models of one size they are.
    """

    networks: dict[str, int]
    models: int

    @property
    def total(self) -> int:
        """Parameters of all models together."""
        return sum(self.networks.values())

    @property
    def per_model(self) -> float:
        """Parameters of one model, such as a generator and a discriminator."""
        return self.total / self.models

    def __str__(self) -> str:
        return f"{self.per_model / 1e6:.1f} M × {self.models}"  # noqa: RUF001 - a multiplication sign


def parameters(network: nn.Module) -> int:
    """Returns how many numbers a network has learned."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_parameters(method: Method) -> ParameterCount:
    """Counts a method's networks without those that are no part of a model (`Method.auxiliary`)."""
    counted = {name: parameters(network) for name, network in method.networks.items() if name not in method.auxiliary}
    return ParameterCount({name: count for name, count in counted.items() if count}, method.model_count)


def parameters_of(config: Config, space: LabelSpace, plugins: PluginManager) -> ParameterCount:
    """Counts what a complete configuration would train on these labels; nothing is allocated.

    Raises:
        ConfigError: a network cannot work at the configured image size.
    """
    import torch  # noqa: PLC0415 - takes seconds, and not every command that reads a configuration needs it

    with torch.device("meta"):
        return count_parameters(build_method(config, space, plugins))
