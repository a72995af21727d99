"""The program `stargan-fw`, and the one place that turns exceptions into exit codes."""

import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

from stargan_fw.cli.notes import note
from stargan_fw.errors import RequestError
from stargan_fw.interfaces.command import Command
from stargan_fw.plugin_manager import COMMAND_GROUP, KIND_GROUP, PluginManager
from stargan_fw.process import prepare_process

FAILED, WRONG_REQUEST = 1, 2
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
    """Declares the options of the program itself. `main` removes `--debug` from any place before typer sees it."""
    del version, debug


def program() -> typer.Typer:
    """Returns the command line with all registered commands. A note names each plugin that fails and is left out.

    Raises:
        PluginError: if a plugin fails and `STARGAN_FW_STRICT=1` is set.
    """
    app = typer.Typer(
        name="stargan-fw",
        help=ABOUT,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help=ABOUT)(options)
    manager = _commands()
    for report in manager.reports:
        if report.error:
            note(f"The plugin '{report.name}' is left out: {report.error}")
    registered = (component.partition(" ") for report in manager.reports for component in report.components)
    commands = [manager.index("command").get(name) for kind, _, name in registered if kind == "command"]
    for command in _in_order(commands):
        if isinstance(command.run, typer.Typer):
            app.add_typer(command.run, name=command.name)
        else:
            app.command(command.name)(command.run)
    return app


def _commands() -> PluginManager:
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
    """Runs the command line. Exit codes: 0 done, 1 failed while working, 2 the request was wrong."""
    arguments, debug = _take_debug(sys.argv[1:])
    prepare_process()
    try:
        program()(arguments, prog_name="stargan-fw")
    except RequestError as error:
        sys.exit(_report(error, WRONG_REQUEST, debug=debug))
    except KeyboardInterrupt:
        sys.exit(_report(RuntimeError("Interrupted."), FAILED, debug=False))
    except Exception as error:  # noqa: BLE001 - the last place that can report it
        sys.exit(_report(error, FAILED, debug=debug))


def _take_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Returns the arguments without `--debug`, and whether it was there. After "--", `--debug` is an ordinary value."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options, values = arguments[:end], arguments[end:]
    return [*(option for option in options if option != "--debug"), *values], "--debug" in options


def _report(error: Exception, code: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    elif code == WRONG_REQUEST or str(error) == "Interrupted.":
        note(f"Error: {error}")
    else:
        note(f"Error: {type(error).__name__}: {error}\n(--debug shows where it happened.)")
    return code
