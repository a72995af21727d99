"""`stargan-fw reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stargan_fw import Command, hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from stargan_fw_reproduce.experiment_report import Report
    from stargan_fw_reproduce.reproduction import Reproduction, ReproductionRequest


def reproduce(
    experiment: Annotated[
        str,
        typer.Argument(
            help="table3, losses, fig4, fig5, fig6, fig7, params or benchmark, or one that a plugin registers."
        ),
    ],
    *,
    data: Annotated[str, typer.Option(help="The folder of datasets.")] = "data",
    budget: Annotated[
        float | None,
        typer.Option(min=0.01, help="Minutes of training in all, divided equally.  [default: the experiment's]"),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps of every run, instead of a budget.")] = None,
    images: Annotated[int | None, typer.Option(min=1, help="Images of every run, instead of a budget.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Of benchmark: only this method or pair of datasets; repeatable."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Of runs that are repeated.  [default: the experiment's]")
    ] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="The paper's own settings, for its data and days on a GPU.")
    ] = False,
    runs: Annotated[Path, typer.Option(help="The folder of run folders, which experiments share.")] = Path(
        "runs/reproduce"
    ),
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of reports.")] = Path("reports"),
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One key of every run; repeatable.")
    ] = None,
    cache: Annotated[
        str | None, typer.Option(help="The folder of decoded images and classifiers.  [default: as in train]")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Test images that are translated, at most.")] = None,
    classifier_steps: Annotated[
        int | None, typer.Option(min=1, help="Updates of a classifier that is missing.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, mps; a GPU where there is one.")] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="A plugin file; repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, show the runs, do nothing.")] = False,
) -> None:
    """Train what one of the paper's experiments lacks, measure, and write OUT/EXPERIMENT/index.html.

    A second call goes on where the first one stopped; runs that are done are used again.
    """
    from stargan_fw_reproduce.reproduction import ReproductionRequest

    request = ReproductionRequest(
        data=data,
        budget=budget,
        steps=steps,
        images=images,
        only=tuple(only or ()),
        seeds=seeds,
        size="paper" if paper else "small",
        runs=runs,
        settings=settings or (),
        cache=cache,
        plugins=[str(path.resolve()) for path in plugin or ()],
        limit=limit,
        classifier_steps=classifier_steps,
    )
    _reproduce(experiment, request, out, device, dry_run=dry_run)


def _reproduce(experiment: str, request: ReproductionRequest, out: Path, device: str | None, *, dry_run: bool) -> None:
    from rich.console import Console

    from stargan_fw.api import PluginManager, check_writable, choose_device
    from stargan_fw_evaluate import EvaluationProgress
    from stargan_fw_reproduce.experiment_report import PAGE
    from stargan_fw_reproduce.experiment_runner import run_experiment
    from stargan_fw_reproduce.reproduction import Reproduction

    _check_folders(request.runs, out, out / experiment)
    check_writable(out / experiment)
    chosen = choose_device(device)
    reproduction = Reproduction.make(experiment, request, PluginManager.discover(tuple(request.plugins)))
    if not all(run.is_done for run in reproduction.runs):
        check_writable(request.runs, "Name another folder with --runs.")
    console = Console()
    _show_plan(console, reproduction)
    if dry_run:
        return
    progress = EvaluationProgress(Console(stderr=True))
    report = run_experiment(reproduction, out / experiment, chosen, console, progress)
    _show(console, report)
    console.print(f"{out / experiment / PAGE} written", markup=False, highlight=False, soft_wrap=True)


def _check_folders(*folders: Path) -> None:
    from stargan_fw.errors import ConfigError

    for folder in folders:
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"'{folder}' is a file, and a folder is written there. Name another one.")


def _show_plan(console: Console, found: Reproduction) -> None:
    from rich.markup import escape
    from rich.table import Table

    if not found.runs:
        return
    table = Table("run", "datasets", "length", "state", title=escape(found.experiment.title), title_justify="left")
    for run in found.runs:
        steps = run.steps if run.folder.holds_run or found.share is None else None
        share = "the preset's" if found.share is None else f"{found.share:.1f} minutes"
        state = "done" if run.is_done else f"at step {run.step}" if run.folder.holds_run else "missing"
        table.add_row(escape(run.title), escape(run.planned.datasets), f"{steps} steps" if steps else share, state)
    console.print(table)


def _show(console: Console, report: Report) -> None:
    from rich.markup import escape
    from rich.table import Table as Shown

    from stargan_fw_reproduce.experiment import Table

    tables = [section for section in report.sections if isinstance(section, Table)]
    for section in tables[:1]:  # the others are for readers of the page
        table = Shown(*map(escape, section.header), title=escape(section.title), title_justify="left")
        for row in section.rows:
            table.add_row(*map(escape, row))
        console.print(table)
        if section.note:
            console.print(section.note, markup=False, highlight=False, soft_wrap=True)
    for note in report.notes:
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
    for claim in report.claims:
        verdict = "holds" if claim.holds else "DOES NOT HOLD"
        console.print(f"{verdict}: {claim.text} {claim.measured}", markup=False, highlight=False, soft_wrap=True)


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    """Registers `reproduce`."""
    register(Command("reproduce", reproduce, after="evaluate"))
