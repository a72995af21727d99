"""The commands of core. Like those of plugins, they register through the entry point group `stargan_fw.commands`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stargan_fw import Command, hookimpl
from stargan_fw.cli import plugins, train

if TYPE_CHECKING:
    from collections.abc import Callable

COMMANDS = (
    Command("train", train.train, in_ranks=True),
    Command("plugins", plugins.app),
)


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    for command in COMMANDS:
        register(command)
