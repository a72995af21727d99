"""Rules for names, and suggestions for mistyped ones."""

from __future__ import annotations

import difflib
import unicodedata
from typing import TYPE_CHECKING

from stargan_fw_registry.label_errors import LabelError

if TYPE_CHECKING:
    from collections.abc import Iterable

RESERVED = ".,=/"
"""Characters that no name may contain, since edits (`dataset.label=value,label`) and paths use them."""

LISTED = 12
"""The number of known names that an error message lists before it counts the others."""


def check_name(name: object, what: str) -> str:
    """Returns `name` if it is a valid name.

    Args:
        name: any object.
        what: what the name belongs to; the error message begins with it.

    Raises:
        LabelError: the name is not a string, is empty, begins or ends with a blank, or contains a reserved character or
            one that a terminal obeys.
    """
    if not isinstance(name, str):
        raise LabelError(f"{what} must be a string, not {name!r}")
    if not name:
        raise LabelError(f"{what} is empty: give it a name")
    if name != name.strip():
        raise LabelError(f"{what} {name!r} begins or ends with a blank: remove it")
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise LabelError(f"{what} {name!r} contains a control character, which terminals obey: rename it")
    if any(character in name for character in RESERVED):
        raise LabelError(f"{what} {name!r} contains one of {RESERVED!r}, which edits reserve: rename it")
    return name


def check_names(names: object, what: str) -> tuple[str, ...]:
    """Returns `names` as a tuple.

    Raises:
        LabelError: `names` is not a list or tuple, a name is not valid, or one occurs twice.
    """
    if not isinstance(names, (list, tuple)):
        raise LabelError(f"{what}: expected a list of names, not {names!r}")
    checked = tuple(check_name(name, f"{what}: name") for name in names)
    check_distinct(checked, what)
    return checked


def check_distinct(names: Iterable[str], what: str) -> None:
    """Raises LabelError, with a message that begins with `what`, if a name occurs twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise LabelError(f"{what}: {name!r} occurs twice")
        seen.add(name)


def closest(name: object, known: Iterable[str]) -> str:
    """Returns the end of an error message: the known name most like `name`, or a list of names if none is alike."""
    candidates = sorted(known)
    folded = {candidate.casefold(): candidate for candidate in candidates}
    near = difflib.get_close_matches(str(name).casefold(), folded, n=1)
    if near:
        return f"did you mean {folded[near[0]]!r}?"
    if not candidates:
        return "none is known"
    more = f" and {len(candidates) - LISTED} more" if len(candidates) > LISTED else ""
    return f"known: {', '.join(candidates[:LISTED])}{more}"
