"""`stargan-fw bench`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stargan_fw import Command, hookimpl
from stargan_fw.cli.command_options import (
    ConfigOption,
    ConfiguredPrecisionOption,
    DeviceOption,
    JsonOption,
    PluginOption,
    PresetOption,
    SetOption,
    configuration_layers,
)
from stargan_fw.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from stargan_fw_bench.measurement import Report


def bench(
    *,
    labels: Annotated[str, typer.Option(help="How many labels each dataset has, separated by commas.")] = "5,8",
    preset: PresetOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    device: DeviceOption = None,
    precision: ConfiguredPrecisionOption = None,
    rounds: Annotated[int, typer.Option(min=1, help="The median of so many is reported.")] = 5,
    profile: Annotated[
        Path | None, typer.Option(metavar="TRACE.json", help="Write a trace of training and name its costliest parts.")
    ] = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure training, translating and reading on this machine, on noise, against its own measured limits."""
    import json
    from tempfile import TemporaryDirectory

    from rich.console import Console

    from stargan_fw.api import check_writable, choose_device, compile_trained, configure_layers
    from stargan_fw_bench.measurement import measure, profile_training
    from stargan_fw_bench.speed_trial import rehearse

    layers = configuration_layers({"training.precision": precision}, config=config, settings=settings, plugin=plugin)
    complete, plugins = configure_layers(layers, preset=preset)
    place, counts = choose_device(device), _counts(labels)
    if profile and not profile.resolve().parent.is_dir():
        raise ConfigError(f"--profile {profile}: the folder '{profile.resolve().parent}' does not exist. Name another.")
    if profile:
        check_writable(profile.resolve().parent, "Name a file in another folder with --profile.")
    with TemporaryDirectory() as folder:
        trainer = rehearse(complete, plugins, counts, place, Path(folder))
        report = measure(trainer, lambda: compile_trained(trainer), rounds)
        parts = profile_training(trainer, profile) if profile else []
    if as_json:
        costliest = [{"part": name, "share": share} for name, share in parts]
        typer.echo(json.dumps({**report.to_dict(), "costliest": costliest}, indent=1))
        return
    _show(Console(), report, parts)


def _counts(text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1 or any(count < 2 for count in counts[1:]):
        raise ConfigError(
            f"--labels {text}: write numbers such as 5,8: at least 1 for the first dataset, 2 for the others."
        )
    return counts


def _show(console: "Console", report: "Report", parts: list[tuple[str, float]]) -> None:
    from rich.table import Table

    compiled = "compiled" if report.compiled else "not compiled"
    console.print(f"{report.device}, {report.threads} threads, {report.precision}, {compiled}")
    console.print(
        f"matrix products {report.matrix_rate / 1e9:,.0f} GFLOP/s, copies {report.copy_bandwidth / 1e9:,.1f} GB/s"
    )
    table = Table("", "images/s", "slowest", "fastest", "of the matrix rate", "peak memory")
    for speed in report.speeds:
        share = "" if speed.share is None else f"{speed.share:.0%}"
        peak = "" if speed.peak_bytes is None else f"{speed.peak_bytes / 2**20:,.0f} MB"
        rates = (speed.images_per_second, speed.slowest, speed.fastest)
        table.add_row(speed.work, *(f"{rate:,.1f}" for rate in rates), share, peak)
    console.print(table)
    for part, of_time in parts:
        console.print(f"{of_time:4.0%}  {part}", markup=False)


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    """Registers `bench`."""
    register(Command("bench", bench))
