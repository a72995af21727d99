"""A component's own options: the keyword-only parameters of its constructor, checked against their annotations."""

import inspect
import typing
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from stargan_fw.errors import ConfigError, closest, printable

LONGEST_VALUE = 200  # characters of a value in a message


class OptionError(ConfigError):
    """An unknown option of a component, or a value of the wrong type.

    Attributes:
        path: the keys that lead to the option, the outermost first.
    """

    def __init__(self, message: str, path: Sequence[str]) -> None:
        super().__init__(message)
        self.path = path


def options_model(component: type, reserved: Iterable[str] = ()) -> type[BaseModel]:
    """Returns a model of the keyword-only parameters of `component`, without those reserved for the framework."""
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(component).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and name not in reserved:
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[name] = (_type_of(component, name), default)
    settings = ConfigDict(extra="forbid", protected_namespaces=(), arbitrary_types_allowed=True, validate_default=False)
    return create_model(component.__name__, __config__=settings, **fields)


def _type_of(component: Any, parameter: str) -> Any:
    """Returns the type of a constructor's parameter; Any if the annotation is imported for type checkers only."""
    init = inspect.unwrap(component.__init__)
    annotation = SimpleNamespace(__annotations__={parameter: init.__annotations__.get(parameter, Any)})
    try:
        return typing.get_type_hints(annotation, globalns=init.__globals__, include_extras=True)[parameter]
    except NameError:
        return Any


def check_options(
    component: type,
    options: Mapping[str, Any],
    table: str,
    reserved: Iterable[str] = (),
    other_keys: Iterable[str] = (),
) -> dict[str, Any]:
    """Returns the options, completed with their defaults.

    Args:
        component: the class to construct with them.
        options: the configured options.
        table: the name of the configuration table, for messages.
        reserved: parameters that the framework passes.
        other_keys: further keys of the table, to suggest for a mistyped one.

    Raises:
        OptionError: if an option is unknown, or a value has the wrong type.
    """
    model = options_model(component, reserved)
    try:
        return dict(model.model_validate(dict(options)))
    except ValidationError as error:
        path = [*table.split("."), *error_location(error, options)]
        raise OptionError(describe_error(error, model, options, table, other_keys), path) from None


def describe_error(
    error: ValidationError,
    model: type[BaseModel],
    values: Mapping[str, Any],
    table: str = "",
    other_keys: Iterable[str] = (),
) -> str:
    """Describes the first mistake of a configuration: the key, what is wrong with it, and the remedy.

    Args:
        error: the error that `model` raised.
        model: the model that refused the values.
        values: the refused values.
        table: the name of the table that holds the values.
        other_keys: further keys to suggest for an unknown one.
    """
    first = error.errors()[0]
    path = error_location(error, values)
    key, value = printable(".".join(filter(None, [table, *path]))), _shorten(repr(first["input"]))
    if first["type"] == "extra_forbidden":
        return f"Unknown key '{key}': {closest(path[-1], [*_keys_at(model, path[:-1]), *other_keys])}"
    if first["type"] == "missing":
        return f"The key '{key}' is missing. Add it."
    if first["type"] == "value_error":
        return f"{key} = {value}: {first['msg'].removeprefix('Value error, ').rstrip('.')}."
    return f"{key} = {value} {first['msg'].removeprefix('Input ').rstrip('.')}."


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def first_mistake(error: ValidationError) -> str:
    """Describes the first mistake of a document that comes from outside: where it is, and what."""
    first = error.errors()[0]
    where = _shorten(printable(".".join(map(str, first["loc"]))))
    return f"{where}: {first['msg']}" if where else str(first["msg"])


def error_location(error: ValidationError, values: Any) -> list[str]:
    """Returns the keys that lead to the first mistake, without pydantic's list positions and union members."""
    first = error.errors()[0]
    path = []
    for part in first["loc"]:
        if not isinstance(values, Mapping) or (part not in values and first["type"] != "missing"):
            break
        path.append(str(part))
        values = values.get(part)
    return path


def _keys_at(model: type[BaseModel], path: list[str]) -> list[str]:
    kind: Any = model
    for part in path:
        if typing.get_origin(kind) is dict:  # tables with names that the user chooses
            kind = typing.get_args(kind)[1]
        else:
            field = kind.model_fields.get(part) if _is_model(kind) else None
            kind = field.annotation if field else None
    return list(kind.model_fields) if _is_model(kind) else []


def _is_model(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, BaseModel)
