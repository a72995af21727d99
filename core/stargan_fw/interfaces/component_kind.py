"""Kinds of components. Plugins register the components of a kind with one hook."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from stargan_fw.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class ComponentKind:
    """A kind of component that is a class: a subclass of one interface, with a class attribute `name`.

    Attributes:
        name: the word for one component in messages, as in "the dataset 'pets'".
        hook: the hook spec, a function `register_…(register)` marked `@stargan_fw.hookspec`.
        interface: the base class of the components, as "module:Class". Its module is imported when the first component
            is registered, because an interface may need torch.
        has_table: whether the configuration has a table for this kind, with the component's name and options.
        in_model: whether `config.json` of a model folder lists the component.
        has_default: whether a plugin may register a default component, with `register(item, default=True)`.
    """

    name: str
    hook: Callable[..., None]
    interface: str
    has_table: bool = False
    in_model: bool = False
    has_default: bool = False

    def __post_init__(self) -> None:
        if not hasattr(self.hook, "stargan_fw_spec"):
            raise PluginError(f"the hook of the kind '{self.name}' is not marked. Mark it @stargan_fw.hookspec.")

    def name_of(self, item: Any) -> str:
        """Returns the name of a component.

        Raises:
            PluginError: if the item is not a component of this kind.
        """
        if not (inspect.isclass(item) and issubclass(item, resolve_name(self.interface))):
            raise PluginError(f"it registers {item!r}, no subclass of {self._interface_name}. Derive it from that.")
        missing = ", ".join(sorted(getattr(item, "__abstractmethods__", ())))
        if missing:
            raise PluginError(f"{item.__name__} lacks {missing}. Write what is missing.")
        name = getattr(item, "name", None)
        if not isinstance(name, str) or not name:
            raise PluginError(f"{item.__name__} has no `name`. Give it one.")
        return name

    @property
    def _interface_name(self) -> str:
        return self.interface.replace(":", ".")


class ObjectKind(ComponentKind):
    """A kind of component that is an object: an instance of one class, with an attribute `name`."""

    def name_of(self, item: Any) -> str:
        if not isinstance(item, resolve_name(self.interface)):
            raise PluginError(f"it registers {item!r} as a {self.name}. Register a {self._interface_name}.")
        return str(item.name)


class TomlFileKind(ComponentKind):
    """A kind of component that is the path of a TOML file. The file name without its suffix is the component's name."""

    def name_of(self, item: Any) -> str:
        if not (isinstance(item, Path) and item.suffix == ".toml"):
            raise PluginError(f"it registers {item!r} as a {self.name}. Register the pathlib.Path of a TOML file.")
        return item.stem
