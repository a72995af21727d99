"""Options that several commands share, also commands of plugins. Each is declared once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from stargan_fw.config_layers import Layer

_size_help = "Side of the model's images in pixels."
_precision = typer.Option(help="Number format of networks; auto is bf16 on GPUs that multiply it.")
_seed = typer.Option(min=0, help="Seed of all random numbers.")

# Data.
DataOption = Annotated[str | None, typer.Option(help="The folder of datasets without a location.", show_default="data")]
DatasetsOption = Annotated[
    str | None, typer.Option(help="plugin, plugin:location or alias=plugin:location, separated by commas.")
]
CacheOption = Annotated[
    str | None,
    typer.Option(
        help="The folder of decoded images and classifiers.", show_default="$STARGAN_FW_CACHE, or DATA/.stargan-fw"
    ),
]
ImageSizeOption = Annotated[int | None, typer.Option(min=1, help=_size_help, show_default="the configuration's")]
CheckpointSizeOption = Annotated[
    int | None, typer.Option(min=1, help=_size_help, show_default="read from the checkpoints")
]

# Models.
ModelFolderArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="The folder to write; it must be empty or new.")
]

# Configuration.
PresetOption = Annotated[str | None, typer.Option(help="A named configuration.", show_default="the plugins' default")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="A TOML file that overrides the preset.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one key; repeatable.")
]
PluginOption = Annotated[
    list[Path] | None,
    typer.Option(resolve_path=True, help="A plugin file to run; repeatable. Files that a folder names are not run."),
]

# The machine.
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda or mps; by default a GPU if there is one.")]
PrecisionOption = Annotated[Literal["auto", "fp32", "bf16"], _precision]
ConfiguredPrecisionOption = Annotated[Literal["auto", "fp32", "bf16"] | None, _precision]

# Computation and display.
SeedOption = Annotated[int, _seed]
ConfiguredSeedOption = Annotated[int | None, _seed]
CurrentOption = Annotated[
    str | None,
    typer.Option(metavar="LABELS", help="The pictures' current labels, instead of those that the model reads."),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Check everything, show the plan, write nothing.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def configuration_layers(
    options: Mapping[str, Any],
    *,
    config: Path | None = None,
    settings: Sequence[str] | None = None,
    plugin: Sequence[Path] | None = None,
) -> "list[Layer]":
    """Returns the configuration layers of a command line; later ones override earlier ones.

    Args:
        options: values of options, by configuration key, such as "training.seed". None is left out.
        config: the value of `ConfigOption`.
        settings: the value of `SetOption`.
        plugin: the value of `PluginOption`.

    Raises:
        ConfigError: if the file cannot be read, or a setting is not KEY=VALUE or contradicts an option.
    """
    from stargan_fw.config_layers import Layer, refuse_contradiction

    files = [str(path) for path in plugin] if plugin else None
    layers = [Layer.from_file(config)] if config else []
    chosen = Layer.from_keys("the command line", {"plugins": files, **options})
    set_keys = Layer.from_settings(settings or ())
    refuse_contradiction(set_keys.values, chosen.values, "another option")
    return [*layers, chosen, set_keys]
