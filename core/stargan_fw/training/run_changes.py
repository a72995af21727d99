"""What a continued run may change, and what would make another run of it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from stargan_fw.components import complete, dataset_options
from stargan_fw.config_layers import Layer, has_key
from stargan_fw.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stargan_fw.config import Config
    from stargan_fw.plugin_manager import PluginManager
    from stargan_fw.runs.run_folder import RunFolder

# Where the data lies, what is shown and what is kept.
FREE_EVERYWHERE = {
    "plugins",
    "data.path",
    "data.cache",
    "data.resident",
    "datasets.*.location",
    "training.accelerate",
    "training.log_every",
    "training.sample_every",
    "training.save_every",
    "training.keep_checkpoints",
    "training.keep_every",
    "training.trackers",
}
# How long and how fast a run learns, and how its steps are computed.
FREE_ON_RESUME = (
    FREE_EVERYWHERE
    | {
        "training.steps",
        "training.epochs",
        "training.decay",
        "training.learning_rate",
        "training.beta1",
        "training.beta2",
        *(f"training.optimizers.*.{name}" for name in ("rate", "beta1", "beta2", "weight_decay", "clip")),
        "training.on_non_finite",
        "training.max_skipped",
        "training.precision",
        "training.micro_batch_size",
        "training.compile",
        "training.graphs",
        "training.channels_last",
        "training.tune",
        "datasets.*.levels",  # what folders mean may be asked now and was not when the run began; its labels are compared anyway
    }
)
LENGTH = {"training.steps", "training.epochs"}
PRESET = "the preset "  # begins the source of a preset's layer


@dataclass(frozen=True, slots=True)
class Change:
    """A setting of a continued run that is not what it was.

    Attributes:
        key: the setting's key, such as "training.steps".
        was: the value so far; None if there was none.
        now: the value that is asked for.
        source: who asks for it, such as "--set"; "" if nobody is known.
    """

    key: str
    was: Any
    now: Any
    source: str = ""

    def __str__(self) -> str:
        source = f" of {self.source}" if self.source else ""
        return f"{self.key} = {_shown(self.now)}{source} (was {_shown(self.was)})"


def find_changes(
    run: RunFolder, requested: Config, plugins: PluginManager, layers: Sequence[Layer] = ()
) -> list[Change]:
    """Returns the settings that differ from those of the run in the folder.

    The run's own configuration is completed with today's defaults, so it may be older than an option.

    Args:
        run: the run folder.
        requested: the complete configuration to continue with.
        plugins: have the components.
        layers: who asked for what, the weakest first.

    Raises:
        RequestError: if the run's configuration cannot be read, or has an option that no component has any more.
    """
    previous = run.config()
    own = Layer(str(run.path / "config.toml"), previous.model_dump(exclude_none=True))
    before, after = (_settings(config, plugins) for config in (complete(previous, plugins, [own]), requested))
    changes = [
        Change(".".join(path), before.get(path), after.get(path), _source(path, layers))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]
    return _without_consequences(changes)


def check_same_run(run: RunFolder, requested: Config, plugins: PluginManager, elsewhere: str = "--out") -> None:
    """Raises RunError if a run would continue with other settings than where its data lies and what it shows.

    Args:
        run: the run folder.
        requested: the complete configuration to continue with.
        plugins: have the components.
        elsewhere: the option that names another folder, for the message.
    """
    other = [change for change in find_changes(run, requested, plugins) if not is_free(change.key, FREE_EVERYWHERE)]
    if other:
        raise RunError(f"{_refusal(run, other)} or name another folder with {elsewhere}.")


def check_resumable(run: RunFolder, changes: Sequence[Change]) -> None:
    """Raises RunError if a change would make another run; names all such changes at once."""
    other = [change for change in changes if not is_free(change.key)]
    if other:
        raise RunError(
            f"{_refusal(run, other)} or begin another run with its weights, which counts steps from 0 and has new "
            f"optimisers: stargan-fw train --from {shlex.quote(str(run.path))} --out OTHER"
        )


def is_free(key: str, free: set[str] = FREE_ON_RESUME) -> bool:
    """Returns whether a setting may change; a "*" in `free` stands for any name."""
    return any(fnmatchcase(key, pattern) for pattern in free)


def without_free(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns the nested tables without the settings that a continued run may change."""
    kept = {}
    for key, value in values.items():
        if isinstance(value, dict):
            kept[key] = without_free(value, f"{prefix}{key}.")
        elif not is_free(prefix + key):
            kept[key] = value
    return kept


def _refusal(run: RunFolder, changes: Sequence[Change]) -> str:
    only_preset = all(change.source.startswith(PRESET) for change in changes)
    leave = "--preset" if only_preset else "that" if len(changes) == 1 else "these"
    return f"'{run.path}' cannot go on with {'; '.join(map(str, changes))}. Leave {leave} out,"


def _settings(config: Config, plugins: PluginManager) -> dict[tuple[str, ...], Any]:
    """Returns every setting by the path of its keys, with all options of the datasets."""
    settings = dict(_flatten(config.model_dump(mode="json", exclude={"datasets"})))
    settings["datasets",] = ", ".join(config.datasets)
    for alias, table in config.datasets.items():
        own = table.model_dump(mode="json", include=set(type(table).model_fields))
        for name, value in {**own, **dataset_options(alias, table, plugins)}.items():
            settings["datasets", alias, name] = value
    return settings


def _flatten(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, (*path, key))
        else:
            yield (*path, key), value


def _source(path: tuple[str, ...], layers: Sequence[Layer]) -> str:
    if path == ("datasets",):
        return "--datasets"
    return next((layer.source for layer in reversed(layers) if has_key(layer.values, path)), "")


def _without_consequences(changes: Sequence[Change]) -> list[Change]:
    """Leaves out what follows from other datasets and components, which have other options."""
    named = ("name", "plugin")
    datasets = next((change for change in changes if change.key == "datasets"), None)
    others = set(datasets.was.split(", ")) ^ set(datasets.now.split(", ")) if datasets else set()
    gone = {f"datasets.{alias}" for alias in others}
    renamed = {table for table, _, name in (change.key.rpartition(".") for change in changes) if name in named}
    parts = [(change, *change.key.rpartition(".")[::2]) for change in changes]
    return [change for change, table, name in parts if table not in gone and (name in named or table not in renamed)]


def _shown(value: Any) -> str:
    return "unset" if value is None else repr(value)
