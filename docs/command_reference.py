"""The page of all commands and their options, from the command line itself."""

import inspect
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docstrings import definition, escape

from stargan_fw.cli.main import ABOUT, program

INTRODUCTION = (
    "`stargan-fw COMMAND --help` shows the same in a terminal. Exit codes: 0 done; 1 failed while working; 2 the request was "
    "wrong, and nothing is written; 130, 143 and 129 stopped by a signal."
)
PLACEHOLDERS = {int: "N", float: "X", Path: "PATH", str: "TEXT"}
GENERIC = {"--help", "--install-completion", "--show-completion"}


def commands() -> Iterator[tuple[str, Any]]:
    """Yields the name, such as "data sample", and typer's command of each command."""
    for name, entry in program().commands.items():
        command = entry.make_context(name, [], resilient_parsing=True).command
        for inner, single in getattr(command, "commands", {"": command}).items():
            yield f"{name} {inner}".strip(), single


def parameters(command: Any) -> list[Any]:
    """Returns the arguments and options of a command, without `--help`."""
    return [one for one in command.params if not GENERIC & set(one.opts)]


def command_page() -> str:
    """Returns the page of all commands."""
    parts = [
        "# Commands",
        escape(ABOUT),
        INTRODUCTION,
        "## Options of the program",
        *(_parameter(one, bool) for one in parameters(program())),
    ]
    for name, command in commands():
        parts += [f"## `{name}`", *_command(name, command)]
    return "\n\n".join(parts) + "\n"


def _command(name: str, command: Any) -> Iterator[str]:
    own = parameters(command)
    declared = inspect.signature(inspect.unwrap(command.callback)).parameters
    arguments = [one for one in own if one.param_type_name == "argument"]
    options = [one for one in own if one.param_type_name == "option"]
    yield escape(inspect.cleandoc(command.help or ""))
    words = ["stargan-fw", name, *("[OPTIONS]" for _ in options[:1]), *(_argument(one) for one in arguments)]
    yield f"```text\n{' '.join(words)}\n```"
    for one in (*arguments, *options):
        yield _parameter(one, declared[one.name].annotation)


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or str(parameter.name).upper()).removesuffix("...")
    many = f"{name}…" if parameter.nargs == -1 else name
    return many if parameter.required else f"[{many}]"


def _parameter(parameter: Any, annotation: Any) -> str:
    if parameter.param_type_name == "argument":
        return definition(f"`{_argument(parameter)}`", _remarks(parameter))
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    value = "" if parameter.is_flag else f" `{_value(parameter, annotation)}`"
    return definition(names + value, _remarks(parameter))


def _remarks(parameter: Any) -> str:
    """Returns what a parameter is for, and what holds if it is not given."""
    remarks = [escape(parameter.help or "")]
    shown = parameter.show_default if isinstance(parameter.show_default, str) else None
    value = getattr(parameter.default, "value", parameter.default)
    if parameter.required and parameter.param_type_name == "option":
        remarks.append("Required.")
    elif shown:
        remarks.append(f"Default: {escape(shown)}.")
    elif value not in (None, (), [], "", False) and not callable(value):
        remarks.append(f"Default: `{value}`.")
    return " ".join(filter(None, remarks))


def _value(parameter: Any, annotation: Any) -> str:
    """Returns what an option takes: its choices, or a placeholder with the range of a number."""
    kind = _value_type(annotation)
    if typing.get_origin(kind) is typing.Literal:
        return "|".join(map(str, typing.get_args(kind)))
    name = parameter.metavar or PLACEHOLDERS.get(kind, "TEXT")
    low, high = (getattr(parameter, end, None) for end in ("min", "max"))
    ends = [f"≥ {low}" if low is not None else "", f"≤ {high}" if high is not None else ""]
    return " ".join([name, *filter(None, ends)])


def _value_type(annotation: Any) -> Any:
    """Returns the type of one value: without what typer is told, without None, and of a list that of its items."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) in {types.UnionType, typing.Union}:
        annotation = next(one for one in typing.get_args(annotation) if one is not type(None))
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is list else annotation
