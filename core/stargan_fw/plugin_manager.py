"""Finds plugins, keeps a failing one from harming the others, and says what became of each."""

import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pluggy

from stargan_fw import hookspecs, interfaces
from stargan_fw.errors import PluginError, closest
from stargan_fw_registry import Index

GROUP = "stargan_fw"
COMMANDS = "stargan_fw.commands"  # modules that the program imports whenever it starts
STRICT = "STARGAN_FW_STRICT"

# hook → what it registers: the kind's name, and the interface that a class of it implements (presets are paths, commands are `Command`s).
KINDS = {
    "register_datasets": ("dataset", "Dataset"),
    "register_generators": ("generator", "Generator"),
    "register_discriminators": ("discriminator", "Discriminator"),
    "register_losses": ("loss", "AdversarialLoss"),
    "register_embeddings": ("embedding", "Embedding"),
    "register_methods": ("method", "Method"),
    "register_trackers": ("tracker", "Tracker"),
    "register_importers": ("importer", "Importer"),
    "register_presets": ("preset", None),
    "register_experiments": ("experiment", "Experiment"),
    "register_commands": ("command", None),
}


@dataclass
class PluginReport:
    """What became of one plugin.

    Attributes:
        name: the module's name, or the path of a plugin file.
        source: "entry point" or "file".
        distribution: the installed distribution it comes from, with its version, such as "stargan-fw 0.1.0".
        hooks: the hooks it implements.
        components: what it registered, as "dataset celeba".
        error: why it was left out, or None.
    """

    name: str
    source: str
    distribution: str | None = None
    hooks: list[str] = field(default_factory=list)
    components: list[str] = field(default_factory=list)
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as JSON-able values."""
        return asdict(self)


class PluginManager:
    """Holds every component by kind and name.

    Attributes:
        reports: one for each plugin, in the order that they were found.
    """

    def __init__(self) -> None:
        self.reports: list[PluginReport] = []
        self._indexes: dict[str, Index[Any]] = {kind: Index(kind) for kind, _ in KINDS.values()}
        self._pluggy = pluggy.PluginManager("stargan_fw")
        self._pluggy.add_hookspecs(hookspecs)

    @classmethod
    def discover(cls, files: tuple[str | Path, ...] = ()) -> "PluginManager":
        """Returns a manager with everything that is installed and, on top, the plugin files named.

        Raises:
            PluginError: a named file cannot be used; under `STARGAN_FW_STRICT=1`, any plugin.
        """
        manager = cls()
        manager.load_entry_points(COMMANDS)
        manager.load_entry_points()
        for file in files:
            manager.load_file(Path(file))
        return manager

    def index(self, kind: str) -> Index[Any]:
        """Returns the components of a kind: "dataset", "generator", … as in `KINDS`."""
        return self._indexes[kind]

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of components there are."""
        return tuple(self._indexes)

    def load_entry_points(self, group: str = GROUP) -> None:
        """Loads every plugin that an installed distribution declares; a failing one is reported and left out."""
        for entry in importlib.metadata.entry_points(group=group):
            origin = f"{entry.dist.name} {entry.dist.version}" if entry.dist else None
            for name in self._modules_of(entry.module, origin):
                report = PluginReport(name, "entry point", origin)
                self._load(report, lambda name=name: importlib.import_module(name))  # type: ignore[misc]

    def load_file(self, path: Path) -> None:
        """Loads a plugin file.

        Raises:
            PluginError: it is missing or cannot be used; who names a file wants it.
        """
        if not path.is_file():
            raise PluginError(f"The plugin file '{path}' does not exist. --plugin names a Python file.")
        report = PluginReport(str(path), "file")
        self._load(report, lambda: _import_file(path))
        if any(component.startswith("command ") for component in report.components):
            report.error = (
                f"it registers a command, which only an installed plugin can: name its module in the entry point group "
                f"'{COMMANDS}'."
            )
        if report.error:
            raise PluginError(f"The plugin '{path}' cannot be used: {report.error}")

    def _modules_of(self, module: str, origin: str | None) -> Iterator[str]:
        """Yields the modules that an entry point stands for: itself, or its `plugin_modules`."""
        try:
            listed = tuple(getattr(importlib.import_module(module), "plugin_modules", (module,)))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's module may raise anything
            self._leave_out(PluginReport(module, "entry point", origin), error)
            return
        yield from listed

    def _load(self, report: PluginReport, load: Callable[[], ModuleType]) -> None:
        try:
            module = load()
            self._check_hook_names(module)
            staged = self._collect(module, report)
            for kind, name, item in staged:
                self._indexes[kind].register(name, item, report.name)
            report.components = [f"{kind} {name}" for kind, name, _ in staged]
        except (Exception, SystemExit) as error:  # noqa: BLE001 - likewise
            self._leave_out(report, error)
        else:
            self.reports.append(report)

    def _leave_out(self, report: PluginReport, error: BaseException) -> None:
        report.error = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
        if os.environ.get(STRICT) == "1":
            raise PluginError(f"The plugin '{report.name}' cannot be used: {report.error}") from error
        self.reports.append(report)

    def _check_hook_names(self, module: ModuleType) -> None:
        """Raises PluginError for a function that is marked as a hook but is none."""
        for name, value in vars(module).items():
            if hasattr(value, "stargan_fw_impl") and name not in KINDS:
                raise PluginError(f"'{name}' is no hook: {closest(name, KINDS)}")

    def _collect(self, module: ModuleType, report: PluginReport) -> list[tuple[str, str, Any]]:
        """Calls the module's hooks and returns what they hand over: all of it can be registered, or none is."""
        staged: list[tuple[str, str, Any]] = []
        self._pluggy.register(module, name=report.name)
        try:
            others = [plugin for plugin in self._pluggy.get_plugins() if plugin is not module]
            callers = self._pluggy.get_hookcallers(module) or []
            report.hooks = [caller.name for caller in callers]
            for caller in callers:
                kind, interface = KINDS[caller.name]
                collect = _collector(kind, interface, staged)
                self._pluggy.subset_hook_caller(caller.name, others)(register=collect)
            for kind, name, _ in staged:
                self._check_free(kind, name)
        except BaseException:
            self._pluggy.unregister(module)
            raise
        return staged

    def _check_free(self, kind: str, name: str) -> None:
        if name in self._indexes[kind].names():
            taken = self._indexes[kind].source(name)
            raise PluginError(f"the {kind} '{name}' is already registered by '{taken}'; give it another name.")


