"""Loads plugins, leaves out failing ones so that the others work, and reports on each."""

import hashlib
import importlib
import importlib.metadata
import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pluggy

from stargan_fw.component_kinds import KINDS
from stargan_fw.errors import PluginError, closest, one_line
from stargan_fw.interfaces.component_kind import ComponentKind
from stargan_fw_registry import Index

# Groups of entry points, in the order in which they are loaded: see `stargan_fw.hookspecs`.
KIND_GROUP, COMMAND_GROUP, GROUP = "stargan_fw.kinds", "stargan_fw.commands", "stargan_fw"
STRICT = "STARGAN_FW_STRICT"

logger = logging.getLogger(__name__)
_known_failures: set[str] = set()


@dataclass
class PluginReport:
    """The outcome of loading one plugin.

    Attributes:
        name: the module's name, or the path of a plugin file.
        source: "entry point" or "file".
        installed: the distribution that the plugin comes with; None for a file.
        hooks: the hooks that the plugin implements.
        components: the registered components, such as "dataset pets".
        error: the reason for leaving the plugin out; None if it was loaded.
        cause: the exception that is the reason.
    """

    name: str
    source: str
    installed: importlib.metadata.Distribution | None = None
    hooks: list[str] = field(default_factory=list)
    components: list[str] = field(default_factory=list)
    error: str | None = None
    cause: BaseException | None = None

    @property
    def distribution(self) -> str | None:
        """Name and version of the plugin's installed distribution, such as "stargan-fw 0.1.0"."""
        return _origin(self.installed)

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as JSON-able data."""
        keys = ("name", "source", "distribution", "hooks", "components", "error")
        return {key: getattr(self, key) for key in keys}


class _Registration(NamedTuple):
    """A component that a hook registered."""

    kind: ComponentKind
    name: str
    item: Any
    default: bool = False


class PluginManager:
    """Holds every component by kind and name.

    Attributes:
        reports: one per plugin, in the order in which they were found.
    """

    def __init__(self) -> None:
        self.reports: list[PluginReport] = []
        self._kinds: Index[ComponentKind] = Index("kind")
        self._indexes: dict[str, Index[Any]] = {"kind": self._kinds}
        for kind in KINDS:
            self._add(_Registration(KINDS[0], kind.name, kind), "stargan_fw")

    @classmethod
    def discover(cls, files: tuple[str | Path, ...] = ()) -> "PluginManager":
        """Returns a manager with all installed plugins and these plugin files. A log message names each that fails.

        Args:
            files: paths. A file that is listed twice, even by different paths, is loaded once.

        Raises:
            PluginError: if a plugin file cannot be used; with `STARGAN_FW_STRICT=1`, if any plugin cannot be used.
        """
        manager = cls()
        manager.load_entry_points(KIND_GROUP, COMMAND_GROUP, GROUP)
        for path in {path.resolve(): path for path in map(Path, files)}.values():
            manager.load_file(path)
        for failure in manager.new_failures():
            logger.warning("%s", failure)
        return manager

    def index(self, kind: str) -> Index[Any]:
        """Returns the components of one of the `kinds`, such as "dataset"."""
        return self._indexes[kind]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of components: those in `stargan_fw.component_kinds.KINDS`, and those that plugins register."""
        return tuple(self._indexes)

    def load_entry_points(self, *groups: str) -> None:
        """Loads all plugins of these entry point groups. A failing one is reported and left out."""
        installed = importlib.metadata.entry_points()  # called once, because it reads files of all distributions
        for entry in (entry for group in groups for entry in sorted(installed.select(group=group), key=_is_foreign)):
            for name in self._modules_of(entry):
                report = PluginReport(name, "entry point", entry.dist)
                self._load(report, lambda name=name: importlib.import_module(name))  # type: ignore[misc]

    def new_failures(self) -> list[str]:
        """Returns a sentence on each plugin that is left out, unless a call in this process has returned it before."""
        failed = (one for one in self.reports if one.error)
        found = [f"The plugin '{one.name}' is left out (mend, update or uninstall it): {one.error}" for one in failed]
        new = [failure for failure in found if failure not in _known_failures]
        _known_failures.update(new)
        return new

    def load_file(self, path: Path) -> None:
        """Loads a plugin file.

        Raises:
            PluginError: if the file is missing or cannot be used. The user named the file, so it is never left out.
        """
        if not path.is_file():
            raise PluginError(f"The plugin file '{path}' does not exist. Name a Python file with --plugin.")
        report = PluginReport(str(path), "file")
        self._load(report, lambda: import_file(path))
        if any(component.startswith("command ") for component in report.components):
            report.error = f"only installed plugins can add commands: name it as an entry point of '{COMMAND_GROUP}'."
        if report.error:
            raise PluginError(f"The plugin '{path}' cannot be used: {report.error}") from report.cause

    def _modules_of(self, entry: importlib.metadata.EntryPoint) -> Iterator[str]:
        """Yields the modules of an entry point: its `plugin_modules`, or else the entry point's own module."""
        try:
            listed = tuple(getattr(importlib.import_module(entry.module), "plugin_modules", (entry.module,)))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's module may raise anything
            self._leave_out(PluginReport(entry.module, "entry point", entry.dist), error)
            return
        yield from listed

    def _load(self, report: PluginReport, load: Callable[[], ModuleType]) -> None:
        """Registers all components of a module, or none if anything fails."""
        try:
            collected = self._collect(load(), report)
            self._check_free(collected)
            self._check_defaults(collected)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's module may raise anything
            self._leave_out(report, error)
        else:
            for one in collected:
                self._add(one, report.name)
            report.components = [f"{one.kind.name} {one.name}" for one in collected]
            self.reports.append(report)

    def _leave_out(self, report: PluginReport, error: BaseException) -> None:
        report.error = str(error) if isinstance(error, PluginError) else one_line(f"{type(error).__name__}: {error}")
        report.cause = error
        if os.environ.get(STRICT) == "1":
            raise PluginError(f"The plugin '{report.name}' cannot be used: {report.error}") from error
        self.reports.append(report)

    def _collect(self, module: ModuleType, report: PluginReport) -> list[_Registration]:
        """Calls a module's hooks and returns their components."""
        kinds = {kind.hook.__name__: kind for _, kind in self._kinds.items()}
        hooks = pluggy.PluginManager("stargan_fw")  # for this module only, so a failing module leaves nothing behind
        named = [name for name in dir(module) if name in kinds]
        if named:  # pluggy refuses specs without a hook
            specs = ModuleType("specs")
            vars(specs).update({name: kinds[name].hook for name in named})
            hooks.add_hookspecs(specs)
        hooks.register(module)
        report.hooks = [caller.name for caller in hooks.get_hookcallers(module) or ()]
        unknown = next((name for name in report.hooks if name not in kinds), None)
        if unknown:
            raise PluginError(f"'{unknown}' is no hook: {closest(unknown, kinds)}")
        collected: list[_Registration] = []
        for name in report.hooks:
            getattr(hooks.hook, name)(register=partial(_register, collected, kinds[name]))
        return collected

    def _check_free(self, collected: list[_Registration]) -> None:
        """Raises PluginError if a component's name, or the hook of a new kind, is taken."""
        hooks = {kind.hook.__name__: name for name, kind in self._kinds.items()}
        names = [(one.kind.name, one.name) for one in collected]
        for number, (kind, name) in enumerate(names):
            if name in self._indexes[kind]:
                taken = self._indexes[kind].source(name)
                raise PluginError(f"the {kind} '{name}' is already registered by '{taken}'; give it another name.")
            if (kind, name) in names[:number]:
                raise PluginError(f"it registers the {kind} '{name}' twice. Remove one.")
        for one in (one for one in collected if isinstance(one.item, ComponentKind)):
            hook = one.item.hook.__name__
            if owner := hooks.get(hook):
                raise PluginError(f"the hook '{hook}' of the kind '{one.name}' is that of '{owner}'. Rename it.")
            hooks[hook] = one.name

    def _check_defaults(self, collected: list[_Registration]) -> None:
        """Raises PluginError if a kind would have two defaults."""
        found = {kind: index.default for kind, index in self._indexes.items()}
        for one in (one for one in collected if one.default):
            if other := found[one.kind.name]:
                raise PluginError(
                    f"the {one.kind.name} '{one.name}' cannot be the default, because '{other}' is. "
                    "Register it without default=True."
                )
            found[one.kind.name] = one.name

    def _add(self, one: _Registration, source: str) -> None:
        self._indexes[one.kind.name].register(one.name, one.item, source, default=one.default)
        if isinstance(one.item, ComponentKind):
            self._indexes.setdefault(one.name, Index(one.name))


