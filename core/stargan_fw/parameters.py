"""How many parameters everything takes that a method trains for all domains (the last column of Table 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from stargan_fw.components import build_method

if TYPE_CHECKING:
    from torch import nn

    from stargan_fw.config import Config
    from stargan_fw.interfaces import Method
    from stargan_fw.plugin_manager import PluginManager
    from stargan_fw_registry import LabelSpace


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
        """Parameters for all domains."""
        return sum(self.networks.values())

    @property
    def per_model(self) -> float:
        """Parameters of one model, generator and discriminator, as the paper counts them."""
        return self.total / self.models

    def __str__(self) -> str:
        return f"{self.per_model / 1e6:.1f} M × {self.models}"  # noqa: RUF001 - as the paper writes it


def parameters(network: nn.Module) -> int:
    """Returns how many numbers a network has learned."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_parameters(method: Method) -> ParameterCount:
    """Counts a method's networks without those that are no part of a model (`Method.auxiliary`)."""
    counted = {name: parameters(network) for name, network in method.networks.items() if name not in method.auxiliary}
    return ParameterCount({name: count for name, count in counted.items() if count}, method.models)


def parameters_of(config: Config, space: LabelSpace, plugins: PluginManager) -> ParameterCount:
    """Counts what a complete configuration would train on these labels; nothing is allocated.

    Raises:
        ConfigError: a network cannot work at the configured image size.
    """
    with torch.device("meta"):
        return count_parameters(build_method(config, space, plugins))
