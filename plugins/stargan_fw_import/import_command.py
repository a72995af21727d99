"""`stargan-fw import`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from stargan_fw import Command, hookimpl
from stargan_fw.cli.command_options import (
    CheckpointSizeOption,
    DataOption,
    ModelFolderArgument,
    PluginOption,
    SetOption,
    configuration_layers,
)
from stargan_fw_registry import read_quoted, split_quoted


def import_(
    generator: Annotated[Path, typer.Argument(metavar="G.ckpt", help="The generator's checkpoint.")],
    target: ModelFolderArgument,
    *,
    datasets: Annotated[str, typer.Option(help="The datasets of the checkpoint, in the order of its labels.")],
    discriminator: Annotated[Path | None, typer.Option(help="The discriminator, to read current labels.")] = None,
    attributes: Annotated[str | None, typer.Option(help="The attributes in order, separated by commas.")] = None,
    image_size: CheckpointSizeOption = None,
    data: DataOption = None,
    settings: SetOption = None,
    plugin: PluginOption = None,
) -> None:
    """Convert checkpoints of the reference implementation to a model folder."""
    from stargan_fw.training.train_request import data_request
    from stargan_fw_import.foreign_checkpoint import import_model, with_attributes

    layers = configuration_layers({"data.path": data}, settings=settings, plugin=plugin)
    config, plugins = data_request(layers, datasets=datasets, preset=None)
    if attributes:
        config = with_attributes(config, [read_quoted(name)[0] for name in split_quoted(attributes)], plugins)
    import_model(generator, target, config, plugins, discriminator=discriminator, image_size=image_size)
    typer.echo(target)


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    """Registers `import`."""
    register(Command("import", import_, after="extend"))
