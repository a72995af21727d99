"""`stargan-fw export`, `extend`, `push` and `pull`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from stargan_fw import Command, hookimpl
from stargan_fw.cli.command_options import (
    DataOption,
    ModelFolderArgument,
    PluginOption,
    SetOption,
    configuration_layers,
)

Repo = Annotated[str, typer.Argument(metavar="REPO", help="user/name on the Hugging Face Hub.")]


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder; for ONNX also a model folder.")],
    target: ModelFolderArgument,
    *,
    form: Annotated[Literal["safetensors", "onnx"], typer.Option("--format", help="What to write.")] = "safetensors",
    licence: Annotated[
        str | None, typer.Option("--license", help="The model's licence, as the Hub calls it: mit, cc-by-nc-4.0.")
    ] = None,
    plugin: PluginOption = None,
) -> None:
    """Write a run's newest checkpoint as a folder that anyone can open: weights, configuration, model card."""
    from stargan_fw.runs.run_folder import RunFolder
    from stargan_fw_share.export import export_onnx, export_run

    if form == "onnx":
        export_onnx(run, target, plugins=plugin or (), licence=licence)
    else:
        export_run(RunFolder(run), target, plugins=plugin or (), licence=licence)
    typer.echo(target)


def extend(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A run folder or a model folder.")],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write; it must be empty or new.")],
    datasets: Annotated[str, typer.Option(help="The model's datasets in their order, then the new ones.")],
    data: DataOption = None,
    settings: SetOption = None,
    plugin: PluginOption = None,
) -> None:
    """Add datasets to a trained model without changing its outputs; `train --from` then trains the new labels."""
    from stargan_fw.training.train_request import data_request
    from stargan_fw_share.dataset_extension import extend_model

    layers = configuration_layers({"data.path": data}, settings=settings, plugin=plugin)
    config, plugins = data_request(layers, datasets=datasets, preset=None)
    adoption, difference = extend_model(model, out, config, plugins, files=plugin or ())
    typer.echo(adoption.describe())
    typer.echo(f"{out}: translations to the old labels differ by at most {difference:g}")


def push(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A model folder that `export` wrote.")],
    repo: Repo,
    *,
    private: Annotated[bool, typer.Option("--private", help="Only you may see it.")] = False,
    revision: Annotated[str | None, typer.Option(help="A branch, made if it is missing.  [default: main]")] = None,
    update: Annotated[bool, typer.Option("--update", help="Push a new version to an existing repository.")] = False,
) -> None:
    """Publish a model folder on the Hugging Face Hub."""
    from stargan_fw_share.publishing import push as push_folder

    typer.echo(push_folder(folder, repo, private=private, revision=revision, update=update))


def pull(
    repo: Repo,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write.")],
    *,
    revision: Annotated[str | None, typer.Option(help="A branch, tag or commit.  [default: main]")] = None,
) -> None:
    """Fetch a model folder from the Hugging Face Hub."""
    from stargan_fw_share.publishing import pull as pull_folder

    pull_folder(repo, folder, revision)
    typer.echo(folder)


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    """Registers the commands in the order of `--help`."""
    register(Command("export", export, after="evaluate"))
    register(Command("extend", extend, after="export"))
    register(Command("push", push, after="extend"))
    register(Command("pull", pull, after="push"))
