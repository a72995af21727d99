"""The program `stargan-fw`, and the one place that turns exceptions into exit codes."""

import sys
import traceback
from typing import Annotated

import typer

from stargan_fw.errors import RequestError
from stargan_fw.plugin_manager import COMMAND_GROUP, KIND_GROUP, PluginManager
from stargan_fw.process import prepare_process

DONE, FAILED, WRONG_REQUEST = 0, 1, 2


def options(
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error. Goes anywhere.")] = False,
) -> None:
    """Image-to-image translation between many domains, learned from several datasets at once."""
    del debug  # `main` takes it out wherever it stands


def program() -> typer.Typer:
    """Returns the command line with every command that is registered; a plugin that fails is named and left out.

    Raises:
        PluginError: a plugin fails, under `STARGAN_FW_STRICT=1`.
    """
    app = typer.Typer(
        name="stargan-fw",
        help="Image-to-image translation between many domains, learned from several datasets at once.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(options)
    manager = PluginManager()
    manager.load_entry_points(KIND_GROUP, COMMAND_GROUP)
    for report in manager.reports:
        if report.error:
            print(f"The plugin '{report.name}' is left out: {report.error}", file=sys.stderr)  # noqa: T201
    registered = (component.partition(" ") for report in manager.reports for component in report.components)
    for command in (manager.index("command").get(name) for kind, _, name in registered if kind == "command"):
        if isinstance(command.run, typer.Typer):
            app.add_typer(command.run, name=command.name)
        else:
            app.command(command.name)(command.run)
    return app


def main() -> None:
    """Runs the command line. Exit codes: 0 done, 1 failed while working, 2 the request was wrong."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    prepare_process()
    try:
        program()(arguments, prog_name="stargan-fw")
    except RequestError as error:
        sys.exit(_report(error, WRONG_REQUEST, debug=debug))
    except KeyboardInterrupt:
        sys.exit(_report(RuntimeError("Interrupted."), FAILED, debug=False))
    except Exception as error:  # noqa: BLE001 - the last place that can say anything
        sys.exit(_report(error, FAILED, debug=debug))


def _report(error: Exception, code: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    elif code == WRONG_REQUEST or str(error) == "Interrupted.":
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201 - as it is: rich would read [brackets] as markup
    else:
        text = f"{type(error).__name__}: {error}"
        print(f"Error: {text}\n(--debug shows where it happened.)", file=sys.stderr)  # noqa: T201
    return code
