"""Notes to the user, one per line on standard error, so that standard output holds only results."""

import sys


def note(text: str) -> None:
    """Prints a note as plain text: labels and paths may have [brackets], which rich would read as markup."""
    print(text, file=sys.stderr)  # noqa: T201 - the only place that prints
