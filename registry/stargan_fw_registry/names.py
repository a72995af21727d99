"""What a name may be, and which known name a mistyped one was meant to be."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from stargan_fw_registry.errors import LabelError

if TYPE_CHECKING:
    from collections.abc import Iterable

RESERVED = ".,=/"
"""Characters with a meaning in an edit, `dataset.label=value,label`, or in a path, and therefore in no name."""

LISTED = 12
"""How many known names an error lists before it says how many more there are."""


def check_name(name: object, what: str) -> str:
    """Return `name` if an edit can spell it; raise LabelError otherwise, beginning with `what`."""
    if not isinstance(name, str):
        raise LabelError(f"{what} must be a string, not {name!r}")
    if not name:
        raise LabelError(f"{what} is empty: give it a name")
    if name != name.strip():
        raise LabelError(f"{what} {name!r} begins or ends with a blank: remove it")
    if any(character in name for character in RESERVED):
        raise LabelError(f"{what} {name!r} contains one of {RESERVED!r}, which edits reserve: rename it")
    return name


def check_names(names: object, what: str) -> tuple[str, ...]:
    """Return `names` as a tuple; raise LabelError unless it is a list of distinct names that edits can spell."""
    if not isinstance(names, (list, tuple)):
        raise LabelError(f"{what}: expected a list of names, not {names!r}")
    checked = tuple(check_name(name, f"{what}: name") for name in names)
    check_distinct(checked, what)
    return checked


def check_distinct(names: Iterable[str], what: str) -> None:
    """Raise LabelError, beginning with `what`, if a name occurs twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise LabelError(f"{what}: {name!r} occurs twice")
        seen.add(name)


def closest(name: object, known: Iterable[str]) -> str:
    """End of an error sentence: the known name nearest to `name`, or what is known when none is near."""
    candidates = sorted(known)
    folded = {candidate.casefold(): candidate for candidate in candidates}
    near = difflib.get_close_matches(str(name).casefold(), folded, n=1)
    if near:
        return f"did you mean {folded[near[0]]!r}?"
    if not candidates:
        return "none is known"
    more = f" and {len(candidates) - LISTED} more" if len(candidates) > LISTED else ""
    return f"known: {', '.join(candidates[:LISTED])}{more}"
