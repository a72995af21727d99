"""The pages of configuration keys and of hooks with their components, from pydantic's models, hook specs and registered classes."""

import collections.abc
import inspect
import itertools
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from docstrings import Docstring, definition, escape, signature
from pydantic import BaseModel

from stargan_fw.component_kinds import CONFIG_TABLES
from stargan_fw.components import NETWORK_ARGUMENTS
from stargan_fw.config import (
    ComponentConfig,
    Config,
    DataConfig,
    DatasetConfig,
    OptimizerConfig,
    TrainingConfig,
)
from stargan_fw.interfaces import ComponentKind
from stargan_fw.options import options_model
from stargan_fw.plugin_manager import PluginManager

TABLES: Mapping[str, type[BaseModel]] = {
    "data": DataConfig,
    "datasets.<alias>": DatasetConfig,
    "training": TrainingConfig,
    "training.optimizers.<phase>": OptimizerConfig,
}
INTRODUCTION = (
    "A key can be set in a TOML file (`--config FILE`) or on the command line: `--set training.batch_size=4`. The run records "
    "the complete configuration in `RUN/config.toml`, and `train --config` with this file repeats the run."
)
WORDS = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true | false",
    list: "list",
    collections.abc.Sequence: "list",
    tuple: "list",
    dict: "table",
    collections.abc.Mapping: "table",
    OptimizerConfig: "table",
}
VARIABLES = {
    "STARGAN_FW_CACHE": "the folder of decoded images and classifiers, if neither `--cache` nor `data.cache` names one.",
    "STARGAN_FW_STRICT": "`1` makes an installed plugin that fails an error; otherwise it is left out with a note.",
    "STARGAN_FW_ACCELERATE": "`0` keeps all networks as they are built, in every command.",
    "STARGAN_FW_NATIVE": "`0` keeps the program from building its own kernels with a C compiler.",
    "STARGAN_FW_KEEP_MEMORY": "`0` leaves it to the operating system's allocator when freed memory is given back.",
}


def option_models(manager: PluginManager) -> Iterator[tuple[str, str, Any, type[BaseModel]]]:
    """Yields kind, name, class and the model of the options of each component that has a place in the configuration."""
    for kind in ("dataset", *CONFIG_TABLES):
        for name, component in manager.index(kind).items():
            yield kind, name, component, options_model(component, NETWORK_ARGUMENTS)


def configuration_page(manager: PluginManager) -> str:
    """Returns the page of all configuration keys, presets and environment variables."""
    parts = [
        "# Configuration",
        escape(Docstring.of(inspect.getmodule(Config)).summary),
        INTRODUCTION,
        *_keys(Config, {name: field for name, field in Config.model_fields.items() if name == "plugins"}, ""),
    ]
    for table, model in TABLES.items():
        parts += [f"## `[{table}]`", *_keys(model, model.model_fields, f"{table}.")]
    parts += [
        "## Components",
        _escaped_summary(ComponentConfig),
        "Each `name` below selects a component with these keys.",
    ]
    for kind, name, component, model in option_models(manager):
        table = "datasets.<alias>" if kind == "dataset" else kind
        selects = "plugin" if kind == "dataset" else "name"
        parts += [f'### `[{table}]` with `{selects} = "{name}"`', _escaped_summary(component)]
        parts += [*_keys(component, model.model_fields, f"{table}.")] or ["No keys of its own."]
    parts += ["## Presets", "A preset is a partial configuration, which `--preset` names.", *_presets(manager)]
    parts += ["## Environment variables", *(definition(f"`{name}`", text) for name, text in VARIABLES.items())]
    return "\n\n".join(parts) + "\n"


