"""The page of the public Python interface, from the signatures and docstrings of what the packages export."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from docstrings import Docstring, escape, signature

MODULES = {
    "stargan_fw": "What plugins implement, and the translator.",
    "stargan_fw.interfaces": "Interfaces that are not exported by `stargan_fw` itself, such as the optional ones.",
    "stargan_fw_registry": "",
    "stargan_fw.api": "",
    "stargan_fw.errors": "",
    "stargan_fw_evaluate": "",
    "stargan_fw_import": "",
    "stargan_fw_share": "",
    "stargan_fw_bench": "",
    "stargan_fw_reproduce": "",
    "stargan_fw.testing": "",
}
PLAIN = ("hookimpl", "hookspec", "__version__", "plugin_modules")


def exports(module: str) -> list[str]:
    """Returns the public names of a module."""
    found = import_module(module)
    names = getattr(found, "__all__", None) or [name for name, item in vars(found).items() if _own(item, module)]
    return sorted(name for name in names if name not in PLAIN and not inspect.ismodule(getattr(found, name)))


def _own(item: Any, module: str) -> bool:
    public = not getattr(item, "__name__", "_").startswith("_")
    return public and getattr(item, "__module__", "") == module and (inspect.isclass(item) or inspect.isfunction(item))


def python_page() -> str:
    """Returns the page of the public Python interface."""
    parts = ["# Python", "What is listed here is public. Everything else may change in any version."]
    seen: set[int] = set()
    for module, about in MODULES.items():
        found = import_module(module)
        parts += [
            f"## `{module}`",
            about or escape(Docstring.of(found).summary),
            escape(Docstring.of(found).prose),
        ]
        for name in exports(module):
            item = getattr(found, name)
            if id(item) not in seen and callable(item):
                seen.add(id(item))
                parts += [f"### `{name}`", *_item(item, name)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _item(item: Any, name: str) -> Iterator[str]:
    if inspect.isclass(item) and issubclass(item, BaseException):
        yield f"```python\nclass {name}({item.__base__.__name__})\n```"
        yield Docstring.of(item).to_markdown()
        return
    kind = "class " if inspect.isclass(item) else ""
    yield f"```python\n{kind}{signature(item, name) if _constructed(item) else name}\n```"
    yield Docstring.read(item.__doc__ or "").to_markdown()
    if inspect.isclass(item):
        yield from _members(item)


def _constructed(item: Any) -> bool:
    """Tells whether a call of the item has parameters of its own to show."""
    return not inspect.isclass(item) or (
        item.__init__ is not object.__init__ and not getattr(item, "_is_protocol", False)
    )


def _members(item: type) -> Iterator[str]:
    for name, member in vars(item).items():
        function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        function = getattr(function, "fget", None) or getattr(function, "func", None) or inspect.unwrap(function)
        if name.startswith("_") or not inspect.isfunction(function) or not function.__doc__:
            continue
        own = getattr(item, "__name__", "")
        shown = f"{own}.{name}" if not inspect.isfunction(member) and not isinstance(member, classmethod) else name
        line = signature(function, name) if shown == name else shown
        mark = "@abstractmethod\n" if getattr(function, "__isabstractmethod__", False) else ""
        yield f"#### `{own}.{name}`"
        yield f"```python\n{mark}{line}\n```"
        yield Docstring.of(function).to_markdown()
