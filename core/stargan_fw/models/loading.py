"""Opens trained models: run folders, model folders and models on the Hub."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.modules import module as torch_modules

from stargan_fw.component_kinds import MODEL_COMPONENTS
from stargan_fw.components import build_method, check_plugins_named, complete_model, model_components
from stargan_fw.config import Config
from stargan_fw.errors import ConfigError, HubError, ModelError, RequestError, RunError, one_line
from stargan_fw.models import hub
from stargan_fw.models.model_config import ANEW, ModelConfig, check_format, describe_pictures, label_counts
from stargan_fw.models.weights import CONFIG, FORMAT_KEY, READING, TRANSLATING, StoredWeights, weights_in_file
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import nn

    from stargan_fw.data.images import PictureOptions
    from stargan_fw.interfaces import Method
    from stargan_fw_registry import LabelCounts, LabelSpace

AVERAGED = "ema.safetensors"  # of a checkpoint
MOST_MODULES = 20_000  # of all networks of a model


@dataclass(frozen=True)
class TrainedModel:
    """A model whose weights are still on disk.

    Attributes:
        path: the model's folder.
        method: the method; its networks are on the meta device until `load`.
        weights: where each network's weights are, by the network's name; networks without weights are left out.
        plugins: the plugins that the model is built with.
        settings: the tables of a configuration that say what the model is.
        pictures: how each dataset's pictures were read; a dataset that used the defaults may be left out.
        own_crops: describes the squares of the datasets whose images had their own.
        label_counts: as `ModelConfig.label_counts`, of a run with those of all datasets.
    """

    path: Path
    method: Method
    weights: Mapping[str, StoredWeights]
    plugins: PluginManager
    settings: Mapping[str, Any]
    pictures: Mapping[str, PictureOptions] = field(default_factory=dict)
    own_crops: Mapping[str, str] = field(default_factory=dict)
    label_counts: Mapping[str, LabelCounts] = field(default_factory=dict)

    def load(self, *networks: str) -> None:
        """Gives networks of the method their weights, as the function `load` does."""
        load(self.method, self.weights, networks)


def load(
    method: Method, weights: Mapping[str, StoredWeights], networks: Sequence[str], device: torch.device | str = "cpu"
) -> None:
    """Gives networks of a method their weights, unless that was done before, and puts them in evaluation mode.

    Args:
        method: owns the networks; those that it does not have are skipped.
        weights: where each network's weights are.
        networks: names of the networks.
        device: where the weights go.

    Raises:
        ModelError: the model comes without one of the networks, or its weights cannot be used.
    """
    for name in networks:
        network: nn.Module | None = method.networks.get(name)
        if network is None or not any(parameter.is_meta for parameter in network.parameters()):
            continue
        if name not in weights:
            raise ModelError(f"The model comes without its {name}, which reads current labels: name every label.")
        weights[name].load_into(network, device)
        network.eval().requires_grad_(requires_grad=False)


def open_model(
    model: str | Path,
    *,
    plugins: Sequence[str | Path] = (),
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> TrainedModel:
    """Opens a run folder at its newest checkpoint, a model folder, or a model on the Hub.

    No code comes from a folder: installed plugins, and the files that the caller names, register its components.

    Args:
        model: the folder, or "user/name".
        plugins: plugin files to use besides the installed plugins.
        revision: branch, tag or commit of a model on the Hub; None is "main".
        cache_dir: folder for downloads; None is the Hub library's own.
        local_files_only: download nothing, and use what was downloaded before.

    Raises:
        HubError: there is no such folder and no such repository, or the Hub cannot be reached.
        RunError: the folder holds no run and no model, or both, or nothing is trained yet.
        ModelError: the model cannot be used; the message says why, and how to mend that.
        PluginError: a plugin file cannot be used, or a run needs plugin files that are not named.
    """
    folder = Path(model)
    if hub.is_repo(model):
        try:
            folder = hub.download(str(model), revision, cache_dir=cache_dir, local_files_only=local_files_only)
        except HubError as error:
            raise HubError(f"There is no folder '{model}', and as a repository: {error}") from None
    run, is_model = RunFolder(folder), (folder / CONFIG).exists()
    if run.holds_run and is_model:
        raise RunError(
            f"'{folder}' says that it is a run (config.toml) and a model ({CONFIG}) at once. Move the one that you do not "
            "mean to another folder."
        )
    if run.holds_run:
        return _open_run(run, PluginManager.discover(tuple(plugins)))
    if is_model:
        return _open_folder(folder, PluginManager.discover(tuple(plugins)))
    raise RunError(
        f"'{folder}' holds no run and no model: it has no config.toml and no {CONFIG}. Name a folder that `train` or "
        "`export` wrote."
    )


def _open_run(run: RunFolder, plugins: PluginManager) -> TrainedModel:
    config, space, path = run.config(), run.labels(), run.path / "config.toml"
    check_plugins_named(model_components(config), config, plugins, run.path)
    method = _build(lambda: complete_model(config, plugins), space, plugins, path)
    checkpoint = run.checkpoints.latest()
    files = {name: f"{name}.safetensors" for name in method.networks}
    if method.averaged and (checkpoint / AVERAGED).exists():
        files[method.averaged] = AVERAGED
    weights = {name: StoredWeights(checkpoint / file, successor=run.checkpoints.latest) for name, file in files.items()}
    settings, splits = _settings(complete_model(config, plugins)), run.splits()
    pictures = {alias: one.options for alias, one in describe_pictures(config, plugins, splits).items()}
    own_crops = {alias: split["own_crops"] for alias, split in splits.items() if split.get("own_crops")}
    return TrainedModel(run.path, method, weights, plugins, settings, pictures, own_crops, label_counts(splits))


def _settings(config: Config) -> dict[str, Any]:
    """Returns the tables of a run's configuration that say what the model is, as `ModelConfig.settings` does."""
    tables = {kind: getattr(config, kind) for kind in ("method", *MODEL_COMPONENTS)}
    named = {kind: {**table.options, "name": table.name} for kind, table in tables.items() if table.name}
    return {"data": {"image_size": config.data.image_size}, **named}


