"""From a checkpoint of another implementation to a model folder."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from stargan_fw.components import complete
from stargan_fw.config import ComponentConfig, Config, DataConfig
from stargan_fw.data.source import build_dataset, check_named
from stargan_fw.errors import ConfigError, ModelError, one_line
from stargan_fw.models.card import Facts
from stargan_fw.models.loading import build
from stargan_fw.models.model_config import describe_model
from stargan_fw.models.model_folder import check_free, write_model
from stargan_fw.options import options_model
from stargan_fw_registry import LabelSchema, LabelSpace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stargan_fw.plugin_manager import PluginManager
    from stargan_fw_import import ImportedNetwork, Importer

USUAL_SIZE = 128  # pixels, where nothing tells


@dataclass(frozen=True)
class ForeignModel:
    """The checkpoint files of another implementation's model.

    Attributes:
        generator: of its generator.
        discriminator: of its discriminator, where there is one to read current labels with.
    """

    generator: Path
    discriminator: Path | None = None


def import_model(
    files: ForeignModel, target: Path, asked: Config, plugins: PluginManager, *, image_size: int | None = None
) -> None:
    """Writes a model folder of another implementation's checkpoints.

    Args:
        files: the checkpoints.
        target: the folder, which appears whole or not at all.
        asked: names the datasets that the model was trained on, in the order of its labels.
        plugins: where the importers and networks are.
        image_size: side in pixels that the model was trained at; None follows the discriminator, or is 128.

    Raises:
        ModelError: a file is no such checkpoint, or has other labels than the datasets.
        ConfigError: the datasets cannot be read.
    """
    check_free(target)
    importer, generator = _recognised(files.generator, "generator", plugins)
    critic = _recognised(files.discriminator, "discriminator", plugins)[1] if files.discriminator else None
    space = dataset_labels(asked, plugins)
    _check_labels(files.generator, generator.label_dim, space, space.dim)
    if critic and files.discriminator:
        _check_labels(files.discriminator, critic.label_dim, space, space.label_dim)
    size = _image_size(files, critic, image_size)
    config = asked.model_copy(update=_tables(importer, generator, critic, size))
    config = complete(config, plugins)
    described = describe_model(config, space, plugins)
    method = build(described, plugins, files.generator)
    networks = {"generator": (files.generator, generator)}
    if critic and files.discriminator:
        networks["discriminator"] = (files.discriminator, critic)
    for name, (path, network) in networks.items():
        _pour(method.networks[name], network, path)
    facts = Facts(
        target.resolve().name, f"Its weights were imported from {importer.name}.", classifier=critic is not None
    )
    write_model(target, described, method, list(networks), facts)


def dataset_labels(asked: Config, plugins: PluginManager) -> LabelSpace:
    """Returns the label space of the configured datasets, whose images need not be there.

    Raises:
        ConfigError: no dataset is named, or its options are unknown.
    """
    check_named(asked, plugins)
    datasets = {alias: build_dataset(alias, one, asked.data.path, plugins) for alias, one in asked.datasets.items()}
    return LabelSpace([LabelSchema(alias, list(dataset.attributes)) for alias, dataset in datasets.items()])


def with_attributes(asked: Config, attributes: list[str], plugins: PluginManager) -> Config:
    """Returns the configuration with the attributes of the one dataset whose attributes can be chosen.

    Raises:
        ConfigError: none or several of the datasets have that option.
    """
    kinds = {alias: plugins.index("dataset").get(table.plugin) for alias, table in asked.datasets.items()}
    able = [alias for alias, kind in kinds.items() if "attributes" in options_model(kind).model_fields]
    if len(able) != 1:
        raise ConfigError(
            f"--attributes says which attributes one dataset has, and {len(able)} of {', '.join(kinds)} can choose them. "
            "Use --set 'datasets.<name>.attributes=[…]'."
        )
    chosen = type(asked.datasets[able[0]]).model_validate(
        {**asked.datasets[able[0]].model_dump(), "attributes": attributes}
    )
    return asked.model_copy(update={"datasets": {**asked.datasets, able[0]: chosen}})


def _recognised(
    path: Path, kind: Literal["generator", "discriminator"], plugins: PluginManager
) -> tuple[Importer, ImportedNetwork]:
    """Reads a checkpoint with the first importer that knows it."""
    weights = _read(path)
    importers: list[Importer] = [importer() for _, importer in plugins.index("importer").items()]
    for importer in importers:
        network = getattr(importer, f"read_{kind}")(weights)
        if network is not None:
            return importer, network
    known = ", ".join(importer.name for importer in importers)
    raise ModelError(f"'{path}' is no {kind} of an implementation that can be imported ({known}).")


def _read(path: Path) -> Mapping[str, Tensor]:
    """Reads torch's own format; nothing but tensors is unpickled."""
    if not path.is_file():
        raise ModelError(f"The checkpoint '{path}' does not exist.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of strange pickles: what cannot be read is said below
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
        raise ModelError(f"'{path}' is no checkpoint of one network: it holds something else than named tensors.")
    return weights


def _check_labels(path: Path, count: int, space: LabelSpace, expected: int) -> None:
    if count == expected:
        return
    sizes = [f"{space.schema(name).dim} of {name} ({', '.join(space.schema(name).names)})" for name in space.datasets]
    mask = f" and {space.mask_dim} of the mask" if expected != space.label_dim else ""
    raise ModelError(
        f"'{path}' was trained with {count} labels, and {', '.join(space.datasets)} have {expected}: {', '.join(sizes)}"
        f"{mask}. Name the datasets that it was trained on with --datasets, in their order, and the attributes with "
        "--attributes."
    )


def _image_size(files: ForeignModel, critic: ImportedNetwork | None, asked: int | None) -> int:
    told = critic.image_size if critic else None
    if told and asked and told != asked:
        raise ModelError(f"'{files.discriminator}' is for images of {told} pixels. Leave --image-size out.")
    return told or asked or USUAL_SIZE


def _tables(
    importer: Importer, generator: ImportedNetwork, critic: ImportedNetwork | None, size: int
) -> dict[str, DataConfig | ComponentConfig]:
    tables: dict[str, DataConfig | ComponentConfig] = {
        "data": DataConfig(image_size=size),
        "method": ComponentConfig(name=importer.method),
        "generator": ComponentConfig(name=generator.name, **generator.options),
    }
    if critic:
        tables["discriminator"] = ComponentConfig(name=critic.name, **critic.options)
    return tables


def _pour(network: torch.nn.Module, imported: ImportedNetwork, path: Path) -> None:
    try:
        network.load_state_dict(dict(imported.weights), assign=True)
    except RuntimeError as error:
        raise ModelError(f"'{path}' does not fit the network '{imported.name}': {one_line(str(error))}") from None
    if not all(value.isfinite().all() for value in imported.weights.values()):
        raise ModelError(f"'{path}' has values that are not finite.")
