"""Text for the user: notes on standard error, so that standard output holds only results, and JSON for programs."""

import sys
from typing import Any

from stargan_fw.errors import is_printable, printable


def note(text: str) -> None:
    """Prints a note as plain text, line by line.

    Labels and paths may have [brackets], which rich would read as markup, and characters that a terminal would obey.
    """
    print(*map(printable, text.split("\n")), sep="\n", file=sys.stderr)  # noqa: T201 - the only place that prints


def json_text(document: Any) -> str:
    """Returns a document as JSON to print. Characters that a terminal obeys, or that UTF-8 cannot hold, are escaped."""
    import json

    lines = json.dumps(document, indent=1, ensure_ascii=False).split("\n")
    return "\n".join(line if is_printable(line) else "".join(map(_escape, line)) for line in lines)


def _escape(character: str) -> str:
    return character if is_printable(character) else f"\\u{ord(character):04x}"
