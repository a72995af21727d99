"""What a trained configuration is as a model: its components, their plugins, the crops of its datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from stargan_fw.data.source import build_dataset
from stargan_fw.errors import ModelError, RequestError
from stargan_fw.kinds import MODEL_COMPONENTS
from stargan_fw.models.model_config import Component, ModelConfig, Need, component
from stargan_fw.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stargan_fw.config import Config
    from stargan_fw.plugin_manager import PluginManager
    from stargan_fw_registry import LabelSpace


def model_config(config: Config, space: LabelSpace, plugins: PluginManager) -> ModelConfig:
    """Returns the `config.json` of what a complete configuration builds.

    Args:
        config: complete, as `stargan_fw.components.complete` returns it.
        space: the label space.
        plugins: that the configuration is built with.

    Raises:
        ModelError: a component has an argument that a model's file cannot have.
    """
    tables = {kind: getattr(config, kind) for kind in MODEL_COMPONENTS}
    try:
        components = {kind: component(table) for kind, table in tables.items() if table.name is not None}
        method = component(config.method)
    except ValidationError as error:
        where, what = ".".join(map(str, error.errors()[0]["loc"])), error.errors()[0]["msg"]
        raise ModelError(f"The model cannot be shared: {where}: {what.removeprefix('Value error, ')}.") from None
    framed = {alias: framing_of(alias, config, plugins) for alias in space.datasets}
    return ModelConfig(
        made_with=f"stargan-fw {__version__}",
        image_size=config.data.image_size,
        labels=space.to_dict(),
        crops={alias: crop for alias, (crop, _) in framed.items()},
        own_crops={alias: own for alias, (_, own) in framed.items() if own},
        method=method,
        components=components,
        plugins=required_plugins({"method": method, **components}, plugins),
    )


def required_plugins(components: Mapping[str, Component], plugins: PluginManager) -> list[Need]:
    """Returns the plugins that components come from, one for each distribution or file."""
    reports = {report.name: report for report in plugins.reports}
    provided: dict[tuple[str | None, str | None, str | None], list[str]] = {}
    for kind, one in components.items():
        report = reports[plugins.index(kind).source(one.name)]
        distribution, _, number = (report.distribution or "").partition(" ")
        file = Path(report.name).name if report.source == "file" else None
        provided.setdefault((distribution or None, number or None, file), []).append(f"{kind} {one.name}")
    return [
        Need(provides=provides, distribution=distribution, version=number, file=file)
        for (distribution, number, file), provides in provided.items()
    ]


def framing_of(alias: str, config: Config, plugins: PluginManager) -> tuple[int | None, str]:
    """Returns the side of a dataset's centre crop, None for the short side, and which own squares its images have.

    Of a dataset that is not there, with its plugin or its data, it is what the configuration and the class say.
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
