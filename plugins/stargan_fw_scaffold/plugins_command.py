"""`stargan-fw plugins …`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="The package's name, such as pets.")],
    *,
    kind: Annotated[
        Literal["dataset", "generator", "discriminator", "loss", "method", "tracker", "command"],
        typer.Option(help="What the plugin adds."),
    ] = "dataset",
    out: Annotated[Path, typer.Option(help="The folder to make the package's folder in.")] = Path(),
) -> None:
    """Write the package of a new plugin: a component that works, its tests, types and continuous integration."""
    from stargan_fw_scaffold.new_plugin import write_plugin

    folder = write_plugin(name, kind, out)
    typer.echo(f"Wrote {folder}. The component is in {folder / folder.name.replace('-', '_') / 'plugin.py'}; now run:")
    typer.echo(f"  pip install -e {shlex.quote(f'{folder}[dev]')}")
    typer.echo(f"  stargan-fw plugins check {folder.name.replace('-', '_')}")


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
