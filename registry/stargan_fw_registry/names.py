"""Rules for names, and suggestions for mistyped ones."""

from __future__ import annotations

import difflib
import re
import unicodedata
from typing import TYPE_CHECKING

from stargan_fw_registry.label_errors import LabelError

if TYPE_CHECKING:
    from collections.abc import Iterable

RESERVED = ".,=/"
"""Characters that no dataset's name may contain, since edits (`dataset.label=value,label`), keys and paths use them."""

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


# A quoted run, from one separator of an edit to the next, or else the text up to the next separator.
_RUN = re.compile(
    r"""\s*+(?:"(?P<double>(?:[^"]|"")++)"|'(?P<single>(?:[^']|'')++)')\s*+(?=[-,=.+]|\Z)|[^,=.]*+""", re.DOTALL
)


def quote_name(name: str) -> str:
    """Returns a name as an edit writes it: in quotes if it holds a comma or an equals sign, or begins with a quote."""
    if not re.search(r"""[,=]|(?:^|\.)\s*["']""", name):
        return name
    return '"{}"'.format(name.replace('"', '""'))


def split_quoted(text: str) -> list[str]:
    """Returns the parts of a text between commas; commas inside of quotes divide nothing, and the quotes stay."""
    parts, start, position = [], 0, 0
    while position <= len(text):
        position = _run_at(text, position).end()
        if text[position : position + 1] in {",", ""}:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    return parts


def read_quoted(part: str) -> tuple[str, str | None]:
    """Returns the key and the value, or None, of a part `key=value` or `key` of an edit, without the quotes."""
    sides, position = [""], 0
    while position <= len(part):
        run = _run_at(part, position)
        position = run.end()
        sides[-1] += _content(run)
        if part[position : position + 1] == "=" and len(sides) == 1:
            sides.append("")
        else:
            sides[-1] += part[position : position + 1]
        position += 1
    key, value = sides[0].strip(), sides[1].strip() if len(sides) > 1 else None
    return key, value


def _run_at(text: str, position: int) -> re.Match[str]:
    run = _RUN.match(text, position)
    assert run, "the pattern matches an empty text, too"
    return run


def _content(run: re.Match[str]) -> str:
    if (double := run["double"]) is not None:
        return double.replace('""', '"')
    return run[0] if (single := run["single"]) is None else single.replace("''", "'")


def compose(name: str) -> str:
    """Returns a name with its accents in one character each: macOS writes them apart in files' names."""
    return unicodedata.normalize("NFC", name)


def check_name(name: object, what: str, reserved: str = "") -> str:
    """Returns `name` if it is a valid name.

    Args:
        name: any object.
        what: what the name belongs to; the error message begins with it.
        reserved: characters that the name may not contain.

    Raises:
        LabelError: the name is not a string, is empty, begins or ends with a blank, or contains a reserved character or
            one that cannot be shown (see `is_printable`).
    """
    if not isinstance(name, str):
        raise LabelError(f"{what} is {name!r}: give a string")
    if not name:
        raise LabelError(f"{what} is empty: give it a name")
    if name != name.strip():
        raise LabelError(f"{what} {name!r} begins or ends with a blank: remove it")
    if not is_printable(name):
        raise LabelError(f"{what} {name!r} contains a control character, or another that cannot be shown: rename it")
    if any(character in name for character in reserved):
        raise LabelError(f"{what} {name!r} contains one of {reserved!r}, which edits reserve: rename it")
    return name


def check_names(names: object, what: str) -> tuple[str, ...]:
    """Returns `names` as a tuple.

    Raises:
        LabelError: `names` is not a list or tuple, a name is not valid, or one occurs twice.
    """
    if not isinstance(names, (list, tuple)):
        raise LabelError(f"{what}: give a list of names, not {names!r}")
    checked = tuple(check_name(name, f"{what}: name") for name in names)
    check_distinct(checked, what)
    return checked


def check_distinct(names: Iterable[str], what: str) -> None:
    """Raises LabelError, with a message that begins with `what`, if a name occurs twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise LabelError(f"{what}: {name!r} occurs twice: rename one")
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
