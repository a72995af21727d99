"""`stargan-fw plugins …`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stargan_fw import Command, hookimpl
from stargan_fw.cli.command_options import DataOption, JsonOption, PluginOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from stargan_fw_scaffold.contract import Outcome

app = typer.Typer(no_args_is_help=True, help="Which plugins there are, and whether they keep what they promise.")


@app.callback()
def group() -> None:
    """Which plugins there are, and whether they keep what they promise."""


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


@app.command("check")
def check(
    target: Annotated[str, typer.Argument(help="An installed plugin or package, a module, or a .py file.")],
    *,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that every component of a plugin keeps what its kind promises; a line per fault says how to mend it."""
    from stargan_fw_scaffold.contract import check_plugin

    outcomes = []
    for outcome in check_plugin(target, data=Path(data) if data else None):
        outcomes.append(outcome)
        if not as_json:
            _show(outcome)
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
    if any(outcome.faults for outcome in outcomes):
        raise typer.Exit(1)


def _show(outcome: "Outcome") -> None:
    for fault in outcome.faults:
        typer.echo(f"fault: the {outcome.component} {fault}")
    if not outcome.faults:
        typer.echo(f"ok: {outcome.component}" + (f" ({outcome.checks} checks)" if outcome.checks else " (it loads)"))


@hookimpl
def register_commands(register: "Callable[[Command], None]") -> None:
    """Registers the commands as a group."""
    register(Command("plugins", app, after="data"))
