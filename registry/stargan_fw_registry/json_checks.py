"""Checks of JSON documents: a key that is missing, unknown or of the wrong type raises LabelError."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stargan_fw_registry.label_errors import LabelError
from stargan_fw_registry.names import closest

if TYPE_CHECKING:
    from collections.abc import Collection


def read_object(document: object, where: str) -> dict[str, Any]:
    """Returns `document` if it is a JSON object, and raises LabelError otherwise."""
    if not isinstance(document, dict):
        raise LabelError(f"{where}: give an object, not {document!r}")
    return document


def read_fields(document: object, keys: Collection[str], where: str) -> dict[str, Any]:
    """Returns `document` if it is a JSON object with exactly these keys, and raises LabelError otherwise."""
    fields = read_object(document, where)
    for key in fields:
        if key not in keys:
            raise LabelError(f"{where}: unknown key {key!r}; {closest(key, keys)}")
    for key in keys:
        if key not in fields:
            raise LabelError(f"{where}: key {key!r} is missing: add it")
    return fields


def read_list(value: object, where: str) -> list[Any]:
    """Returns `value` if it is a JSON list, and raises LabelError otherwise."""
    if not isinstance(value, list):
        raise LabelError(f"{where}: give a list, not {value!r}")
    return value
