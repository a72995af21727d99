"""Opens trained models: run folders, model folders and those on the Hub."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.modules import module as torch_modules

from stargan_fw.components import build_method, complete
from stargan_fw.config import Config
from stargan_fw.errors import ConfigError, HubError, ModelError, RequestError, RunError, one_line
from stargan_fw.models import hub
from stargan_fw.models.model_config import ModelConfig, check_format, describe_model
from stargan_fw.models.weights import CONFIG, FORMAT_KEY, READING, TRANSLATING, StoredWeights, weights_in_file
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import nn

    from stargan_fw.interfaces import Method

AVERAGED = "ema.safetensors"  # of a checkpoint
MOST_MODULES = 20_000  # of all networks of a model


@dataclass(frozen=True)
class TrainedModel:
    """A model whose weights are still on disk.

    Attributes:
        path: its folder.
        method: with networks on the meta device.
        weights: by network; a network without any is not there.
        plugins: that it is built with.
        describe: says what it is; a run asks its datasets, which may take a while.
    """

    path: Path
    method: Method
    weights: Mapping[str, StoredWeights]
    plugins: PluginManager
    describe: Callable[[], ModelConfig]

    @cached_property
    def config(self) -> ModelConfig:
        """What the model is."""
        return self.describe()

    def load(self, *networks: str, device: torch.device | str = "cpu") -> None:
        """Gives networks of the method their weights, where that has not been done.

        Raises:
            ModelError: the model comes without one of them, or its weights cannot be used.
        """
        load(self.method, self.weights, networks, device)


def load(
    method: Method, weights: Mapping[str, StoredWeights], networks: Sequence[str], device: torch.device | str = "cpu"
) -> None:
    """Gives networks of a method their weights, where that has not been done; see `TrainedModel.load`."""
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
    """Opens a run folder, at its newest checkpoint, a model folder, or a model on the Hub.

    Nothing of a model folder is run: its components are those that installed or named plugins register.

    Args:
        model: the folder, or "user/name".
        plugins: plugin files to use besides what is installed.
        revision: branch, tag or commit of a model on the Hub; None is "main".
        cache_dir: folder for what is downloaded; None is the Hub library's own.
        local_files_only: download nothing, and take what was downloaded before.

    Raises:
        HubError: there is no such folder and no such repository, or the Hub cannot be reached.
        RunError: the folder holds neither, or nothing is trained yet.
        ModelError: the model cannot be used; what about it, and the remedy.
        PluginError: a plugin file cannot be used.
    """
    folder = Path(model)
    if hub.is_repo(model):
        folder = _fetched(str(model), revision=revision, cache_dir=cache_dir, local_files_only=local_files_only)
    if RunFolder(folder).holds_run:
        return _open_run(RunFolder(folder), plugins)
    if (folder / CONFIG).exists():
        return _open_folder(folder, PluginManager.discover(tuple(plugins)))
    raise RunError(
        f"'{folder}' holds no run and no model: it has no config.toml and no {CONFIG}. Name a folder that `train` or "
        "`export` wrote."
    )


def _fetched(repo: str, *, revision: str | None, cache_dir: str | Path | None, local_files_only: bool) -> Path:
    try:
        return hub.download(repo, revision=revision, cache_dir=cache_dir, local_files_only=local_files_only)
    except HubError as error:
        raise HubError(f"There is no folder '{repo}', and as a repository: {error}") from None


def _open_run(run: RunFolder, plugins: Sequence[str | Path]) -> TrainedModel:
    config = run.config()
    manager = PluginManager.discover((*config.plugins, *plugins))
    with torch.device("meta"):
        method = build_method(config, run.labels(), manager)
    checkpoint = run.checkpoints.latest()
    files = {name: f"{name}.safetensors" for name in method.networks}
    if method.averaged and (checkpoint / AVERAGED).exists():
        files[method.averaged] = AVERAGED
    weights = {name: _stored_in_run(run, checkpoint, file) for name, file in files.items()}
    return TrainedModel(run.path, method, weights, manager, partial(describe_model, config, run.labels(), manager))


def _stored_in_run(run: RunFolder, checkpoint: Path, file: str) -> StoredWeights:
    """Returns where a run's weights are: a training that goes on may replace the checkpoint before they are read."""
    return StoredWeights(checkpoint / file, successor=lambda: run.checkpoints.latest() / file)


def _open_folder(folder: Path, plugins: PluginManager) -> TrainedModel:
    config = ModelConfig.read(folder / CONFIG)
    _check_needs(folder, config, plugins)
    method = build(config, plugins, folder / CONFIG)
    weights = weights_in_file(folder / TRANSLATING, method.translating)
    if (folder / READING).exists():
        weights |= weights_in_file(folder / READING, method.reading)
    for name in method.translating:
        weights[name].check(method.networks[name].state_dict())
    _check_metadata(folder / TRANSLATING)
    return TrainedModel(folder, method, weights, plugins, lambda: config)


def build(config: ModelConfig, plugins: PluginManager, path: Path) -> Method:
    """Builds a model's method on the meta device, which takes no room for weights.

    Args:
        config: a stranger's, perhaps.
        plugins: where its components are.
        path: of the configuration, for messages.

    Raises:
        ModelError: the networks cannot be built so.
    """
    try:
        with torch.device("meta"), _bounded():
            return build_method(complete(Config.model_validate(config.settings()), plugins), config.space, plugins)
    except ModelError:
        raise
    except RequestError as error:
        raise ModelError(f"'{path}': {one_line(str(error))}") from None
    except (RuntimeError, TypeError, ValueError, ArithmeticError, MemoryError) as error:
        reason = one_line(str(error)) or type(error).__name__
        raise ModelError(f"'{path}': networks cannot be built from it: {reason}.") from None


@contextmanager
def _bounded() -> Iterator[None]:
    """Stops a network that goes on adding layers: even without weights, each takes memory."""
    count = 0

    def count_module(*_: Any) -> None:
        nonlocal count
        count += 1
        if count > MOST_MODULES:
            raise ConfigError(f"a network of more than {MOST_MODULES:,} layers is no model that was trained.")

    handle = torch_modules.register_module_module_registration_hook(count_module)
    try:
        yield
    finally:
        handle.remove()


def _check_needs(folder: Path, config: ModelConfig, plugins: PluginManager) -> None:
    """Raises ModelError where a component is not there, with how to get it."""
    for kind, component in config.parts.items():
        if component.name in plugins.index(kind):
            continue
        need = next((need for need in config.plugins if f"{kind} {component.name}" in need.provides), None)
        remedy = need.remedy() if need else "Name the file of its plugin with --plugin FILE"
        raise ModelError(
            f"The model '{folder}' needs the {kind} '{component.name}', which no plugin registers here. {remedy}; "
            "'stargan-fw plugins list' shows what is there, and what failed."
        )


def _check_metadata(path: Path) -> None:
    """Raises ModelError where a file of weights is of a newer format."""
    version = StoredWeights(path).metadata().get(FORMAT_KEY)
    check_format(int(version) if isinstance(version, str) and version.isdecimal() and len(version) < 9 else None, path)