def _keys(owner: Any, fields: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Yields an entry per key: what it takes, its default, and its description from the owner's docstring."""
    about = described(owner)
    for name, field in fields.items():
        default = "" if field.is_required() else " Not set by default."
        if not field.is_required() and field.default is not None:
            default = f" Default: `{_toml(field.default)}`."
        kind = f" — `{_type(field)}`"
        yield definition(f"`{prefix}{name}`{kind}", escape(_sentence(about.get(name, ""))) + default)


def described(owner: Any) -> dict[str, str]:
    """Returns the descriptions of a class's parameters and attributes, those of its base classes included."""
    about: dict[str, str] = {}
    for base in reversed(owner.__mro__):
        about.update(Docstring.read(base.__doc__ or "").about)
    return about


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _type(field: Any) -> str:
    """Returns what a key takes, as a reader of TOML says it, with its limits."""
    limits = []
    for rule in field.metadata:
        signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
        limits += [
            f"{sign} {getattr(rule, name)}" for name, sign in signs.items() if getattr(rule, name, None) is not None
        ]
    return " ".join([_written(field.annotation), *limits])


def _written(annotation: Any) -> str:
    """Returns a type as a reader of TOML says it: without pydantic's checks, and without None, which TOML lacks."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _written(arguments[0])
    if origin is typing.Literal:
        return " | ".join(f'"{one}"' for one in arguments)
    if origin in {typing.Union, types.UnionType}:
        return " | ".join(_written(one) for one in arguments if one is not type(None))
    if origin is not None and arguments:
        inside = _written(arguments[-1])
        return f"{WORDS.get(origin, origin.__name__)} of {inside}{'s' * inside.endswith(('text', 'number'))}"
    return WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _toml(value: Any) -> str:
    if isinstance(value, BaseModel):
        return "…"
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def _escaped_summary(thing: Any) -> str:
    return escape(Docstring.of(thing).summary)


def _presets(manager: PluginManager) -> Iterator[str]:
    for name, path in manager.index("preset").items():
        text = Path(path).read_text(encoding="utf-8")
        yield f"### `{name}`" + (" (the default)" if name == manager.index("preset").default else "")
        yield f"```toml\n{text.strip()}\n```"


def hook_page(manager: PluginManager) -> str:
    """Returns the page of all hooks, what each takes, and the components that are registered with it."""
    module = Docstring.of(resolve_name("stargan_fw.hookspecs"))
    parts = ["# Hooks and components", escape(module.summary), escape(module.prose)]
    parts += [
        "The interfaces themselves are on [the page of Python](python.md).",
        "A plugin of each kind begins like this:",
    ]
    parts += [
        "```python\nfrom stargan_fw import hookimpl\n\n\n@hookimpl\ndef register_datasets(register):\n    register(Pets)\n```"
    ]
    kinds = dict(manager.index("kind").items())
    for kind in kinds.values():
        parts += [f"## `{kind.hook.__name__}`", *_hook(kind, manager)]
    return "\n\n".join(parts) + "\n"


def _hook(kind: ComponentKind, manager: PluginManager) -> Iterator[str]:
    yield f"```python\n{signature(kind.hook, kind.hook.__name__)}\n```"
    yield Docstring.of(kind.hook).to_markdown()
    interface = resolve_name(kind.interface)
    about = "" if interface is Path else _escaped_summary(interface)
    yield f"Takes: `{kind.interface.replace(':', '.')}`. {about}"
    listed = [(name, item) for name, item in manager.index(kind.name).items() if kind.name != "kind"]
    if listed:
        yield "Registered with stargan-fw:"
    for name, item in listed:
        yield definition(f"`{name}`", _about(item))


def _about(item: Any) -> str:
    """Returns what a registered component says of itself: a class by its docstring, a command by its help, a preset by its file."""
    if inspect.isclass(item):
        return _escaped_summary(item)
    if isinstance(item, Path):
        lines = itertools.takewhile(lambda line: line.startswith("#"), item.read_text(encoding="utf-8").splitlines())
        return escape(" ".join(line.lstrip("# ") for line in lines)) or f"The file `{item.name}`."
    run = getattr(item, "run", None)
    text = run.info.help if hasattr(run, "info") else inspect.getdoc(run)
    return escape((text or "").splitlines()[0])
