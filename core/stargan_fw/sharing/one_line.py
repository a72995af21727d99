"""What a stranger's file puts into a message."""

LONGEST = 300  # characters


def one_line(text: str) -> str:
    """Returns a text as one line of bounded length, without what a terminal would obey."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} …"
