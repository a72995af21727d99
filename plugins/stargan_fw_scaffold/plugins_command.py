"""`stargan-fw plugins …`."""

from typing import TYPE_CHECKING

import typer

from stargan_fw import Command, hookimpl
from stargan_fw.cli.command_options import JsonOption, PluginOption

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(no_args_is_help=True, help="What is installed, and what failed.")


@app.callback()
def group() -> None:
    """What is installed, and what failed."""


@app.command("list")
def list_plugins(
    *,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """List plugins, what each registers, and why one is left out."""
    from stargan_fw.plugin_manager import PluginManager

    manager = PluginManager.discover(tuple(plugin or ()))
    if as_json:
        import json

        components = {kind: manager.index(kind).names() for kind in manager.kinds}
        reports = [report.to_dict() for report in manager.reports]
        typer.echo(json.dumps({"plugins": reports, "components": components}, indent=1, default=list))
        return
    from rich import print as show
    from rich.markup import escape
    from rich.table import Table

    table = Table("plugin", "from", "registers")
    for report in manager.reports:
        outcome = (
            f"[red]left out: {escape(report.error)}[/red]" if report.error else escape(", ".join(report.components))
        )
        table.add_row(escape(report.name), report.distribution or report.source, outcome)
    show(table)


@hookimpl
def register_commands(register: "Callable[[Command], None]") -> None:
    """Registers the commands as a group."""
    register(Command("plugins", app, after="data"))