def _collector(kind: str, interface: str | None, staged: list[tuple[str, str, Any]]) -> Callable[[Any], None]:
    """Returns the `register` function that a hook is given."""

    def register(item: Any) -> None:
        name = _component_name(item, interface) if interface else OTHERS[kind](item)
        if any(taken[:2] == (kind, name) for taken in staged):
            raise PluginError(f"it registers the {kind} '{name}' twice.")
        staged.append((kind, name, item))

    return register


def _component_name(item: Any, interface: str) -> str:
    base = getattr(interfaces, interface)
    if not (inspect.isclass(item) and issubclass(item, base)):
        raise PluginError(f"it registers {item!r}, which is not a subclass of stargan_fw.{interface}.")
    if inspect.isabstract(item):
        missing = ", ".join(sorted(cast("Any", item).__abstractmethods__))
        raise PluginError(f"{item.__name__} lacks {missing}.")
    name = getattr(item, "name", None)
    if not isinstance(name, str) or not name:
        raise PluginError(f"{item.__name__} has no `name`.")
    return name


def _preset_name(item: Any) -> str:
    if not (isinstance(item, Path) and item.suffix == ".toml"):
        raise PluginError(f"it registers {item!r} as a preset, which is not a pathlib.Path of a TOML file.")
    return item.stem


def _command_name(item: Any) -> str:
    if not isinstance(item, interfaces.Command):
        raise PluginError(f"it registers {item!r} as a command, which is not a stargan_fw.Command.")
    return item.name


OTHERS: dict[str, Callable[[Any], str]] = {"preset": _preset_name, "command": _command_name}  # no classes


def _import_file(path: Path) -> ModuleType:
    name = f"stargan_fw_plugin_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError("it is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
