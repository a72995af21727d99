"""Rules for names, and suggestions for mistyped ones."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from stargan_fw_registry.label_errors import LabelError

if TYPE_CHECKING:
    from collections.abc import Iterable

RESERVED = ".,=/"
"""Characters that no name may contain, since edits (`dataset.label=value,label`) and paths use them."""

LISTED = 12
"""The number of known names that an error message lists before it counts the others."""

# Control characters, line and paragraph separators, what reorders the text around it, and halves of characters: a terminal
# obeys the first, a reader is misled by the others, and no file in UTF-8 can hold the last.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def is_printable(text: str) -> bool:
    """Tells whether a text can be shown and stored as it is: in one line, without characters that a terminal obeys."""
    return _UNPRINTABLE.search(text) is None


def printable(text: str) -> str:
    r"""Returns a text in one line, with each character that cannot be shown as it is escaped, as in ``\x1b``."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def check_name(name: object, what: str) -> str:
    """Returns `name` if it is a valid name.

    Args:
        name: any object.
        what: what the name belongs to; the error message begins with it.

    Raises:
        LabelError: the name is not a string, is empty, begins or ends with a blank, or contains a reserved character or
            one that cannot be shown (see `is_printable`).
    """
    if not isinstance(name, str):
        raise LabelError(f"{what} must be a string, not {name!r}")
    if not name:
        raise LabelError(f"{what} is empty: give it a name")
    if name != name.strip():
        raise LabelError(f"{what} {name!r} begins or ends with a blank: remove it")
    if not is_printable(name):
        raise LabelError(f"{what} {name!r} contains a control character, or another that cannot be shown: rename it")
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
