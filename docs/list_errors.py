"""Lists every message of a wrong request, and what it tells the user to do, from the sources into docs/errors.md.

python docs/list_errors.py           # writes the page
python docs/list_errors.py --check   # says if the page is stale, or a message has no remedy: exit code 1
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from source_messages import ROOT, Message, Sources

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = ROOT / "docs" / "errors.md"
HEAD = """# Errors and what to do about them

Every message about a wrong request, as the program prints it after `Error:`, with what to do in bold: {count} of them, read
from the code by `docs/list_errors.py`. The program then ends with exit code 2.

⟨Words in angles⟩ stand for what the message fills in, (one | another) for a choice, and [words in brackets] may be missing.
"Another message of this page" is followed by that message's own remedy. Search for words that are not filled in.
"""
AREAS = (  # the first that a file's path begins with
    (
        "The command line and the configuration",
        "core/stargan_fw/cli",
        "core/stargan_fw/config",
        "core/stargan_fw/options",
    ),
    (
        "Plugins and components",
        "core/stargan_fw/component",
        "core/stargan_fw/plugin",
        "core/stargan_fw/interfaces",
        "plugins/stargan_fw_scaffold",
        "registry/stargan_fw_registry/index",
    ),
    (
        "Data",
        "core/stargan_fw/data",
        "plugins/stargan_fw_data",
        "plugins/stargan_fw_plugins/datasets",
        "plugins/stargan_fw_plugins/face_crop",
        "plugins/stargan_fw_plugins/redrawn",
        "plugins/stargan_fw_plugins/sample",
    ),
    ("Labels and edits", "registry"),
    ("Methods, networks and losses", "plugins/stargan_fw_plugins", "core/stargan_fw/compute"),
    ("Training and run folders", "core/stargan_fw/training", "core/stargan_fw/runs", "core/stargan_fw/ranks"),
    ("Models, export and the Hub", "core/stargan_fw/models", "plugins/stargan_fw_share", "plugins/stargan_fw_import"),
    ("Translating", "core/stargan_fw/inference", "core/stargan_fw/rendering", "plugins/stargan_fw_translate"),
    ("Evaluating", "plugins/stargan_fw_evaluate"),
    ("Studies with people", "plugins/stargan_fw_study"),
    ("Other commands, and the whole", ""),
)
MEANINGS = {  # what a message is about, if its words do not say that; found by words of it
    "works in one process": "torchrun starts a process per GPU, and each would do the command's whole work.",
    "are never run by themselves": "A folder from elsewhere could name any program.",
    "cannot be locked": "Some network drives have no locks, without which two trainings would write one file.",
    "cannot be shared equally by": "A step takes equally many images of each dataset, process and half of a batch.",
    "is split by person": "The images of a person are all for training or all for tests.",
    "say where they are": "A network that gets new labels moves the weights of the old ones.",
    "cannot go on with": "A run keeps the settings that it was begun with, so that its losses stay one curve.",
    "averages none": "Only a method that translates with averaged weights keeps them.",
    "have no wrong mask": "The mask says whose labels count; the wrong one, of another dataset, is for comparison.",
    "nothing else is read": "A pickle may run any program when it is opened.",
    "shares the optimiser of": "Both phases update the same weights.",
    "was held out by all of the runs": "A picture that a model was trained on says nothing about new ones.",
}


def draw(messages: Sequence[Message]) -> str:
    """Returns the page: the messages by area and file, each with its remedy in bold."""
    lines = [HEAD.format(count=len(messages))]
    for title, *prefixes in AREAS:
        mine = [message for message in messages if _area(message.file) == title]
        lines += [f"## {title}", ""] if mine else []
        for file in dict.fromkeys(message.file for message in mine):
            lines += [f"### `{file.split('/', 1)[1]}`", ""]
            lines += [_entry(message) for message in mine if message.file == file]
            lines.append("")
        del prefixes
    return "\n".join(lines).rstrip() + "\n"


def _area(file: str) -> str:
    return next(title for title, *prefixes in AREAS if file.startswith(tuple(prefixes)))


def _entry(message: Message) -> str:
    said, remedy = message.parts
    meaning = next((f" {meaning}" for words, meaning in MEANINGS.items() if words in message.text), "")
    return f"- {_escape(said)} **{_escape(remedy)}**{meaning}" if said else f"- **{_escape(remedy)}**{meaning}"


def _escape(text: str) -> str:
    """Returns a text in which Markdown reads only what is between backticks."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([*\[\]])", r"\\\1", part).replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts)


def find_mute(messages: Sequence[Message]) -> list[str]:
    """Returns a line per message that says what is wrong, and not what to do."""
    return [
        f"{message.file}, line {message.line}: '{message.text}' has no remedy. Begin a sentence or a clause with a verb that "
        "says what to do; docs/list_errors.py knows the verbs."
        for message in messages
        if message.remedy is None
    ]


def main() -> None:
    """Writes the page, or with --check compares it."""
    messages = [message for message in Sources().messages if not message.passes_on]
    if mute := find_mute(messages):
        sys.exit("\n".join(mute))
    drawn = draw(messages)
    if "--check" not in sys.argv:
        PAGE.write_text(drawn, encoding="utf-8")
    elif not PAGE.exists() or drawn != PAGE.read_text(encoding="utf-8"):
        sys.exit("docs/errors.md is stale. Run: make house")


if __name__ == "__main__":
    main()
