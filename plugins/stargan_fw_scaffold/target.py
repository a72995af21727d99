"""Finds the plugin that a user names, and the components that it registers."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shlex
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stargan_fw.errors import PluginError, closest
from stargan_fw.plugin_manager import COMMAND_GROUP, GROUP, KIND_GROUP, PluginManager, PluginReport, import_file

_OURS = {"stargan_fw", "stargan_fw_registry", "stargan_fw_scaffold"}  # folders of what loads and checks a plugin


@dataclass(frozen=True)
class Found:
    """A component of the plugin.

    Attributes:
        kind: such as "dataset".
        name: the name that it is registered by.
        item: the class, object or path that is registered.
        module: the module or file that registers it.
        plugins: all components, among which this one is.
    """

    kind: str
    name: str
    item: Any
    module: str
    plugins: PluginManager

    @property
    def component(self) -> str:
        """Kind and name, for messages."""
        return f"{self.kind} {self.name}"


class _Plugins(PluginManager):
    """The installed plugins, and one that is named by its module or file and may register anything."""

    def load_module(self, name: str) -> PluginReport:
        """Loads a module, or each that its `plugin_modules` names, as an entry point would."""
        for module in self._modules_of(importlib.metadata.EntryPoint(name, name, GROUP)):
            self._load(PluginReport(module, "module"), lambda module=module: importlib.import_module(module))  # type: ignore[misc]
        return self.reports[-1]

    def load_path(self, path: Path) -> PluginReport:
        """Loads a file; unlike a file of `--plugin`, this one may register commands."""
        self._load(PluginReport(str(path), "file"), lambda: import_file(path))
        return self.reports[-1]


def load_target(target: str) -> list[Found]:
    """Returns the components that a plugin registers.

    Args:
        target: the name of an installed plugin or package, a module, or the path of a `.py` file.

    Raises:
        PluginError: if there is no such plugin, it cannot be used, or it registers nothing.
    """
    plugins = _Plugins()
    plugins.load_entry_points(KIND_GROUP, COMMAND_GROUP, GROUP)
    reports = _reports_of(target, plugins)
    for report in reports:
        if report.error:
            raise PluginError(f"The plugin '{report.name}' cannot be used: {_reason(report)}") from report.cause
    found = [_found(component, report, plugins) for report in reports for component in report.components]
    if not found:
        raise PluginError(
            f"The plugin '{target}' registers nothing. Write a function such as register_datasets(register), and mark it "
            "@stargan_fw.hookimpl."
        )
    return found


def _reason(report: PluginReport) -> str:
    """Returns why a plugin cannot be loaded, and which line to mend. A syntax error names its line itself."""
    cause, text = report.cause, str(report.error)
    if cause is None or isinstance(cause, PluginError):
        return text
    mend = "Install what is missing, or mend" if isinstance(cause, ModuleNotFoundError) else "Mend"
    place = "that line" if isinstance(cause, SyntaxError) else place_of(cause)
    return f"{text.rstrip('.:')}. {mend} {place}."


def place_of(error: BaseException) -> str:
    """Returns the last line of a plugin, or of whoever was called, that an error passed."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if not one.filename.startswith("<")]
    others = [one for one in frames if _OURS.isdisjoint(Path(one.filename).parts)]
    outside = [one for one in others if "site-packages" not in Path(one.filename).parts]
    frame = (outside or others or frames)[-1]
    return f"{Path(frame.filename).name}, line {frame.lineno}"


def _found(component: str, report: PluginReport, plugins: PluginManager) -> Found:
    kind = max((kind for kind in plugins.kinds if component.startswith(f"{kind} ")), key=len)
    name = component.removeprefix(f"{kind} ")
    return Found(kind, name, plugins.index(kind).get(name), report.name, plugins)


def _reports_of(target: str, plugins: _Plugins) -> list[PluginReport]:
    if target.endswith(".py"):
        path = Path(target)
        if not path.is_file():
            raise PluginError(f"The plugin file '{target}' does not exist. Name a Python file.")
        return [plugins.load_path(path)]
    installed = _installed(target, plugins)
    if installed:
        return installed
    if _is_module(target):
        before = len(plugins.reports)
        plugins.load_module(target)
        return plugins.reports[before:]
    if target and (Path(target) / "pyproject.toml").is_file():
        raise PluginError(
            f"'{target}' is a folder. Install its package, and name that: pip install -e {shlex.quote(target)}"
        )
    names = sorted({report.name for report in plugins.reports})
    raise PluginError(f"No plugin '{target}' is installed, and there is no such module: {closest(target, names)}")


def _installed(target: str, plugins: PluginManager) -> list[PluginReport]:
    """Returns the plugins whose module, package, distribution or entry point has this name."""
    entries = importlib.metadata.entry_points(name=target)
    modules = {entry.module for entry in entries if entry.group in {KIND_GROUP, COMMAND_GROUP, GROUP}} | {target}
    return [
        report
        for report in plugins.reports
        if (report.installed and report.installed.name == target)
        or any(report.name == module or report.name.startswith(f"{module}.") for module in modules)
    ]


def _is_module(name: str) -> bool:
    """Returns whether there is a module of this name, or one that fails before that is known."""
    if not all(part.isidentifier() for part in name.split(".")):
        return False
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:  # of the module itself or of its package, or of what its package imports
        return not f"{name}.".startswith(f"{error.name}.")
    except (Exception, SystemExit):  # noqa: BLE001 - a stranger's package may raise anything
        return True
    return found is not None and found.origin is not None
