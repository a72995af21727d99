"""`stargan-fw train`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stargan_fw.cli.command_options import (
    CacheOption,
    ConfigOption,
    ConfiguredPrecisionOption,
    ConfiguredSeedOption,
    DataOption,
    DatasetsOption,
    DeviceOption,
    DryRunOption,
    PluginOption,
    PresetOption,
    SetOption,
    configuration_layers,
)
from stargan_fw.cli.notes import add_remarks, show_alternatives, show_report
from stargan_fw.errors import printable
from stargan_fw.stop_signals import Stopped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import torch
    from rich.console import Console

    from stargan_fw.training.plan import Plan
    from stargan_fw.training.train_request import TrainRequest

MOST_REMARKS = 12  # about one dataset, before a training


def train(
    *,
    datasets: DatasetsOption = None,
    data: DataOption = None,
    cache: CacheOption = None,
    out: Annotated[Path | None, typer.Option(help="The run folder.", show_default="runs/<datasets>")] = None,
    preset: PresetOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            help="Start from the weights of a run or model folder, with its datasets if none are named.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in the run folder, or begin it.")] = False,
    device: DeviceOption = None,
    precision: ConfiguredPrecisionOption = None,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Stop early, without changing the schedule.")] = None,
    seed: ConfiguredSeedOption = None,
    plugin: PluginOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Train one model on one or several datasets."""
    from rich.console import Console

    from stargan_fw import ranks
    from stargan_fw.compute.machine import choose_device
    from stargan_fw.training.plan import Plan
    from stargan_fw.training.train_request import TrainRequest

    options = {
        "data.path": data,
        "data.cache": cache,
        "training.precision": precision,
        "training.seed": seed,
        "training.start": str(Path(start).resolve()) if start and Path(start).exists() else start,
    }
    layers = configuration_layers(options, config=config, settings=settings, plugin=plugin)
    with ranks.joined(choose_device(device)) as chosen:
        with ranks.together():
            request = TrainRequest.make(layers, datasets=datasets, preset=preset, out=out, resume=resume)
            with request.locating_data():
                plan = Plan.make(request.config, request.plugins, request.recorded_splits, request.refusals)
            request.check_data(plan.space, plan.sources)
            adoption = request.adopt(plan.method)
        console = Console(quiet=ranks.rank() > 0)
        given = {"--datasets": datasets, "--data": data, "--preset": preset, "--config": config}
        if request.run.holds_run and not datasets:
            given = {"--config": request.run.path / "config.toml"}
        if ranks.rank() == 0:  # reads files to find copies
            steps = _steps_to_make(request.steps_made, max_steps, plan.steps)
            _show_plan(console, plan, steps, _check_command(given, settings or (), plugin or ()), full=dry_run)
        if adoption and request.start:
            console.print(f"{request.start.path}: {adoption.describe()}", markup=False, soft_wrap=True)
        if resume and not request.resume:
            console.print(f"{request.run.path} has no checkpoint yet: the run begins.", markup=False, soft_wrap=True)
        if not dry_run:
            _run(console, plan, request, chosen, max_steps)


def _check_command(given: "Mapping[str, object]", settings: "Iterable[str]", plugins: "Iterable[Path]") -> str:
    """Returns the command that shows all warnings of the data."""
    pairs = [*given.items(), *(("--set", text) for text in settings), *(("--plugin", file) for file in plugins)]
    arguments = [text for option, value in pairs if value for text in (option, str(value))]
    return shlex.join(["stargan-fw", "data", "check", *arguments])


def _run(
    console: "Console", plan: "Plan", request: "TrainRequest", device: "torch.device", max_steps: int | None
) -> None:
    from stargan_fw import ranks
    from stargan_fw.training.session import run_training

    run = request.run
    try:
        before, after = run_training(console, plan, request, device, max_steps=max_steps)
    except Stopped as stopped:
        if ranks.rank():
            raise SystemExit(stopped.exit_code) from None
        if run.holds_run and ranks.world_size() > 1:
            stopped.add_note("Continue with the same command and --resume.")
        elif run.holds_run:
            plugins = [argument for file in request.config.plugins for argument in ("--plugin", file)]
            command = shlex.join(["stargan-fw", "train", "--out", str(run.path), "--resume", *plugins])
            stopped.add_note(f"Continue with: {command}")
        raise
    if before == after:
        done = "complete" if after >= plan.steps else f"at step {after} of {plan.steps}"
        console.print(f"{run.path} is {done}: nothing is left to do.", markup=False, soft_wrap=True)
        return
    console.print(
        f"{run.path}: step {after} of {plan.steps}. Look at {run.path / 'samples'}.", markup=False, soft_wrap=True
    )


def _steps_to_make(made: int, most: int | None, steps: int) -> str:
    """Says which of a run's steps a call will make."""
    last = max(made, min(steps, most or steps))
    left = f"steps {made + 1} to {last} of {steps}" if made < last else f"step {made} of {steps}"
    return left if made or last < steps else f"{steps} steps"


def _show_plan(console: "Console", plan: "Plan", steps: str, check_command: str, *, full: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    from stargan_fw.components import parameter_count
    from stargan_fw.data.check import describe, first_warnings

    table = Table("dataset", "training", "test", "split", "labels", title=steps, title_justify="left")
    reports = [describe(source) for source in plan.sources]
    for report in reports:
        labels = ", ".join(f"{label.name} {label.train + label.test}" for label in report.labels)
        table.add_row(escape(report.alias), f"{report.training}", f"{report.test}", report.split, escape(labels))
        if not full:
            add_remarks(table, report.remarks[:MOST_REMARKS], len(report.remarks[MOST_REMARKS:]))
        table.add_section()
    console.print(table)
    for report in reports:
        (show_report if full else show_alternatives)(console, report)
    for line in [] if full else first_warnings(reports, check_command):
        console.print(printable(f"warning: {line}"), markup=False, highlight=False, soft_wrap=True)
    sizes = [f"{name} {parameter_count(network):,}" for name, network in plan.method.networks.items()]
    console.print(f"parameters: {', '.join(sizes)}", markup=False)
