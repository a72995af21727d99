"""`stargan-fw train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    import torch
    from rich.console import Console

    from stargan_fw.training.session import Plan
    from stargan_fw.training.train_request import TrainRequest


def train(
    *,
    datasets: Annotated[
        str | None,
        typer.Option(
            help="plugin, plugin:location or alias=plugin:location, separated by commas.  [default: those of --from]"
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="The folder of datasets without a location.  [default: data]")
    ] = None,
    cache: Annotated[
        str | None,
        typer.Option(help="The folder of decoded images.  [default: $STARGAN_FW_CACHE, or DATA/.stargan-fw]"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder.  [default: runs/<datasets>]")] = None,
    preset: Annotated[str | None, typer.Option(help="A named configuration.  [default: that of the plugins]")] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file, over the preset.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One key, over everything; repeatable.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="MODEL", help="Begin with the weights of a run or model folder.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in the run folder.")] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, mps; a GPU where there is one.")] = None,
    precision: Annotated[Literal["auto", "fp32", "bf16"] | None, typer.Option(help="What networks compute in.")] = None,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Stop early; the schedule stays.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of everything random.")] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="A plugin file; repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, show the plan, write nothing.")] = False,
) -> None:
    """Train one model on one or several datasets."""
    from rich.console import Console

    from stargan_fw.compute.machine import choose_device
    from stargan_fw.config import Layer
    from stargan_fw.training.session import Plan
    from stargan_fw.training.train_request import TrainRequest, option_layer

    files = [str(path.resolve()) for path in plugin or ()] or None
    options = {
        "plugins": files,
        "data.path": data,
        "data.cache": cache,
        "training.precision": precision,
        "training.seed": seed,
        "training.start": str(Path(start).resolve()) if start and Path(start).exists() else start,
    }
    layers = [Layer.from_file(config)] if config else []
    layers += [option_layer("the command line", options), Layer.from_settings(settings or ())]
    request = TrainRequest.make(layers, datasets=datasets, preset=preset, out=out, resume=resume)
    place = choose_device(device)
    plan = Plan.make(request.config, request.plugins)
    request.check_labels(plan.space)
    request.check_splits(plan.sources)
    adoption = request.adopt(plan.method)
    console = Console()
    _show_plan(console, plan)
    if adoption and request.start:
        console.print(f"{request.start.path}: {adoption.describe()}", markup=False, soft_wrap=True)
    if not dry_run:
        _run(console, plan, request, place, max_steps)


def _run(console: Console, plan: Plan, request: TrainRequest, device: torch.device, max_steps: int | None) -> None:
    from stargan_fw.training.session import run_training

    run = request.run
    before, after = run_training(console, plan, request, device, max_steps=max_steps)
    if before == after:
        console.print(f"{run.path} is at step {after} of {plan.steps}: nothing is left to do.")
        return
    console.print(f"{run.path}: step {after} of {plan.steps}. Look at {run.path / 'samples'}.", soft_wrap=True)


def _show_plan(console: Console, plan: Plan) -> None:
    from rich.table import Table

    from stargan_fw.components import parameters

    table = Table("dataset", "training", "test", "labels", title=f"{plan.steps} steps", title_justify="left")
    for source in plan.sources:
        labels = ", ".join(source.schema.names)
        table.add_row(source.alias, f"{len(source.train)}", f"{len(source.test)}", labels)
    console.print(table)
    sizes = [f"{name} {parameters(network):,}" for name, network in plan.method.networks.items()]
    console.print(f"parameters: {', '.join(sizes)}")