def _open_folder(folder: Path, plugins: PluginManager) -> TrainedModel:
    config = ModelConfig.read(folder / CONFIG)
    _check_needs(folder, config, plugins)
    method = build(config, plugins, folder / CONFIG)
    weights = weights_in_file(folder / TRANSLATING, method.translating)
    if (folder / READING).exists():
        weights |= weights_in_file(folder / READING, method.reading)
    for name in method.translating:
        version = weights[name].read_metadata(method.networks[name].state_dict()).get(FORMAT_KEY, "")
        check_format(int(version) if version.isdecimal() and len(version) < 9 else None, folder / TRANSLATING)
    pictures = {alias: one.options for alias, one in config.pictures.items()}
    crops, counts = config.own_crops, config.label_counts
    return TrainedModel(folder, method, weights, plugins, config.settings(), pictures, crops, counts)


def build(config: ModelConfig, plugins: PluginManager, path: Path) -> Method:
    """Builds a model's method on the meta device, which needs no memory for weights.

    Args:
        config: what the model is, which may come from anybody.
        plugins: where its components are.
        path: the configuration's file, for messages.

    Raises:
        ModelError: the networks cannot be built from this configuration.
    """
    settings = config.settings()
    return _build(lambda: complete_model(Config.model_validate(settings), plugins), config.space, plugins, path)


def _build(completed: Callable[[], Config], space: LabelSpace, plugins: PluginManager, path: Path) -> Method:
    try:
        with torch.device("meta"), _bounded():
            return build_method(completed(), space, plugins)
    except ModelError:
        raise
    except RequestError as error:
        raise ModelError(f"'{path}': {one_line(str(error))}") from None
    except (RuntimeError, TypeError, ValueError, ArithmeticError, MemoryError) as error:
        reason = one_line(str(error)) or type(error).__name__
        raise ModelError(f"'{path}': networks cannot be built from it: {reason}. {ANEW}") from None


@contextmanager
def _bounded() -> Iterator[None]:
    """Stops a network that goes on adding layers: even without weights, every layer takes memory."""
    count = 0

    def count_module(*_: Any) -> None:
        nonlocal count
        count += 1
        if count > MOST_MODULES:
            raise ConfigError(f"a network of more than {MOST_MODULES:,} layers was not trained. Name another.")

    handle = torch_modules.register_module_module_registration_hook(count_module)
    try:
        yield
    finally:
        handle.remove()


def _check_needs(folder: Path, config: ModelConfig, plugins: PluginManager) -> None:
    """Raises ModelError if no plugin registers a component of the model, and says how to get it."""
    for kind, component in config.parts.items():
        if component.name in plugins.index(kind):
            continue
        need = next((need for need in config.plugins if f"{kind} {component.name}" in need.provides), None)
        remedy = need.remedy() if need else "Name the file of its plugin with --plugin FILE"
        raise ModelError(
            f"The model '{folder}' needs the {kind} '{component.name}', which no plugin registers here. {remedy}; "
            "'stargan-fw plugins list' shows what is there, and what failed."
        )
