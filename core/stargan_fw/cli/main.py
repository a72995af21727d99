"""The program `stargan-fw`, and the one place that turns exceptions into exit codes."""

import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group, solve_typer_info_defaults
from typer.models import TyperInfo

from stargan_fw.cli.notes import note
from stargan_fw.errors import RequestError, TrainingError
from stargan_fw.interfaces.command import Command
from stargan_fw.plugin_manager import COMMAND_GROUP, KIND_GROUP, PluginManager
from stargan_fw.stop_signals import Stopped, stop_program

FAILED, WRONG_REQUEST = 1, 2
WHERE = "(--debug shows where it happened.)"
ABOUT = "Image-to-image translation between many domains, learned from several datasets at once."


def show_version(wanted: bool) -> None:
    """Prints the version and ends the program, if `--version` is set."""
    if wanted:
        from stargan_fw.version import __version__

        typer.echo(f"stargan-fw {__version__}")
        raise typer.Exit


def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error. Works in any place.")] = False,
) -> None:
    """Declares the options of the program itself, and prepares the process for the command, which runs after this.

    `main` removes `--debug` from any place before typer sees it.
    """
    from stargan_fw.process import prepare_process

    del version, debug
    prepare_process()


class CommandEntry(TyperCommand):
    """The entry of a command in the program's list of commands.

    The list needs little of a command, and building a command takes typer long. So the command is built when it is used.
    """

    def __init__(self, command: Command) -> None:
        super().__init__(command.name, **_listing(command.run))
        self._run, self._in_ranks = command.run, command.in_ranks

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Builds the command and parses its arguments. The returned context holds the command, not this entry.

        Raises:
            RequestError: several processes would each do the whole command's work.
        """
        is_rank = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) > 1 and "TORCHELASTIC_RUN_ID" in os.environ
        if is_rank and not self._in_ranks:
            raise RequestError(f"'{self.name}' works in one process. Start it without torchrun.")
        return self._build().make_context(info_name, args, parent, **extra)

    def _build(self) -> Any:
        if isinstance(self._run, typer.Typer):
            return get_group(self._run)
        app = typer.Typer(add_completion=False)
        app.command(self.name)(self._run)
        return get_command(app)


def _listing(run: Callable[..., Any] | typer.Typer) -> dict[str, Any]:
    """Returns what the program's list of commands needs of a command, by typer's names."""
    if not isinstance(run, typer.Typer):
        return {"help": inspect.getdoc(run)}
    settings = solve_typer_info_defaults(TyperInfo(run))
    return {key: getattr(settings, key) for key in ("help", "short_help", "hidden", "deprecated", "rich_help_panel")}


def program() -> TyperGroup:
    """Returns the command line with all registered commands.

    Raises:
        PluginError: if a plugin fails and `STARGAN_FW_STRICT=1` is set.
    """
    app = typer.Typer(name="stargan-fw", no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
    app.callback(help=ABOUT)(options)
    group = cast("TyperGroup", get_command(app))  # typer returns a group because the program has a callback
    for command in registered_commands():
        group.add_command(CommandEntry(command))
    return group


def registered_commands() -> list[Command]:
    """Returns all commands as `--help` lists them. A note names each plugin that fails and is left out.

    Raises:
        PluginError: if a plugin fails and `STARGAN_FW_STRICT=1` is set.
    """
    manager = _load_commands()
    for failure in manager.new_failures():
        note(failure)
    registered = (component.partition(" ") for report in manager.reports for component in report.components)
    commands = [manager.index("command").get(name) for kind, _, name in registered if kind == "command"]
    return sorted(_in_order(commands), key=lambda command: isinstance(command.run, typer.Typer))


def _load_commands() -> PluginManager:
    """Returns a manager with all modules that register commands.

    To keep `--help` fast, plugins' kinds of components are loaded only if a module of commands fails without them.
    """
    manager = PluginManager()
    manager.load_entry_points(COMMAND_GROUP)
    if any(report.error for report in manager.reports):
        manager = PluginManager()
        manager.load_entry_points(KIND_GROUP, COMMAND_GROUP)
    return manager


def _in_order(commands: Iterable[Command]) -> list[Command]:
    """Returns commands in the order in which `--help` lists them."""
    ordered: list[Command] = []
    for command in commands:
        names = [before.name for before in ordered]
        place = names.index(command.after) + 1 if command.after in names else len(names)
        ordered.insert(place, command)
    return ordered


def main() -> None:
    """Runs the command line.

    Exit codes: 0 done, 1 failed while working, 2 the request was wrong; 130, 143 and 129 stopped by SIGINT, SIGTERM and
    SIGHUP.
    """
    arguments, debug = _take_debug(sys.argv[1:])
    with stop_program() as request:
        try:
            _check_once(arguments)
            program()(arguments, prog_name="stargan-fw")
        except Stopped as stopped:
            sys.exit(_report_stop(stopped, debug=debug))
        except Exception as error:  # noqa: BLE001 - the last place that can report it
            if request.number is not None:  # C code has turned Stopped into another error
                sys.exit(_report_stop(Stopped(request.number), debug=debug))
            sys.exit(_report(error, WRONG_REQUEST if isinstance(error, RequestError) else FAILED, debug=debug))


def _take_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Returns the arguments without `--debug`, and whether it was there. After "--", `--debug` is an ordinary value."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options, values = arguments[:end], arguments[end:]
    return [*(option for option in options if option != "--debug"), *values], "--debug" in options


def _check_once(arguments: Sequence[str]) -> None:
    """Raises RequestError if an option comes twice of which somebody may expect that both count."""
    names = [argument.partition("=")[0] for argument in arguments]
    twice = next((option for option in ("--datasets", "--preset", "--config") if names.count(option) > 1), None)
    if twice:
        raise RequestError(f"{twice} is given twice, and only the last would count. Give one (datasets with commas).")


def _report_stop(stopped: Stopped, *, debug: bool) -> int:
    """Prints what stopped the program and what to do next, which others have added as notes, in one line."""
    if debug:
        traceback.print_exception(stopped)
    else:
        note(" ".join([str(stopped), *getattr(stopped, "__notes__", ())]))
    return stopped.exit_code


def _report(error: Exception, code: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    elif isinstance(error, (RequestError, TrainingError)):
        note(f"Error: {error}")
    elif isinstance(error, OSError) and error.filename and error.strerror:
        note(f"Error: '{error.filename}' cannot be read or written: {error.strerror}\n{WHERE}")
    else:
        note(f"Error: {type(error).__name__}: {error}\n{WHERE}")
    return code
