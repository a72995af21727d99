"""What the user wants to train: merges the layers of the configuration and checks them against the run folder."""

from __future__ import annotations

import re
import shlex
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stargan_fw.components import (
    all_components,
    check_dataset_options,
    check_plugins_named,
    complete,
    data_components,
)
from stargan_fw.config import expand_path
from stargan_fw.config_layers import Layer, get_table, merge, merge_into, refuse_contradiction
from stargan_fw.errors import ConfigError, DataError, Refusals, RequestError, RunError, closest
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.runs.split_record import check_splits
from stargan_fw.training.run_changes import PRESET, Change, check_resumable, find_changes, without_free

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stargan_fw.config import Config
    from stargan_fw.data.source import Source
    from stargan_fw.interfaces import Method
    from stargan_fw.models.adoption import Adoption
    from stargan_fw.models.loading import TrainedModel
    from stargan_fw_registry import LabelSpace

_ITEM = re.compile(r"""(?:^|(?<=,))(?:[^,:]*+:"[^"]+"\s*(?=,|$)|[^,]*+)""")


@dataclass(frozen=True)
class TrainRequest:
    """The configuration and run folder of one `train` command.

    Attributes:
        config: the complete configuration.
        plugins: the plugins, with the plugin files that the user names.
        run: the run folder.
        resume: whether to continue the run in the folder from its newest checkpoint.
        start: the model that a new run begins with, or None.
        changes: the settings of a continued run that were others before.
        refusals: what is wrong with the settings, which `Plan.make` raises with what is wrong with the data.
    """

    config: Config
    plugins: PluginManager
    run: RunFolder
    resume: bool
    start: TrainedModel | None = None
    changes: Sequence[Change] = ()
    refusals: Refusals = field(default_factory=Refusals)

    @classmethod
    def make(
        cls, layers: Sequence[Layer], *, datasets: str | None, preset: str | None, out: Path | None, resume: bool
    ) -> TrainRequest:
        """Merges the layers and checks the result against the run folder.

        Args:
            layers: a configuration file, options and settings, the weakest first.
            datasets: the items of `--datasets`, which replace the layers' datasets. If neither names any, a new run takes
                those of the model that it begins with.
            preset: the preset below the layers. None is the default preset for a new run, and none for one in the folder.
            out: the run folder; None names it after the datasets.
            resume: whether to continue the run in the folder, or to begin one if the folder has no checkpoint.

        Raises:
            ConfigError: if a key, value, preset or dataset is unknown.
            PluginError: if a plugin file cannot be used, or the run needs plugin files that the layers do not name.
            RunError: if the folder holds a run and `resume` is false, or if the run is another one.
            ModelError: if the model to begin with cannot be used.
        """
        files = _plugin_files(layers)
        plugins = PluginManager.discover(tuple(files))
        start = _open_start(layers, files) if out is None else None
        named = datasets is not None or any(_datasets_of(layer) for layer in layers if layer.source != "--set")
        run = RunFolder(out or _default_folder([*_start_layers(start, datasets_named=named), *layers], datasets))
        own = _own_layers(run, plugins, resume=resume)
        trained = bool(own and run.checkpoints.paths())
        start = None if trained else start or _open_start([*own, *layers], files)
        own = own or _start_layers(start, datasets_named=named)
        if run.holds_run:
            below = [*own, *([_preset_on_resume(plugins, preset)] if preset else [])]
        else:
            below = [_preset_layer(plugins, preset), *own]
        every = [*below, *layers]
        refusals = Refusals()
        config = complete(merge(_replace_datasets(every, datasets), every), plugins, every, refusals)
        if resume and not run.holds_run and not config.datasets:
            raise RunError(f"'{run.path}' holds no run to continue. Name --datasets to begin one.")
        changes = find_changes(run, config, plugins, every[1:]) if trained else []
        check_resumable(run, changes)
        return cls(config, plugins, run, trained, start, changes, refusals)

    @contextmanager
    def locating_data(self) -> Iterator[None]:
        """Adds to an error of the block the options that name data as seen from where the run was begun, if it lies there."""
        try:
            yield
        except RequestError as error:
            places = {f"datasets.{alias}.location": table.location for alias, table in self.config.datasets.items()}
            places |= {"data.path": self.config.data.path} if None in places.values() else {}
            options = []
            for key, place in places.items() if self.run.holds_run else ():
                above = [folder / (place or ".") for folder in self.run.path.resolve().parents]
                found = next((path for path in above if path.exists()), None)
                if place and found and not Path(expand_path(place)).exists():
                    options += ["--set", f"{key}={found}"]
            if not options:
                raise
            *others, last = map(str, error.args)
            hint = f"It seems to lie where the run was begun: add {shlex.join(options)}"
            raise DataError.of([*others, f"{last.rstrip('.')}. {hint}"]) from None

    def adopt(self, method: Method) -> Adoption | None:
        """Gives a method's networks the weights of the model to begin with; ModelError if the model has other networks."""
        from stargan_fw.models.adoption import adopt  # noqa: PLC0415 - imports torch, which not every request needs

        return adopt(self.start, method) if self.start else None

    def record_changes(self, step: int) -> None:
        """Writes into the run folder what changes after a step, if anything does."""
        if self.changes:
            self.run.change(self.config, step, {change.key: (change.was, change.now) for change in self.changes})

    def changed(self, config: Config) -> TrainRequest:
        """Returns the request with another configuration, and with what that changes of a continued run."""
        changes = find_changes(self.run, config, self.plugins) if self.resume else []
        return replace(self, config=config, changes=changes)

    def check_unchanged(self) -> None:
        """Raises RunError if another process has trained in the run folder since the request was made."""
        if not self.resume and self.run.checkpoints.paths():
            raise RunError(
                f"Another process has begun the run in '{self.run.path}'. Continue it with --resume, or name another --out."
            )

    @property
    def recorded_splits(self) -> Mapping[str, Any]:
        """The split of a continued run's images, from its `splits.json`; empty for a new run."""
        return self.run.splits() if self.resume else {}

    @property
    def steps_made(self) -> int:
        """The number of steps of the run's newest checkpoint, or 0 if the run begins."""
        return int(self.run.checkpoints.latest().name.removeprefix("step-")) if self.resume else 0

    def check_data(self, space: LabelSpace, sources: Sequence[Source]) -> None:
        """Raises RunError if the labels of a continued run, or the split of its images, have changed since it began."""
        if not self.resume:
            return
        if self.run.labels().to_dict() != space.to_dict():
            raise RunError(
                f"The datasets' labels are not those that '{self.run.path}' was trained with "
                f"({', '.join(self.run.labels().names)}). Restore them, or start a new run with another --out."
            )
        check_splits(self.run, sources)


