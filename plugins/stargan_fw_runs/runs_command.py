"""`stargan-fw runs`."""

import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stargan_fw import Command, hookimpl
from stargan_fw.cli.command_options import JsonOption
from stargan_fw.cli.notes import json_text, note
from stargan_fw.errors import RequestError, RunError, closest, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stargan_fw_runs.run_summary import RunSummary

MOST_SETTINGS, MOST_FIGURES = 12, 4  # of a run
TELLING = ("g/rec", "g/id", "g/cls", "z/mse", "g/adv")  # losses, the one that says most about the pictures first


def runs(
    folder: Annotated[Path, typer.Argument(help="Runs in and below this folder are listed.")] = Path("runs"),
    *,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="List and plot only these runs, such as 'table3-*'; repeatable."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the losses of the listed runs into this picture.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Remove this run, after saying what goes; repeatable.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List runs: the settings that differ, how far they are, their figures, their size, and when they last changed."""
    from stargan_fw_runs.run_summary import find_runs

    if plot and (remove or as_json):
        raise RequestError("--plot draws the runs that are listed. Use it without --remove and --json.")
    found = find_runs(folder)
    if remove:
        _remove(remove, found, folder, yes=yes)
        return
    chosen = _choose(found, only)
    if plot:
        _plot(chosen, plot)
    elif as_json:
        typer.echo(json_text(_document(folder, chosen)))
    elif not chosen:
        note(f"There is no run in '{folder}'. Train one: stargan-fw train --out {folder / 'first'}")
    else:
        _show(chosen)


def _choose(found: "Sequence[RunSummary]", patterns: "Sequence[str] | None") -> "list[RunSummary]":
    names = [run.name for run in found]
    for pattern in patterns or ():
        if not any(fnmatchcase(name, pattern) for name in names):
            raise RunError(f"--only {pattern}: there is no such run; {closest(pattern, names)}")
    return [run for run in found if not patterns or any(fnmatchcase(run.name, pattern) for pattern in patterns)]


def _document(folder: Path, chosen: "Sequence[RunSummary]") -> dict[str, Any]:
    from stargan_fw_runs.run_summary import differing_settings

    keys = differing_settings(chosen)
    entries = [{**run.to_dict(), "settings": {key: run.settings.get(key) for key in keys}} for run in chosen]
    return {"format": 1, "folder": str(folder), "runs": entries}


def _show(chosen: "Sequence[RunSummary]") -> None:
    """Prints a line per run, and below it, indented, what is wrong, the settings that differ, and the figures."""
    from rich.console import Console
    from rich.filesize import decimal as format_size
    from rich.padding import Padding
    from rich.text import Text

    from stargan_fw_runs.run_summary import differing_settings

    console, keys = Console(highlight=False), differing_settings(chosen)
    heads = [("run", "state", "step", "size", "changed"), *map(_head, chosen)]
    widths = [max(map(len, column)) for column in zip(*heads, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(head, widths, strict=True)) for head in heads]
    console.print(Text(lines[0].rstrip(), "bold"), soft_wrap=True)
    for run, line in zip(chosen, lines[1:], strict=True):
        console.print(Text(line.rstrip()), soft_wrap=True)
        details = [(run.problem, "red"), (_settings(run, keys), "dim"), *((figure, "") for figure in _figures(run))]
        for detail, style in details:
            if detail:
                console.print(Padding(Text(printable(detail), style), (0, 0, 0, 4)))
    typer.echo(f"{len(chosen)} run{'s' * (len(chosen) != 1)}, {format_size(sum(run.size for run in chosen))}")


def _head(run: "RunSummary") -> tuple[str, ...]:
    from rich.filesize import decimal as format_size

    steps = f"{run.step}" + (f" of {run.steps}" if run.steps else "")
    return printable(run.name), run.state, steps, format_size(run.size), run.changed.strftime("%Y-%m-%d %H:%M")


def _settings(run: "RunSummary", keys: "Sequence[str]") -> str:
    values = [f"{key.removeprefix('training.')}={_text(run.settings[key])}" for key in keys if key in run.settings]
    more = len(values) - MOST_SETTINGS
    return "  ".join(values[:MOST_SETTINGS] + [f"and {more} more, which --json shows"] * (more > 0))


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _figures(run: "RunSummary") -> list[str]:
    """Returns the first lines of the run's evaluation, or else the loss that says most about its pictures."""
    if run.evaluation is not None:
        from stargan_fw_evaluate import evaluation_table

        _, *rows = evaluation_table([run.evaluation], brief=True)
        figures = [" ".join(filter(None, (what, of, figure))) for what, of, _, figure in rows if "." not in of]
        return figures[:MOST_FIGURES]
    names = {series.metric for series in run.series}
    name = next((name for name in TELLING if name in names), "")
    shown = [series.to_dict() for series in run.series if series.metric == name]
    return [
        f"{name} of {one['dataset']} {one['last']:.3g}, lowest {one['lowest']:.3g} at step {one['lowest_step']}"
        for one in shown[:MOST_FIGURES]
    ]


def _plot(chosen: "Sequence[RunSummary]", file: Path) -> None:
    from stargan_fw.rendering.pictures import check_picture_target, save_picture
    from stargan_fw_runs.loss_plot import draw_losses

    check_picture_target("--plot", file)
    save_picture(draw_losses(chosen), file)
    typer.echo(file)


def _remove(names: "Sequence[str]", found: "Sequence[RunSummary]", folder: Path, *, yes: bool) -> None:
    from rich.filesize import decimal as format_size

    from stargan_fw_runs.run_removal import choose_removed, describe, remove_run

    chosen = choose_removed(names, found, folder)
    for run in chosen:
        note(describe(run))
    total = format_size(sum(run.size for run in chosen))
    if not yes:
        if not sys.stdin.isatty():
            raise RequestError(f"Nothing is removed: nobody can be asked here. Add --yes to remove {total}.")
        typer.confirm(f"Remove {total}?", abort=True, err=True)
    for run in chosen:
        remove_run(run)
        typer.echo(f"removed {printable(str(run.path))}")


@hookimpl
def register_commands(register: "Callable[[Command], None]") -> None:
    """Registers the command."""
    register(Command("runs", runs, after="train"))