def _register(collected: list[_Registration], kind: ComponentKind, item: Any, *, default: bool = False) -> None:
    """Checks a component that a hook registers, and collects it."""
    name = kind.name_of(item)
    if default and not kind.has_default:
        raise PluginError(f"it registers the {kind.name} '{name}' as default, and none can be. Leave default=True out.")
    collected.append(_Registration(kind, name, item, default))


def _is_foreign(entry: importlib.metadata.EntryPoint) -> bool:
    """Returns whether another distribution brings the entry point. Ours come first, so that nobody takes their names."""
    return not (_origin(entry.dist) or "").startswith("stargan-fw ")


@cache
def _origin(distribution: importlib.metadata.Distribution | None) -> str | None:
    """Returns a distribution's name and version, which takes a millisecond: its whole METADATA is parsed as an e-mail."""
    if distribution is None:
        return None
    metadata = distribution.metadata
    return f"{metadata['Name']} {metadata['Version']}"


def import_file(path: Path) -> ModuleType:
    """Returns a Python file as a module of its own name, also if another folder has a file of that name."""
    folder = hashlib.sha256(os.fsencode(path.resolve().parent)).hexdigest()[:16]
    name = f"stargan_fw_plugin_file_{path.stem}_{folder}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError("it is not a Python file. End its name in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
