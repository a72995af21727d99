"""A component's own options: the keyword-only parameters of its constructor, checked as a configuration is."""

import inspect
import typing
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from stargan_fw.errors import ConfigError, closest


class OptionError(ConfigError):
    """An option that its component does not have, or a value that it does not take.

    Attributes:
        path: the keys that lead to it.
    """

    def __init__(self, message: str, path: Sequence[str]) -> None:
        super().__init__(message)
        self.path = path


def options_model(component: type, given: Iterable[str] = ()) -> type[BaseModel]:
    """Returns a model of the keyword-only parameters of `component`, without those that the framework gives."""
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(component).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and name not in given:
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[name] = (_type_of(component, name), default)
    settings = ConfigDict(extra="forbid", protected_namespaces=(), arbitrary_types_allowed=True, validate_default=False)
    return create_model(component.__name__, __config__=settings, **fields)


def _type_of(component: Any, parameter: str) -> Any:
    """Returns what a constructor's parameter is annotated with; Any for what exists for type checkers alone."""
    init = inspect.unwrap(component.__init__)
    annotation = SimpleNamespace(__annotations__={parameter: init.__annotations__.get(parameter, Any)})
    try:
        return typing.get_type_hints(annotation, globalns=init.__globals__, include_extras=True)[parameter]
    except NameError:
        return Any


def check_options(
    component: type, options: Mapping[str, Any], where: str, given: Iterable[str] = (), beside: Iterable[str] = ()
) -> dict[str, Any]:
    """Returns the options complete with their defaults.

    Args:
        component: the class that takes them.
        options: as the configuration has them.
        where: the configuration table, for messages.
        given: parameters that the framework gives.
        beside: keys of the table that are no options, which a mistyped one may have been meant to be.

    Raises:
        OptionError: an unknown option or a value of the wrong type.
    """
    model = options_model(component, given)
    try:
        return dict(model.model_validate(dict(options)))
    except ValidationError as error:
        path = [*where.split("."), *error_location(error, options)]
        raise OptionError(describe(error, model, options, where, beside), path) from None


def describe(
    error: ValidationError,
    model: type[BaseModel],
    values: Mapping[str, Any],
    where: str = "",
    beside: Iterable[str] = (),
) -> str:
    """Says the first thing that is wrong with a configuration: which key, what about it, and the remedy.

    Args:
        error: what `model` raised.
        model: what was validated.
        values: that were validated.
        where: the table that holds them.
        beside: further keys that an unknown one may have been meant to be.
    """
    first = error.errors()[0]
    path = error_location(error, values)
    key = ".".join(filter(None, [where, *path]))
    if first["type"] == "extra_forbidden":
        return f"Unknown key '{key}': {closest(path[-1], [*_keys_at(model, path[:-1]), *beside])}"
    if first["type"] == "missing":
        return f"The key '{key}' is missing."
    if first["type"] == "value_error":
        return f"{key} = {first['input']!r}: {first['msg'].removeprefix('Value error, ').rstrip('.')}."
    return f"{key} = {first['input']!r} {first['msg'].removeprefix('Input ').rstrip('.')}."


def error_location(error: ValidationError, values: Any) -> list[str]:
    """Returns the keys that lead to the first thing that is wrong.

    What pydantic adds for a position in a list or a member of a union is left out.
    """
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
        if typing.get_origin(kind) is dict:  # a table under a name of the user's own
            kind = typing.get_args(kind)[1]
        else:
            field = kind.model_fields.get(part) if _is_model(kind) else None
            kind = field.annotation if field else None
    return list(kind.model_fields) if _is_model(kind) else []


def _is_model(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, BaseModel)
