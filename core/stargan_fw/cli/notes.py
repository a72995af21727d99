"""Notes to whoever started a command: standard error has them, one per line, and standard output has only results."""

import sys


def note(text: str) -> None:
    """Prints a note as plain text: labels and paths may have [brackets], which rich would read as markup."""
    print(text, file=sys.stderr)  # noqa: T201 - the one place that does
