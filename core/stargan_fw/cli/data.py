"""`stargan-fw data …`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Stand-in data.")


@app.callback()
def group() -> None:
    """Stand-in data."""


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Each dataset gets a folder of its own in it.")],
    *,
    images: Annotated[int, typer.Option(min=10, help="Images, where the layout counts images.")] = 4000,
    people: Annotated[int, typer.Option(min=2, help="People, where the layout counts people.")] = 67,
    seed: Annotated[int, typer.Option(help="The same seed draws the same bytes.")] = 0,
    plugin: Annotated[list[Path] | None, typer.Option(help="A plugin file; repeatable.")] = None,
) -> None:
    """Draw stand-in faces in the datasets' own layouts, to try everything before the real data is there."""
    from stargan_fw.data.stand_in import draw_stand_ins
    from stargan_fw.plugin_manager import PluginManager

    manager = PluginManager.discover(tuple(plugin or ()))
    for name, root in draw_stand_ins(manager, folder, images=images, people=people, seed=seed):
        typer.echo(f"{name}: {root}")
