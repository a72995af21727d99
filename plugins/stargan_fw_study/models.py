"""The models that a study compares."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stargan_fw import Translator
from stargan_fw.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stargan_fw_registry import LabelSchema

FEWEST, MOST = 2, 9  # a choice needs two, and each has a key of its own


def name_models(items: Sequence[str]) -> dict[str, str]:
    """Returns models by the name that they have in the tables.

    Args:
        items: `MODEL`, which is called as its folder is, or `NAME=MODEL`.

    Raises:
        ConfigError: fewer than two or more than nine, or two of one name.
    """
    if not FEWEST <= len(items) <= MOST:
        raise ConfigError(f"A study compares {FEWEST} to {MOST} models, and {len(items)} were named.")
    named: dict[str, str] = {}
    for item in items:
        name, equals, model = item.partition("=")
        if not equals or not name or not model or Path(item).exists():
            name, model = Path(item).resolve().name, item
        if name in named:
            raise ConfigError(
                f"'{named[name]}' and '{model}' would both be called '{name}'. Write one as NAME={model}."
            )
        named[name] = model
    return named


def open_models(named: Mapping[str, str], device: str | None) -> dict[str, Translator]:
    """Returns the translators by name.

    Raises:
        RunError, ModelError: one of them cannot be opened.
    """
    return {name: Translator.from_pretrained(model, device=device, accelerate=True) for name, model in named.items()}


def shared_schemas(translators: Mapping[str, Translator]) -> list[LabelSchema]:
    """Returns the datasets that all models know, with the same labels, in the first one's order.

    Raises:
        ModelError: there are none.
    """
    spaces = [translator.labels for translator in translators.values()]
    shared = [
        schema
        for schema in spaces[0].schemas
        if all(schema.to_dict() in [other.to_dict() for other in space.schemas] for space in spaces)
    ]
    if not shared:
        known = "; ".join(f"{name}: {', '.join(t.labels.names)}" for name, t in translators.items())
        raise ModelError(f"The models have no dataset with the same labels in common ({known}). Compare those that do.")
    return shared
