"""The pictures that a study may show: those that no run has seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stargan_fw.data.source import Source
from stargan_fw.errors import DataError, RunError
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.runs.split_record import check_splits

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


@dataclass(frozen=True)
class HeldOut:
    """A dataset's images that were held out by every run.

    Attributes:
        source: the dataset, cropped as the first of the runs has it.
        indices: of the images among its examples, in ascending order.
    """

    source: Source
    indices: list[int]


def find_held_out(models: Sequence[str], datasets: Collection[str], data: str | None) -> dict[str, HeldOut]:
    """Returns the held-out images of the datasets that the runs name.

    Args:
        models: run folders; what is none, such as an exported model, says nothing about data and is passed over.
        datasets: aliases that are wanted.
        data: the folder of datasets without a location; None is the runs' own.

    Raises:
        RunError: none is a run folder, or the data is divided otherwise than when a run began.
        DataError: data is missing or broken, or no image was held out by all.
    """
    runs = [run for run in (RunFolder(Path(model)) for model in models) if run.holds_run]
    if not runs:
        raise RunError(
            f"None of {', '.join(models)} is a run folder, and only runs remember which images were held out. Name at "
            "least one."
        )
    opened: dict[str, list[tuple[Source, set[str]]]] = {}
    for run in runs:
        for source, names in _of_run(run, datasets, data):
            opened.setdefault(source.alias, []).append((source, names))
    return {alias: _shared(alias, sides) for alias, sides in opened.items()}


def _of_run(run: RunFolder, datasets: Collection[str], data: str | None) -> list[tuple[Source, set[str]]]:
    """Returns a run's sources, each with the names of its readable test images."""
    config = run.config()
    plugins = PluginManager.discover(tuple(config.plugins))
    tables = {alias: table for alias, table in config.datasets.items() if alias in datasets}
    sources = [Source.open(alias, table, data or config.data.path, plugins) for alias, table in tables.items()]
    check_splits(run, sources)
    before = run.splits()
    return [
        (source, {source.name_of(i) for i in source.test} - set(before.get(source.alias, {}).get("skipped", [])))
        for source in sources
    ]


def _shared(alias: str, sides: Sequence[tuple[Source, set[str]]]) -> HeldOut:
    source, names = sides[0][0], set.intersection(*(names for _, names in sides))
    indices = [index for index in source.test if source.name_of(index) in names]
    if not indices:
        raise DataError(
            f"No image of the dataset '{alias}' was held out by all of the runs, so none is new to every model. "
            "Compare runs with the same split."
        )
    return HeldOut(source, indices)
