"""Describes a model for its folder: what it is built of, which plugins it needs, and how its pictures were read."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from stargan_fw.component_kinds import MODEL_COMPONENTS
from stargan_fw.components import check_plugins_named, complete_model, data_components
from stargan_fw.data.source import build_dataset
from stargan_fw.errors import ModelError, RequestError
from stargan_fw.models.model_config import Component, ModelConfig, Need, describe_pictures, label_counts
from stargan_fw.models.weights import CONFIG
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stargan_fw.config import Config
    from stargan_fw.models.loading import TrainedModel
    from stargan_fw.plugin_manager import PluginManager
    from stargan_fw_registry import LabelSpace


def describe_trained(trained: TrainedModel) -> ModelConfig:
    """Returns the `config.json` of a trained model. A run's datasets are opened for it, which may take a while.

    Raises:
        PluginError: a dataset of the run needs plugin files that the user does not name.
        ModelError: a component has an argument that a model's file cannot have.
    """
    run = RunFolder(trained.path)
    if not run.holds_run:
        return ModelConfig.read(trained.path / CONFIG)
    config, plugins = run.config(), trained.plugins
    check_plugins_named(data_components(config), config, plugins, run.path)  # the datasets' classes know the crops
    return describe_model(complete_model(config, plugins), run.labels(), plugins, run.splits())


def describe_model(
    config: Config, space: LabelSpace, plugins: PluginManager, splits: Mapping[str, Any] = MappingProxyType({})
) -> ModelConfig:
    """Returns the `config.json` of the model that a configuration builds.

    Args:
        config: a complete configuration, as `stargan_fw.components.complete` returns it.
        space: the label space.
        plugins: the plugins that the configuration is built with.
        splits: as `describe_pictures` takes them.

    Raises:
        ModelError: a component has an argument that a model's file cannot have.
    """
    tables = {kind: getattr(config, kind) for kind in ("method", *MODEL_COMPONENTS)}
    try:
        parts = {
            kind: Component(name=table.name, arguments=table.options) for kind, table in tables.items() if table.name
        }
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        reason = first["msg"].removeprefix("Value error, ")
        raise ModelError(
            f"The model cannot be shared: {where}: {reason}. Set another value and train with it."
        ) from None
    crops = {alias: _crops_of(alias, config, plugins) for alias in space.datasets}
    return ModelConfig(
        made_with=f"stargan-fw {__version__}",
        image_size=config.data.image_size,
        labels=space.to_dict(),
        crops={alias: crop for alias, (crop, _) in crops.items()},
        own_crops={alias: own for alias, (_, own) in crops.items() if own},
        pictures={a: one for a, one in describe_pictures(config, plugins, splits).items() if a in space.datasets},
        plugins=_required_plugins(parts, plugins),
        label_counts={alias: c for alias, c in label_counts(splits).items() if not all(map(all, c.values()))},
        method=parts.pop("method"),
        components=parts,
    )


def _required_plugins(parts: Mapping[str, Component], plugins: PluginManager) -> list[Need]:
    """Returns the plugins that register the components, one per distribution or file."""
    reports = {report.name: report for report in plugins.reports}
    provided: dict[tuple[str | None, str | None, str | None], list[str]] = {}
    for kind, part in parts.items():
        report = reports[plugins.index(kind).source(part.name)]
        distribution, _, version = (report.distribution or "").partition(" ")
        file = Path(report.name).name if report.source == "file" else None
        provided.setdefault((distribution or None, version or None, file), []).append(f"{kind} {part.name}")
    return [
        Need(provides=provides, distribution=distribution, version=version, file=file)
        for (distribution, version, file), provides in provided.items()
    ]


def _crops_of(alias: str, config: Config, plugins: PluginManager) -> tuple[int | None, str]:
    """Returns the side of a dataset's centre crop, None for the short side, and a description of its images' own crops.

    If the dataset's plugin or data is not there, the configuration and the class say what they can.
    """
    table = config.datasets.get(alias)
    if table is None or table.plugin not in plugins.index("dataset"):
        return (table.crop_size if table else None), ""
    try:
        dataset = build_dataset(alias, table, config.data.path, plugins)
    except (RequestError, OSError):
        crop: int | None = table.crop_size or plugins.index("dataset").get(table.plugin).crop_size
        return crop, ""
    return dataset.crop_size, dataset.own_crops
