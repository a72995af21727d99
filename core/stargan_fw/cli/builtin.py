"""The command of core. Like those of plugins, it registers through the entry point group `stargan_fw.commands`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stargan_fw import Command, hookimpl
from stargan_fw.cli.train import train

if TYPE_CHECKING:
    from collections.abc import Callable


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    register(Command("train", train, in_ranks=True))
