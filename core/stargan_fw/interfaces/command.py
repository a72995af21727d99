"""A command of the program that a plugin adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import typer


@dataclass(frozen=True)
class Command:
    """A command, `stargan-fw NAME …`, or a group of them.

    The module that registers it is imported whenever the program starts, so it imports torch and other large libraries
    inside of its functions.

    Attributes:
        name: the command's name, in lower case.
        run: a function whose parameters are annotated as typer reads them, or a `typer.Typer` with commands of its own.
            A `stargan_fw.errors.RequestError` that it raises ends the program with exit code 2, any other exception
            with 1.
        after: the command that `--help` lists before this one; empty lists this one last.
    """

    name: str
    run: Callable[..., Any] | typer.Typer
    after: str = ""
