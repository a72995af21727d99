"""From checkpoints of another implementation to a model folder."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from stargan_fw.components import complete, dataset_options
from stargan_fw.config import ComponentConfig, Config, DataConfig
from stargan_fw.data.source import build_dataset, check_named
from stargan_fw.errors import ConfigError, ModelError, one_line
from stargan_fw.interfaces import LabelledNetwork
from stargan_fw.models.adoption import move_labels
from stargan_fw.models.loading import build
from stargan_fw.options import options_model
from stargan_fw_registry import LabelSchema, LabelSpace
from stargan_fw_share import Facts, check_free, describe_model, write_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import nn

    from stargan_fw.plugin_manager import PluginManager
    from stargan_fw_import import ImportedNetwork, Importer

DEFAULT_SIZE = 128  # pixels


@dataclass(frozen=True)
class ForeignCheckpoint:
    """A checkpoint of another implementation, the importer that can read it, and what the importer made of it."""

    path: Path
    importer: Importer
    network: ImportedNetwork

    @classmethod
    def read(cls, path: Path, kind: Literal["generator", "discriminator"], plugins: PluginManager) -> ForeignCheckpoint:
        """Reads a checkpoint with the first importer that knows its format. Other files raise ModelError."""
        weights = _read_tensors(path)
        importers: list[Importer] = [importer() for _, importer in plugins.index("importer").items()]
        for importer in importers:
            network = getattr(importer, f"read_{kind}")(weights)
            if network is not None:
                return cls(path, importer, network)
        known = ", ".join(importer.name for importer in importers)
        raise ModelError(f"'{path}' is no {kind} of an implementation that can be imported ({known}). Name another.")

    def check_labels(self, space: LabelSpace, expected: int) -> None:
        """Raises ModelError if the network was trained with another number of labels than expected."""
        if self.network.label_dim == expected:
            return
        sizes = ", ".join(f"{schema.dim} of {schema.name} ({', '.join(schema.names)})" for schema in space.schemas)
        mask = f" and {space.mask_dim} of the mask" if expected != space.label_dim else ""
        raise ModelError(
            f"'{self.path}' was trained with {self.network.label_dim} labels, and {', '.join(space.datasets)} have "
            f"{expected}: {sizes}{mask}. Name the datasets that it was trained on with --datasets, in their order, and "
            "the attributes with --attributes."
        )

    def load_into(self, network: nn.Module, order: Sequence[int]) -> None:
        """Gives a network, which may be on the meta device, the checkpoint's weights.

        Args:
            network: the network, built for the labels in this project's order.
            order: the position in the checkpoint of each of the network's labels.

        Raises:
            ModelError: the weights do not fit the network or are not finite, or their labels cannot be reordered.
        """
        try:
            network.load_state_dict(self._reorder(network, order), assign=True)
        except RuntimeError as error:
            reason = one_line(str(error))
            raise ModelError(
                f"'{self.path}' does not fit the network '{self.network.name}': {reason}. Name another."
            ) from None
        if not all(value.isfinite().all() for value in self.network.weights.values()):
            raise ModelError(f"'{self.path}' has values that are not finite. Name an earlier checkpoint.")

    def _reorder(self, network: nn.Module, order: Sequence[int]) -> dict[str, Tensor]:
        weights = dict(self.network.weights)
        if list(order) == sorted(order):
            return weights
        axes = network.label_axes() if isinstance(network, LabelledNetwork) else None
        if axes is None:
            raise ModelError(
                f"The network '{self.network.name}' does not say where its labels are (label_axes), so those of "
                f"'{self.path}' cannot be reordered. Name the members of a group one after another."
            )
        moved = {name: move_labels(weights[name], *place, order) for name, place in axes.items() if name in weights}
        return weights | moved


def import_model(
    generator: Path,
    target: Path,
    config: Config,
    plugins: PluginManager,
    *,
    discriminator: Path | None = None,
    image_size: int | None = None,
) -> None:
    """Writes a model folder of another implementation's checkpoints.

    Args:
        generator: the generator's checkpoint.
        target: the folder, which appears whole or not at all.
        config: names the datasets that the model was trained on, in the order of its labels.
        plugins: where the importers and networks are.
        discriminator: the discriminator's checkpoint, if the model should read current labels with it.
        image_size: side in pixels that the model was trained at; None takes the discriminator's, or else 128.

    Raises:
        ModelError: a file is no such checkpoint, or has other labels than the datasets.
        ConfigError: the datasets cannot be read.
    """
    check_free(target)
    checkpoints = {"generator": ForeignCheckpoint.read(generator, "generator", plugins)}
    if discriminator:
        checkpoints["discriminator"] = ForeignCheckpoint.read(discriminator, "discriminator", plugins)
    space, order = _label_space(config, plugins)
    for kind, checkpoint in checkpoints.items():
        checkpoint.check_labels(space, space.dim if kind == "generator" else space.label_dim)
    importer, size = checkpoints["generator"].importer, _image_size(checkpoints.get("discriminator"), image_size)
    tables = {kind: ComponentConfig(name=one.network.name, **one.network.options) for kind, one in checkpoints.items()}
    tables["method"] = ComponentConfig(name=importer.method)
    config = complete(config.model_copy(update={"data": DataConfig(image_size=size), **tables}), plugins)
    described = describe_model(config, space, plugins)
    method = build(described, plugins, generator)
    for kind, checkpoint in checkpoints.items():
        mask = range(space.label_dim, space.dim) if kind == "generator" else ()
        checkpoint.load_into(method.networks[kind], [*order, *mask])
    facts = Facts(target.resolve().name, f"Its weights were imported from {importer.name}.")
    write_model(target, described, method, list(checkpoints), facts)


def with_attributes(config: Config, attributes: list[str], plugins: PluginManager) -> Config:
    """Sets the attributes of the only dataset that has this option. If none or several have it, raises ConfigError."""
    kinds = {alias: plugins.index("dataset").get(table.plugin) for alias, table in config.datasets.items()}
    able = [alias for alias, kind in kinds.items() if "attributes" in options_model(kind).model_fields]
    if len(able) != 1:
        raise ConfigError(
            f"--attributes says which attributes one dataset has, and {len(able)} of {', '.join(kinds)} can choose them. "
            "Use --set 'datasets.<name>.attributes=[…]'."
        )
    chosen = config.datasets[able[0]].model_copy(update={"attributes": attributes})
    return config.model_copy(update={"datasets": {**config.datasets, able[0]: chosen}})


def _label_space(config: Config, plugins: PluginManager) -> tuple[LabelSpace, list[int]]:
    """Returns the datasets' label space, and the position in the checkpoint of each label. Images need not be there.

    A dataset brings the members of an exclusive group together; the checkpoint's labels are in the order of the options.
    """
    check_named(config, plugins)
    schemas: list[LabelSchema] = []
    order: list[int] = []
    for alias, table in config.datasets.items():
        schema = LabelSchema(alias, list(build_dataset(alias, table, config.data.path, plugins).attributes))
        written = _written_order(schema, dataset_options(alias, table, plugins))
        order += [len(order) + position for position in map(written.index, schema.names)]
        schemas.append(schema)
    return LabelSpace(schemas), order


def _written_order(schema: LabelSchema, options: Mapping[str, Any]) -> Sequence[str]:
    """Returns the dataset's labels in the order of the option that lists them, or else in the schema's."""
    lists = [value for value in options.values() if isinstance(value, list) and all(isinstance(v, str) for v in value)]
    return next((names for names in lists if sorted(names) == sorted(schema.names)), schema.names)


def _read_tensors(path: Path) -> Mapping[str, Tensor]:
    """Reads torch's own format; nothing but tensors is unpickled."""
    if not path.is_file():
        raise ModelError(f"The checkpoint '{path}' does not exist. Check its path.")
    try:
        with warnings.catch_warnings(
            action="ignore"
        ):  # about unusual pickles: the error below says what cannot be read
            weights = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, KeyError, AttributeError):
        # Torch's own message would tell the user to switch the protection off.
        raise ModelError(
            f"'{path}' is no checkpoint of tensors alone, and nothing else is read, since it could run code. Save the "
            "network's state_dict() in it."
        ) from None
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()
    ):
        raise ModelError(
            f"'{path}' is no checkpoint of one network: it holds something else than named tensors. Save the network's "
            "state_dict() in it."
        )
    return weights


def _image_size(discriminator: ForeignCheckpoint | None, requested: int | None) -> int:
    found = discriminator.network.image_size if discriminator else None
    if discriminator and found and requested and found != requested:
        raise ModelError(f"'{discriminator.path}' is for images of {found} pixels. Leave --image-size out.")
    return found or requested or DEFAULT_SIZE
