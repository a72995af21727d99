"""Partial configurations from files and options, and how they merge into one."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from stargan_fw.component_kinds import CONFIG_TABLES
from stargan_fw.config import Config, expand_path
from stargan_fw.errors import ConfigError, one_line
from stargan_fw.files import read_text, why_unreadable
from stargan_fw.options import describe_error, error_location

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

LARGEST_FILE = 2**20  # bytes of a configuration
MOST_DOTS = 200
DEEPEST_TABLE = 20  # tables inside of each other

# A name in a key of `--set` that holds dots or equals signs is in quotes, as in TOML.
_KEY = re.compile(r"""[^."'=]++|"[^"]*+"|'[^']*+'""")
_QUOTED_KEY = re.compile(rf"""(?=[^=]*["'])((?:{_KEY.pattern})(?:\.(?:{_KEY.pattern}))*+)=(.*)""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Layer:
    """A partial configuration.

    Attributes:
        source: the layer's origin, for messages: a path, "--set".
        values: nested tables.
    """

    source: str
    values: dict[str, Any]

    def __post_init__(self) -> None:
        tables, depth = [self.values], 0
        while tables:
            tables = [inner for table in tables for inner in table.values() if isinstance(inner, dict)]
            depth += 1
            if depth > DEEPEST_TABLE:
                raise ConfigError(f"{self.source}: more than {DEEPEST_TABLE} tables inside each other. Remove some.")

    @classmethod
    def from_file(cls, path: Path) -> Layer:
        """Reads a TOML file; ConfigError if the file cannot be read or is not TOML.

        Relative paths of plugin files are relative to the file's folder.
        """
        try:
            values = _parse(read_text(path, LARGEST_FILE))
        except OSError as error:
            raise ConfigError(
                f"The configuration '{path}' cannot be read: {why_unreadable(error)}. Check its path."
            ) from None
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"The configuration '{path}' is not TOML: {one_line(str(error))}. Correct it.") from None
        if isinstance(files := values.get("plugins"), list):
            values["plugins"] = [
                str(path.parent / expand_path(name)) if isinstance(name, str) and name else name for name in files
            ]
        return cls(str(path), values)

    @classmethod
    def from_settings(cls, settings: Iterable[str]) -> Layer:
        """Reads the pairs `key=value` of `--set`; a value that is not TOML is a string. Other texts raise ConfigError."""
        values: dict[str, Any] = {}
        for setting in settings:
            quoted = _QUOTED_KEY.fullmatch(setting)
            key, equals, text = (quoted[1], "=", quoted[2]) if quoted else setting.partition("=")
            if not equals or not key.strip():
                raise ConfigError(f"--set {setting}: expected key=value. Write it as in training.batch_size=4.")
            names = [name.strip("\"'") for name in _KEY.findall(key)] if quoted else key.strip().split(".")
            _set_key(values, names, _value(text), f"--set {setting}")
        return cls("--set", values)

    @classmethod
    def from_keys(cls, source: str, keys: Mapping[str, Any]) -> Layer:
        """Reads dotted keys ("training.seed" → 1), without those that are None."""
        values: dict[str, Any] = {}
        for key, value in keys.items():
            if value is not None:
                _set_key(values, key.split("."), value, source)
        return cls(source, values)


def _set_key(table: dict[str, Any], path: Sequence[str], value: Any, source: str) -> None:
    *tables, last = path
    for name in tables:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{source}: '{name}' is a value, not a table. Set it without keys below it.")
    table[last] = value


def _parse(text: str) -> dict[str, Any]:
    """Reads TOML; ValueError or RecursionError if the text is none."""
    # A key of n parts takes a time of n² to parse. Between the signs that may end it, no key has so many dots.
    if max(part.count(".") for part in re.split("[=,{\n]", text)) > MOST_DOTS:
        raise ValueError(f"a line has more than {MOST_DOTS} dots")
    return tomllib.loads(text)


def _value(text: str) -> Any:
    try:
        return _parse(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text.strip()


def merge(layers: Sequence[Layer], written: Sequence[Layer] = ()) -> Config:
    """Merges layers into a configuration and checks it.

    A layer with `training.steps` or `training.epochs` replaces both keys of weaker layers. A layer that names another
    component drops the options of the component in weaker layers.

    Args:
        layers: the layers, the weakest first.
        written: the layers as the user wrote them, if `layers` are rearranged; messages about a key name its layer.

    Raises:
        ConfigError: if a key is unknown or a value is bad; names the key's layer and the closest known key.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        _check_one_length(layer)
        merge_into(merged, layer.values)
    for alias, dataset in get_table(merged, "datasets").items():
        if isinstance(dataset, dict):
            dataset.setdefault("plugin", alias)
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        message = describe_error(error, Config, merged)
        raise with_source([*layers, *written], error_location(error, merged), message) from None


def with_source(layers: Sequence[Layer], path: Sequence[str], message: str) -> ConfigError:
    """Returns an error that names the strongest layer with the key at `path`, if a layer has it."""
    source = next((layer.source for layer in reversed(layers) if has_key(layer.values, path)), None)
    return ConfigError(f"{source}: {message}" if source else message)


def _check_one_length(layer: Layer) -> None:
    training = get_table(layer.values, "training")
    if training.get("steps") is not None and training.get("epochs") is not None:
        raise ConfigError(
            f"{layer.source}: training.steps and training.epochs are both given, and each sets the length. Leave one out."
        )


def merge_into(merged: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Merges nested tables as `merge` does; the new values replace those in `merged`."""
    for key, value in values.items():
        below = merged.get(key)
        if not isinstance(value, dict) or not isinstance(below, dict):
            merged[key] = _copy(value)
            continue
        if key == "training" and {"steps", "epochs"} & set(value):
            below = {name: kept for name, kept in below.items() if name not in {"steps", "epochs"}}
        if key in CONFIG_TABLES and "name" in value and value["name"] != below.get("name"):
            below = {}
        inner = dict(below)
        merge_into(inner, value)
        merged[key] = inner


def refuse_contradiction(settings: Mapping[str, Any], other: Mapping[str, Any], source: str, *above: str) -> None:
    """Raises ConfigError if `--set` and another source have different values for a key: one would be passed over."""
    for name in (name for name in settings if name in other):
        value, against = settings[name], other[name]
        if isinstance(value, dict) and isinstance(against, dict):
            refuse_contradiction(value, against, source, *above, name)
        elif value != against:
            key = ".".join([*above, name])
            raise ConfigError(f"--set {key}={value} contradicts {source}, which says {against}. Leave one out.")


def _copy(value: Any) -> Any:
    return {key: _copy(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def get_table(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns a table, or an empty one if the value is missing or no table, which `merge` reports."""
    table = values.get(name)
    return table if isinstance(table, dict) else {}


def has_key(values: Any, path: Sequence[str]) -> bool:
    """Returns whether nested tables have the key at `path`, the outermost key first."""
    for part in path:
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return bool(path)