def data_request(
    layers: Sequence[Layer], *, datasets: str | None, preset: str | None, with_data: bool = True
) -> tuple[Config, PluginManager]:
    """Returns the configuration and plugins of a command that reads data and trains nothing.

    Args:
        layers: as in `TrainRequest.make`.
        datasets: as in `TrainRequest.make`.
        preset: the preset below the layers; None is the default preset.
        with_data: whether the datasets will be read, so that their options are checked.
    """
    plugins = PluginManager.discover(tuple(_plugin_files(layers)))
    layers = [_preset_layer(plugins, preset), *layers]
    config = merge(_replace_datasets(layers, datasets), layers)
    if with_data:
        check_dataset_options(config, plugins, layers)
    return config, plugins


def _preset_layer(plugins: PluginManager, name: str | None) -> Layer:
    presets = plugins.index("preset")
    name = name or presets.default
    if name is None:
        known = ", ".join(presets.names()) or "none, since no plugin registers one"
        raise ConfigError(f"No preset is the default. Name one with --preset; there are: {known}.")
    return Layer(f"{PRESET}'{name}'", Layer.from_file(presets.get(name)).values)


def _preset_on_resume(plugins: PluginManager, name: str) -> Layer:
    """Returns a preset without the settings that may change: nobody asked to change what only the preset says."""
    layer = _preset_layer(plugins, name)
    return Layer(layer.source, without_free(layer.values))


def _own_layers(run: RunFolder, plugins: PluginManager, *, resume: bool) -> list[Layer]:
    """Returns the configuration of the run in the folder, if there is one; RunError or PluginError if that cannot be resumed."""
    if run.path.exists() and not run.path.is_dir():
        raise RunError(f"'{run.path}' is a file. Name a folder for the run with --out.")
    if run.holds_run and not resume:
        raise RunError(f"'{run.path}' already holds a run. Continue it with --resume, or name another --out.")
    if not run.holds_run and run.checkpoints.paths():
        raise RunError(f"'{run.path}' has checkpoints and no config.toml. Restore that file, or name another --out.")
    if not run.holds_run:
        return []
    config = run.config()
    run.check_links()
    check_plugins_named(all_components(config), config, plugins, run.path)
    return [Layer(str(run.path / "config.toml"), config.model_dump(exclude_none=True))]


def _default_folder(layers: Sequence[Layer], datasets: str | None) -> Path:
    aliases = parse_datasets(datasets) if datasets else [alias for layer in layers for alias in _datasets_of(layer)]
    return Path("runs") / ("-".join(dict.fromkeys(aliases)) or "run")


def _datasets_of(layer: Layer) -> dict[str, Any]:
    return get_table(layer.values, "datasets")


