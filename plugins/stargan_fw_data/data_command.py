"""`stargan-fw data …`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stargan_fw import Command, hookimpl
from stargan_fw.cli.command_options import (
    CacheOption,
    ConfigOption,
    DataOption,
    DatasetsOption,
    ImageSizeOption,
    JsonOption,
    PluginOption,
    PresetOption,
    SeedOption,
    SetOption,
    configuration_layers,
)
from stargan_fw.cli.notes import json_text, note, show_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stargan_fw.config import Config
    from stargan_fw.plugin_manager import PluginManager

app = typer.Typer(no_args_is_help=True, help="Check, prepare and draw data.")


@app.callback()
def group() -> None:
    """Check, prepare and draw data."""


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write, with a folder per dataset.")],
    *,
    images: Annotated[int, typer.Option(min=10, help="Number of images, if the layout counts images.")] = 4000,
    people: Annotated[int, typer.Option(min=2, help="Number of people, if the layout counts people.")] = 67,
    seed: SeedOption = 0,
    plugin: PluginOption = None,
) -> None:
    """Draw stand-in data in the datasets' own layouts, to try everything without the real data."""
    from stargan_fw.plugin_manager import PluginManager
    from stargan_fw_data.stand_ins import draw_stand_ins

    manager = PluginManager.discover(tuple(plugin or ()))
    drawn = draw_stand_ins(
        manager,
        folder,
        images=images,
        people=people,
        seed=seed,
        begins=lambda name: note(f"Drawing the pictures of {name}."),
    )
    for name, root in drawn:
        typer.echo(f"{name}: {root}")


@app.command()
def prepare(
    *,
    datasets: DatasetsOption = None,
    data: DataOption = None,
    cache: CacheOption = None,
    preset: PresetOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    plugin: PluginOption = None,
    image_size: ImageSizeOption = None,
) -> None:
    """Decode, crop and resize every image now, so that training starts at once."""
    from rich.console import Console
    from rich.filesize import decimal as format_size

    from stargan_fw.data.cache import cache_folder
    from stargan_fw.data.source import decode, open_sources
    from stargan_fw.training.progress import decoding_progress, show_skipped

    options = {"data.path": data, "data.cache": cache, "data.image_size": image_size}
    merged, plugins = _merge(options, config, settings, plugin=plugin, datasets=datasets, preset=preset)
    console = Console()
    sources = open_sources(merged, plugins)
    progress = decoding_progress(console, merged.data.image_size)
    stores = decode(merged, sources, progress)
    show_skipped(console, sources, stores)
    size = sum(store.path.stat().st_size for store in stores.values())
    console.print(f"{cache_folder(merged.data)}: {format_size(size)}", markup=False, soft_wrap=True)


@app.command()
def clean(
    *,
    data: DataOption = None,
    cache: CacheOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    plugin: PluginOption = None,
) -> None:
    """Remove the decoded images; training decodes them again when it needs them."""
    from rich.filesize import decimal as format_size

    from stargan_fw.data.cache import cache_folder
    from stargan_fw_data.cache_cleaning import clean as clean_cache

    merged, _ = _merge({"data.path": data, "data.cache": cache}, config, settings, plugin=plugin, with_data=False)
    folder = cache_folder(merged.data)
    stores, classifiers, freed = clean_cache(folder)
    removed = f"{stores} {'store' if stores == 1 else 'stores'}"
    if classifiers:
        removed += f" and {classifiers} {'classifier' if classifiers == 1 else 'classifiers'}"
    typer.echo(f"{folder}: removed {removed}, {format_size(freed)} freed")


@app.command()
def check(
    *,
    datasets: DatasetsOption = None,
    data: DataOption = None,
    preset: PresetOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    plugin: PluginOption = None,
    image_size: ImageSizeOption = None,
    as_json: JsonOption = False,
    sheet: Annotated[Path | None, typer.Option(help="Draw a contact sheet with labels into this file.")] = None,
) -> None:
    """Look for problems in the data before training. Exit code 2 if training could not work."""
    from rich.console import Console

    from stargan_fw.errors import DataError
    from stargan_fw.rendering.pictures import check_picture_target, save_picture
    from stargan_fw_data.contact_sheet import draw_contact_sheet
    from stargan_fw_data.image_check import check as check_datasets

    if sheet:
        check_picture_target("--sheet", sheet)
    options = {"data.path": data, "data.image_size": image_size}
    merged, plugins = _merge(options, config, settings, plugin=plugin, datasets=datasets, preset=preset)
    checked = check_datasets(merged, plugins, _track_reading)
    reports = [one.report for one in checked]
    problems = [f"{report.alias}: {problem}" for report in reports for problem in report.problems]
    if config:
        from stargan_fw_data.setting_check import find_setting_problems  # imports torch, which takes seconds

        problems += find_setting_problems(merged, plugins)
    if as_json:
        document = {"ok": not problems, "datasets": {report.alias: report.to_dict() for report in reports}}
        typer.echo(json_text(document))
    else:
        for report in reports:
            show_report(Console(), report)
    if sheet:
        save_picture(draw_contact_sheet(checked), sheet)
    if problems:
        raise DataError.of(problems)


def _merge(
    options: dict[str, Any],
    config: Path | None,
    settings: list[str] | None,
    *,
    plugin: list[Path] | None = None,
    datasets: str | None = None,
    preset: str | None = None,
    with_data: bool = True,
) -> "tuple[Config, PluginManager]":
    from stargan_fw.training.train_request import data_request

    layers = configuration_layers(options, config=config, settings=settings, plugin=plugin)
    return data_request(layers, datasets=datasets, preset=preset, with_data=with_data)


def _track_reading(name: str, count: int, images: "Iterable[Any]") -> "Iterable[Any]":
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import track

    console = Console(stderr=True)
    return track(images, escape(f"reading {name}"), count, console=console) if console.is_terminal else images


@hookimpl
def register_commands(register: "Callable[[Command], None]") -> None:
    """Registers the commands as a group, the first that `--help` lists after all single commands."""
    register(Command("data", app, after="train"))
