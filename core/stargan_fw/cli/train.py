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
from stargan_fw.stop_signals import Stopped

if TYPE_CHECKING:
    import torch
    from rich.console import Console

    from stargan_fw.training.session import Plan
    from stargan_fw.training.train_request import TrainRequest


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
    from stargan_fw.training.session import Plan
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
            plan = Plan.make(request.config, request.plugins, request.recorded_splits)
            request.check_data(plan.space, plan.sources)
            adoption = request.adopt(plan.method)
        console = Console(quiet=ranks.rank() > 0)
        _show_plan(console, plan)
        if adoption and request.start:
            console.print(f"{request.start.path}: {adoption.describe()}", markup=False, soft_wrap=True)
        if resume and not request.resume:
            console.print(f"{request.run.path} has no checkpoint yet: the run begins.", markup=False, soft_wrap=True)
        if not dry_run:
            _run(console, plan, request, chosen, max_steps)


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


def _show_plan(console: "Console", plan: "Plan") -> None:
    from rich.markup import escape
    from rich.table import Table

    from stargan_fw.components import parameter_count

    table = Table("dataset", "training", "test", "labels", title=f"{plan.steps} steps", title_justify="left")
    for source in plan.sources:
        labels = ", ".join(source.schema.names)
        table.add_row(escape(source.alias), f"{len(source.train)}", f"{len(source.test)}", escape(labels))
    console.print(table)
    sizes = [f"{name} {parameter_count(network):,}" for name, network in plan.method.networks.items()]
    console.print(f"parameters: {', '.join(sizes)}", markup=False)
