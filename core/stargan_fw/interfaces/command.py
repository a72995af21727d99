"""A command that a plugin adds to the program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import typer


@dataclass(frozen=True)
class Command:
    """A command, `stargan-fw NAME …`, or a group of commands.

    The program imports the module that registers a command at every start, so that module must import torch and other
    large libraries inside its functions.

    Attributes:
        name: the command's name, in lower case.
        run: a function with parameters annotated for typer, or a `typer.Typer` with several commands. If it raises
            `stargan_fw.errors.RequestError`, the program exits with code 2; any other exception exits with code 1.
        after: the command that `--help` lists before this one; if empty, `--help` lists this one last.
        in_ranks: whether `torchrun` may start the command in several processes, which then share the work.
    """

    name: str
    run: Callable[..., Any] | typer.Typer
    after: str = ""
    in_ranks: bool = False