def _plugin_files(layers: Sequence[Layer]) -> list[str]:
    files: object = next((layer.values["plugins"] for layer in reversed(layers) if "plugins" in layer.values), [])
    if not isinstance(files, list) or not all(isinstance(name, str) for name in files):
        raise ConfigError(f"plugins = {files!r}: expected a list of files. Write it as in plugins = ['my_plugin.py'].")
    return files


def _open_start(layers: Sequence[Layer], files: Sequence[str]) -> TrainedModel | None:
    """Opens the model of `training.start`, if the layers have one, with plugin files that the user names."""
    tables = (get_table(layer.values, "training") for layer in reversed(layers))
    model = next((table["start"] for table in tables if "start" in table), None)
    if not isinstance(model, str):  # `merge` reports a value of another type
        return None
    from stargan_fw.models.loading import open_model  # noqa: PLC0415 - imports torch, as above

    return open_model(expand_path(model), plugins=files)


def _start_layers(start: TrainedModel | None, *, datasets_named: bool) -> list[Layer]:
    """Returns the settings of the model's networks, if there is a model, and its datasets unless the user names others."""
    if start is None:
        return []
    settings = dict(start.settings)
    folder = RunFolder(start.path)
    if not datasets_named and folder.holds_run:
        config = folder.config()
        check_plugins_named(data_components(config), config, start.plugins, folder.path)
        settings["datasets"] = config.model_dump(exclude_none=True)["datasets"]
        settings["data"] = {**settings["data"], "path": config.data.path}
    elif not datasets_named:
        aliases = start.method.space.datasets
        unknown = [alias for alias in aliases if alias not in start.plugins.index("dataset")]
        if unknown:
            raise ConfigError(
                f"The model '{start.path}' has the datasets {', '.join(aliases)}, and no plugin is called "
                f"'{unknown[0]}'. Say where they are with --datasets, as in {unknown[0]}=plugin:location."
            )
        settings["datasets"] = {alias: {"plugin": alias} for alias in aliases}
    return [Layer(str(start.path), settings)]


def _replace_datasets(layers: Sequence[Layer], datasets: str | None) -> list[Layer]:
    """Replaces the layers' datasets with those of `--datasets`, if that is used."""
    if datasets is None:
        return list(layers)
    replacement = dataset_layer(datasets, layers)
    known = replacement.values["datasets"]
    for layer in [layer for layer in layers if layer.source == "--set"]:
        unknown = next((alias for alias in _datasets_of(layer) if alias not in known), None)
        if unknown is not None:
            raise ConfigError(f"--set datasets.{unknown}: no dataset is called so; {closest(unknown, known)}")
        refuse_contradiction(_datasets_of(layer), parse_datasets(datasets), "--datasets", "datasets")
    without = [
        Layer(layer.source, {key: value for key, value in layer.values.items() if key != "datasets"})
        for layer in layers
    ]
    return [*without, replacement]


def parse_datasets(text: str) -> dict[str, dict[str, str]]:
    """Reads `--datasets`: items `plugin`, `plugin:location` or `alias=plugin:location`, separated by commas.

    A location with a comma is in quotes: `pets=folder:"/data/a,b"`.

    Returns:
        Alias → the keys "plugin" and, if the item has one, "location".

    Raises:
        ConfigError: if an item is empty or an alias comes twice.
    """
    tables: dict[str, dict[str, str]] = {}
    for item in map(str.strip, _ITEM.findall(text)):
        name, _, location = item.partition(":")  # first: a location may have an equals sign
        location = quoted[1] if (quoted := re.fullmatch('"([^"]+)"', location)) else location
        alias, equals, plugin = name.partition("=")
        plugin = plugin if equals else alias
        if not plugin or not alias:
            raise ConfigError(f"--datasets {text}: write '{item}' as plugin, plugin:location or alias=plugin:location.")
        if alias in tables:
            raise ConfigError(f"--datasets {text}: '{alias}' comes twice; give one another name, as in b={alias}:PATH.")
        tables[alias] = {"plugin": plugin, **({"location": location} if location else {})}
    return tables


def dataset_layer(text: str, below: Sequence[Layer]) -> Layer:
    """Returns the layer of `--datasets`, with the options of weaker layers for the same aliases and plugins."""
    options: dict[str, Any] = {}
    for layer in below:
        merge_into(options, _datasets_of(layer))
    datasets = {}
    for alias, chosen in parse_datasets(text).items():
        kept = get_table(options, alias)
        datasets[alias] = {**(kept if kept.get("plugin", chosen["plugin"]) == chosen["plugin"] else {}), **chosen}
    return Layer("--datasets", {"datasets": datasets})
