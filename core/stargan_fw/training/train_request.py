"""What the user asks to be trained: the layers of the configuration, and the run folder they are for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stargan_fw.components import check_dataset_options, complete
from stargan_fw.config import Config, DatasetItem, Layer, dataset_layer, merge
from stargan_fw.errors import ConfigError, RunError, closest
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.runs.split_record import check_splits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stargan_fw.data.source import Source
    from stargan_fw.interfaces import Method
    from stargan_fw.models.adoption import Adoption
    from stargan_fw.models.loading import TrainedModel
    from stargan_fw_registry import LabelSpace

# What a continued run may change: where data lies, what is shown and kept. Everything else would make it another run.
FREE_ON_RESUME = (
    "plugins",
    "data.path",
    "data.cache",
    "data.resident",
    "training.accelerate",
    "training.log_every",
    "training.sample_every",
    "training.save_every",
    "training.keep_checkpoints",
    "training.trackers",
)


@dataclass(frozen=True)
class TrainRequest:
    """The configuration and run folder of one `train` command.

    Attributes:
        config: merged and complete.
        plugins: with the plugin files that the configuration names.
        run: the run folder.
        resume: whether a run in it is to be continued.
        start: the model that a new run begins with, where one is named.
    """

    config: Config
    plugins: PluginManager
    run: RunFolder
    resume: bool
    start: TrainedModel | None = None

    @classmethod
    def make(
        cls, layers: Sequence[Layer], *, datasets: str | None, preset: str | None, out: Path | None, resume: bool
    ) -> TrainRequest:
        """Merges what is asked for and checks it against the run folder.

        Args:
            layers: a configuration file, options and settings, the weakest first.
            datasets: the items of `--datasets`, which replace those of the layers; where neither names any, they are those
                of the model to begin with.
            preset: below the layers; None is the default one, or nothing on top of a run that is continued.
            out: the run folder; None is named after the datasets.
            resume: whether to continue the run in it.

        Raises:
            ConfigError: an unknown key, value, preset or dataset.
            PluginError: a plugin file that cannot be used.
            RunError: the folder holds a run and `resume` is not set, or the reverse, or the run is another one.
            ModelError: the model to begin with cannot be used.
        """
        start = None if resume else _start(layers)
        if start:
            layers = [_start_layer(start, named=_names_datasets(layers, datasets)), *layers]
        run = RunFolder(out or _default_folder(layers, datasets))
        if run.holds_run and not resume:
            raise RunError(f"'{run.path}' already holds a run. Continue it with --resume, or name another --out.")
        if run.path.exists() and not run.path.is_dir():
            raise RunError(f"'{run.path}' is a file. Name a folder for the run with --out.")
        if resume:
            previous = run.config()
            layers = [Layer(str(run.path / "config.toml"), previous.model_dump(exclude_none=True)), *layers]
        plugins = PluginManager.discover(tuple(_plugin_files(layers)))
        if resume:
            layers = [*layers[:1], *([_preset_layer(plugins, preset)] if preset else []), *layers[1:]]
        else:
            layers = [_preset_layer(plugins, preset), *layers]
        config = complete(merge(_with_datasets(layers, datasets), layers), plugins, layers)
        if resume:
            check_same_run(previous, config, run)
        return cls(config, plugins, run, resume, start)

    def adopt(self, method: Method) -> Adoption | None:
        """Gives a method's networks the weights to begin with, where a model is named.

        Raises:
            ModelError: its networks are others.
        """
        from stargan_fw.models.adoption import adopt  # noqa: PLC0415 - imports torch, which not every request needs

        return adopt(self.start, method) if self.start else None

    def check_labels(self, space: LabelSpace) -> None:
        """Raises RunError where the labels of a continued run have changed since it began."""
        if self.resume and self.run.labels().to_dict() != space.to_dict():
            raise RunError(
                f"The datasets' labels are not those that '{self.run.path}' was trained with "
                f"({', '.join(self.run.labels().names)}). Restore them, or start a new run with another --out."
            )

    def check_splits(self, sources: Sequence[Source]) -> None:
        """Raises RunError where the images of a continued run are divided otherwise than when it began."""
        if self.resume:
            check_splits(self.run, sources)


def data_request(
    layers: Sequence[Layer], *, datasets: str | None, preset: str | None, with_data: bool = True
) -> tuple[Config, PluginManager]:
    """Returns the configuration of a command that reads data and trains nothing, with its plugins.

    Args:
        layers: as `TrainRequest.make` takes them.
        datasets: likewise.
        preset: below the layers; None is the one that `train` has.
        with_data: whether the datasets will be read, so that their options are checked.
    """
    plugins = PluginManager.discover(tuple(_plugin_files(layers)))
    layers = [_preset_layer(plugins, preset), *layers]
    config = merge(_with_datasets(layers, datasets), layers)
    if with_data:
        check_dataset_options(config, plugins, layers)
    return config, plugins


def _preset_layer(plugins: PluginManager, name: str | None) -> Layer:
    """Returns the layer of a preset; None is the default one.

    Raises:
        ConfigError: no preset is the default.
        UnknownNameError: there is no such preset.
    """
    presets = plugins.index("preset")
    name = name or presets.default
    if name is None:
        known = ", ".join(presets.names()) or "none, since no plugin registers one"
        raise ConfigError(f"No preset is the default. Name one with --preset; there are: {known}.")
    return Layer.from_file(presets.get(name))


def option_layer(source: str, options: Mapping[str, Any]) -> Layer:
    """Returns the layer of options that stand for keys ("training.seed" → value), without those that are None."""
    values: dict[str, Any] = {}
    for key, value in options.items():
        if value is not None:
            *tables, last = key.split(".")
            table = values
            for name in tables:
                table = table.setdefault(name, {})
            table[last] = value
    return Layer(source, values)


def _default_folder(layers: Sequence[Layer], datasets: str | None) -> Path:
    if datasets:
        aliases = [item.alias for item in DatasetItem.parse_all(datasets)]
    else:
        aliases = [alias for layer in layers for alias in _datasets_of(layer)]
    return Path("runs") / ("-".join(dict.fromkeys(aliases)) or "run")


def _datasets_of(layer: Layer) -> dict[str, Any]:
    datasets = layer.values.get("datasets", {})
    return datasets if isinstance(datasets, dict) else {}  # `merge` says what is wrong with anything else


def _plugin_files(layers: Sequence[Layer]) -> list[str]:
    named: object = next((layer.values["plugins"] for layer in reversed(layers) if "plugins" in layer.values), [])
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise ConfigError(f"plugins = {named!r}: expected a list of files.")
    return named


def _names_datasets(layers: Sequence[Layer], datasets: str | None) -> bool:
    """Whether more is said of datasets than single keys."""
    return datasets is not None or any(_datasets_of(layer) for layer in layers if layer.source != "--set")


def _start(layers: Sequence[Layer]) -> TrainedModel | None:
    """Opens the model that the layers begin with."""
    tables = [layer.values.get("training") for layer in reversed(layers)]
    named = next((table["start"] for table in tables if isinstance(table, dict) and "start" in table), None)
    if not isinstance(named, str):  # `merge` says what is wrong with anything else
        return None
    from stargan_fw.models.loading import open_model  # noqa: PLC0415 - imports torch, as above

    return open_model(named, plugins=_plugin_files(layers))


def _start_layer(start: TrainedModel, *, named: bool) -> Layer:
    """Returns what a run takes from the model that it begins with: its networks, and its datasets where none are named.

    Raises:
        ConfigError: nobody says where a model folder's datasets are.
    """
    settings = start.config.settings()
    folder = RunFolder(start.path)
    if not named and folder.holds_run:
        config = folder.config()
        settings["datasets"] = config.model_dump(exclude_none=True)["datasets"]
        settings["data"]["path"] = config.data.path
    elif not named:
        aliases = start.method.space.datasets
        unknown = [alias for alias in aliases if alias not in start.plugins.index("dataset")]
        if unknown:
            raise ConfigError(
                f"The model '{start.path}' has the datasets {', '.join(aliases)}, and no plugin is called "
                f"'{unknown[0]}'. Say where they are with --datasets, as in {unknown[0]}=plugin:location."
            )
        settings["datasets"] = {alias: {"plugin": alias} for alias in aliases}
    return Layer(str(start.path), settings)


def _with_datasets(layers: Sequence[Layer], datasets: str | None) -> list[Layer]:
    """Lets `--datasets` replace the datasets of the layers, whose options for the same aliases stay."""
    if datasets is None:
        return list(layers)
    chosen = dataset_layer(datasets, layers)
    for layer in layers:
        for alias in _datasets_of(layer) if layer.source == "--set" else ():
            if alias not in chosen.values["datasets"]:
                known = chosen.values["datasets"]
                raise ConfigError(f"--set datasets.{alias}: no dataset is called so; {closest(alias, known)}")
    without = [
        Layer(layer.source, {key: value for key, value in layer.values.items() if key != "datasets"})
        for layer in layers
    ]
    return [*without, chosen]


def check_same_run(previous: Config, asked: Config, run: RunFolder, elsewhere: str = "--out") -> None:
    """Raises RunError where a run that began with one configuration would go on with another.

    Args:
        previous: what it began with.
        asked: what is asked for.
        run: its folder.
        elsewhere: the option that names another folder.
    """
    if list(previous.datasets) != list(asked.datasets):
        was, now = ", ".join(previous.datasets), ", ".join(asked.datasets)
        raise RunError(
            f"'{run.path}' was trained on {was} and cannot go on with {now}. "
            f"Leave --datasets out, or start a new run with another {elsewhere}."
        )
    before, after = dict(_flat(previous.model_dump(mode="json"))), dict(_flat(asked.model_dump(mode="json")))
    changed = [
        key
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key) and key not in FREE_ON_RESUME and not key.endswith(".location")
    ]
    if changed:
        key = changed[0]
        raise RunError(
            f"'{run.path}' was trained with {key} = {before.get(key)!r} and cannot go on with {after.get(key)!r}. "
            f"Leave that out, or start a new run with another {elsewhere}."
        )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
