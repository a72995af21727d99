"""A method to try: small networks, two datasets that it cannot know, and batches as the loader makes them."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from stargan_fw.components import build_method, complete
from stargan_fw.config_layers import Layer, merge
from stargan_fw.errors import ConfigError
from stargan_fw.interfaces import Batch
from stargan_fw.options import options_model
from stargan_fw.training.optimisation import PhaseOptimizer
from stargan_fw_registry import Binary, Categorical, Exclusive, LabelSchema, LabelSpace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stargan_fw import Method
    from stargan_fw.config import Config
    from stargan_fw_scaffold.faults import Given
    from stargan_fw_scaffold.target import Found

SCHEMAS = (
    LabelSchema("beasts", [Categorical("species", ["cat", "dog", "owl"]), Binary("young")]),
    LabelSchema("coats", [Exclusive("coat", ["black", "white"])]),
)
IMAGES = 12  # training images of each dataset
PROGRESS = (0.0, 0.95)  # a method may be at another stage at the end of a run
SIZES = (32, 64, 128, 256)  # the smallest that the method accepts is tried
SMALL = {"conv_dim": 4, "width": 4, "repeat_num": 1, "hidden_dim": 16, "z_dim": 8, "pool_size": 3}
LEFT_TO_SIZE = {"discriminator": "repeat_num"}  # which follows the image's size if it is left out


class MethodSubject:
    """A method with its default components, all of them small."""

    def __init__(self, found: Found, given: Given) -> None:
        self.name, self.plugins = found.name, found.plugins
        self.kind: Any = found.item
        self.options = {**SMALL, **(given.options or {})}

    @cached_property
    def size(self) -> int:
        """The side of the images in pixels."""
        for size in SIZES[:-1]:
            with suppress(ConfigError), torch.device("meta"):
                build_method(self._config(size), LabelSpace(SCHEMAS), self.plugins)
                return size
        return SIZES[-1]

    def _config(self, size: int) -> Config:
        tables: dict[str, dict[str, Any]] = {"method": {"name": self.name}, "data": {"image_size": size}}
        for kind, default in self.kind.components.items():
            tables[kind] = {"name": self._available(kind, default)}
        for kind, table in tables.items():
            if kind != "data":
                known = options_model(self.plugins.index(kind).get(table["name"])).model_fields
                own = {name: value for name, value in self.options.items() if name in known}
                own.pop(LEFT_TO_SIZE.get(kind, ""), None)
                table.update(own)
        batch_size = max(16, self.kind.min_batch_size)
        return complete(merge([Layer("check", {**tables, "training": {"batch_size": batch_size}})]), self.plugins)

    def _available(self, kind: str, default: str) -> str:
        """Returns another embedding than the default, whose weights may have to be downloaded."""
        return "classifier" if kind == "embedding" and "classifier" in self.plugins.index(kind) else default

    def build(self, space: LabelSpace | None = None) -> Method:
        """Builds the method anew, with the same weights each time; none of them is where its gradient would be zero."""
        torch.manual_seed(0)
        method = build_method(self._config(self.size), space or LabelSpace(SCHEMAS), self.plugins)
        method.prepare()
        with torch.no_grad():  # a network may begin with the identity, which learns at its last layer alone
            for network in method.networks.values():
                for parameter in network.parameters():
                    parameter.add_(0.02 * torch.randn_like(parameter))
        return method

    def build_empty(self) -> Method:
        """Builds the method without memory for its weights, as models are opened."""
        with torch.device("meta"):
            return build_method(self._config(self.size), LabelSpace(SCHEMAS), self.plugins)

    def images(self, count: int, seed: int = 0) -> Tensor:
        """Returns random images (count, 3, H, W) in [-1, 1]."""
        return torch.rand(count, 3, self.size, self.size, generator=torch.Generator().manual_seed(seed)) * 2 - 1

    def batches(self, method: Method, seed: int = 0) -> list[Batch]:
        """Returns batches of each dataset, kind and stage. The method knows all labels before the first, as in a training."""
        return [
            batch
            for dataset in method.space.datasets
            for progress in PROGRESS
            for batch in self._batches_of(method, dataset, progress, seed)
        ]

    def _batches_of(self, method: Method, dataset: str, progress: float, seed: int) -> Iterator[Batch]:
        every = labels_of(dataset)
        for kind, sets in enumerate(method.batches(dataset, every)):
            share = max(4, method.min_batch_size) // len(sets)
            chosen = torch.cat([indices.repeat(share)[:share] for indices in sets])
            yield Batch(self.images(len(chosen), seed + kind), every[chosen], dataset, kind, progress)


def labels_of(dataset: str, count: int = IMAGES) -> Tensor:
    """Returns labels of `count` images, among which every value is."""
    numbers = torch.arange(count)
    if dataset == "coats":
        return torch.eye(2)[numbers % 2]
    return torch.cat([torch.eye(3)[numbers % 3], (numbers[:, None] % 2).float()], dim=1)


def due(method: Method) -> set[str]:
    """Returns the names of all phases."""
    return {phase.name for phase in method.phases}


def optimizers_of(method: Method) -> dict[str, PhaseOptimizer]:
    """Returns the optimiser of each phase; phases that share one have the same."""
    own = {
        phase.name: PhaseOptimizer(phase, method, (0.5, 0.999))
        for phase in method.phases
        if not isinstance(phase.optimizer, str)
    }
    return {
        phase.name: own[phase.optimizer if isinstance(phase.optimizer, str) else phase.name] for phase in method.phases
    }


def state_of(method: Method) -> dict[str, Tensor]:
    """Returns a copy of all that a checkpoint would hold of the networks, as "network/tensor"."""
    return {
        f"{name}/{key}": value.detach().clone()
        for name, network in method.networks.items()
        for key, value in network.state_dict().items()
    }


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> list[str]:
    """Returns the names of the tensors that differ."""
    return [name for name, value in before.items() if not torch.equal(value, after[name])]
