"""Writes the package of a new plugin."""

from __future__ import annotations

import keyword
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stargan_fw import __version__
from stargan_fw.errors import RequestError
from stargan_fw_scaffold.component_templates import COMPONENTS
from stargan_fw_scaffold.package_templates import PACKAGE, USES

if TYPE_CHECKING:
    from pathlib import Path

GROUPS = {"command": "stargan_fw.commands"}


def write_plugin(name: str, kind: str, parent: Path) -> Path:
    """Writes a package with a working component, its tests, types and continuous integration; returns its folder.

    Args:
        name: the package's name, such as "pets" or "stargan-pets".
        kind: the kind of component: a key of `COMPONENTS`.
        parent: the folder in which the package's folder is made.

    Raises:
        RequestError: if the name cannot be that of a package, or the folder exists.
    """
    module = name.replace("-", "_")
    if not module.isidentifier() or not module.isascii() or keyword.iskeyword(module) or module != module.lower():
        raise RequestError(f"'{name}' cannot be the name of a package: use lower-case letters, digits and hyphens.")
    folder = parent / name
    if folder.exists():
        raise RequestError(f"'{folder}' exists. Choose another name, or another folder with --out.")
    values = {
        "NAME": name,
        "MODULE": module,
        "CLASS": "".join(part.capitalize() for part in module.split("_")),
        "KIND": kind,
        "GROUP": GROUPS.get(kind, "stargan_fw"),
        "USE": USES[kind].replace("@NAME@", name),
        "VERSIONS": _versions(),
        "YEAR": str(datetime.now(UTC).year),
    }
    for path, text in {**PACKAGE, "@MODULE@/plugin.py": COMPONENTS[kind]}.items():
        target = folder / _fill(path, values)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_fill(text, values), encoding="utf-8")
    return folder


def _versions() -> str:
    """Returns the versions that keep what the plugin uses: those of this minor one."""
    major, minor, *_ = __version__.split(".")
    return f">={major}.{minor},<{major}.{int(minor) + 1}"


def _fill(text: str, values: dict[str, str]) -> str:
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text
