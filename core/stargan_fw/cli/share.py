"""`stargan-fw export`: trained models as folders to share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Plugins = Annotated[list[Path] | None, typer.Option(help="A plugin file; repeatable.")]
Target = Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write; it must not hold anything.")]


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    target: Target,
    *,
    form: Annotated[Literal["safetensors"], typer.Option("--format", help="What to write.")] = "safetensors",
    plugin: Plugins = None,
) -> None:
    """Write a run's newest checkpoint as a folder that anyone can open: weights, configuration, model card."""
    from stargan_fw.sharing.export import export_run
    from stargan_fw.training.run_folder import RunFolder

    del form
    export_run(RunFolder(run), target, plugins=plugin or ())
    typer.echo(target)
