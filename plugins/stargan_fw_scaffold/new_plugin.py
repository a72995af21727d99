"""Writes the package of a new plugin."""

from __future__ import annotations

import importlib.util
import keyword
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stargan_fw import __version__
from stargan_fw.errors import RequestError
from stargan_fw.files import check_writable, replacing
from stargan_fw.plugin_manager import COMMAND_GROUP, GROUP, KIND_GROUP, PluginManager
from stargan_fw_scaffold.component_templates import COMPONENTS
from stargan_fw_scaffold.package_templates import PACKAGE, USES

if TYPE_CHECKING:
    from pathlib import Path

GROUPS = {"command": COMMAND_GROUP}  # of entry points
_NAME = re.compile("[a-z]([a-z0-9_-]*[a-z0-9])?")


def write_plugin(name: str, kind: str, parent: Path) -> Path:
    """Writes a package with a working component, its tests, types and continuous integration; returns its folder.

    The folder is written whole or not at all.

    Args:
        name: the package's name, such as "pets" or "stargan-pets".
        kind: the kind of component: a key of `COMPONENTS`.
        parent: the folder in which the package's folder is made.

    Raises:
        RequestError: if the name cannot be that of a package or is taken, the folder exists, or it cannot be made.
    """
    module = name.replace("-", "_")
    folder = parent / name
    _check_name(name, module)
    if folder.exists():
        raise RequestError(f"'{folder}' exists. Choose another name, or another folder with --out.")
    _check_free(name, module, kind)
    check_writable(parent)
    values = {
        "NAME": name,
        "MODULE": module,
        "CLASS": _class_name(module, COMPONENTS[kind]),
        "KIND": kind,
        "GROUP": GROUPS.get(kind, GROUP),
        "USE": USES[kind].replace("@NAME@", name),
        "VERSIONS": _versions(),
        "YEAR": str(datetime.now(UTC).year),
    }
    with replacing(folder) as partial:
        for path, text in {**PACKAGE, "@MODULE@/plugin.py": COMPONENTS[kind]}.items():
            target = partial / _fill(path, values)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_fill(text, values), encoding="utf-8")
    return folder


def _check_name(name: str, module: str) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(module):
        raise RequestError(
            f"'{name}' cannot be the name of a package: use lower-case letters, digits and hyphens, a letter first, "
            "as in my-pets, and no word of Python."
        )


def _check_free(name: str, module: str, kind: str) -> None:
    """Raises RequestError if the package would hide an installed module, or its component would be left out."""
    found = importlib.util.find_spec(module)
    if found and found.origin:
        raise RequestError(
            f"A module '{module}' is installed already, and one would hide the other. Choose another name."
        )
    plugins = PluginManager()
    plugins.load_entry_points(KIND_GROUP, COMMAND_GROUP, *([GROUP] * (kind != "command")))
    if name in plugins.index(kind):
        source = plugins.index(kind).source(name)
        raise RequestError(f"The {kind} '{name}' is there already: '{source}' registers it. Choose another name.")


def _class_name(module: str, source: str) -> str:
    """Returns a class's name that the source does not use otherwise: a dataset may be called "dataset"."""
    name = "".join(part.capitalize() for part in module.split("_"))
    return f"My{name}" if re.search(rf"\b{name}\b", source) else name


def _versions() -> str:
    """Returns the versions that keep what the plugin uses: those of this minor one."""
    major, minor, *_ = __version__.split(".")
    return f">={major}.{minor},<{major}.{int(minor) + 1}"


def _fill(text: str, values: dict[str, str]) -> str:
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text
