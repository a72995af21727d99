"""Images of a run's datasets that it was not trained on, for those who show them to people."""

from __future__ import annotations

import logging
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stargan_fw.components import check_plugins_named
from stargan_fw.data.check import describe, first_warnings
from stargan_fw.data.images import UNREADABLE, reason
from stargan_fw.data.source import Source
from stargan_fw.errors import DataError, printable
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.runs.split_record import check_splits

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from PIL import Image

    from stargan_fw.runs.run_folder import RunFolder

logger = logging.getLogger("stargan_fw.data.check")  # of whose warnings people filter, whichever command shows them


@dataclass(frozen=True)
class HeldOut:
    """Images of a dataset that a run was not trained on.

    Attributes:
        source: the dataset, with the run's crop.
        indices: positions of the images in the dataset's examples, ascending.
    """

    source: Source
    indices: list[int]


def held_out_images(
    run: RunFolder, datasets: Collection[str], data: str | None = None, plugin_files: Sequence[str | Path] = ()
) -> list[HeldOut]:
    """Returns the readable test images of a run.

    Args:
        run: a folder that holds a run.
        datasets: aliases of the datasets to read; the run's other datasets are skipped.
        data: the folder of datasets without a location; None is the run's own `data.path`.
        plugin_files: plugin files to use besides the installed plugins.

    Raises:
        PluginError: if a dataset needs a plugin file that the run names and the caller does not.
        RunError: if the split differs from the one that the run began with.
        DataError: if the data is missing or broken.
    """
    config, plugins = run.config(), PluginManager.discover(tuple(plugin_files))
    tables = {alias: table for alias, table in config.datasets.items() if alias in datasets}
    check_plugins_named([("dataset", table.plugin) for table in tables.values()], config, plugins, run.path)
    sources = [
        Source.open(alias, table, data or config.data.path, plugins, run.splits().get(alias))
        for alias, table in tables.items()
    ]
    check_splits(run, sources)
    skipped = {alias: set(split.get("skipped", ())) for alias, split in run.splits().items()}
    return [
        HeldOut(source, [i for i in source.test if source.name_of(i) not in skipped.get(source.alias, ())])
        for source in sources
    ]


def read_picture(source: Source, index: int, side: int) -> Image.Image:
    """Returns an image of a dataset, cropped and resized to `side` pixels.

    Raises:
        DataError: if the image cannot be read.
    """
    try:
        return source.pictures([index], side)[0]
    except UNREADABLE as error:
        raise DataError(
            f"The image '{source.name_of(index)}' of '{source.alias}' cannot be read: {reason(error)}. Restore it."
        ) from None


def log_warnings(sources: Iterable[Source], run: Path) -> None:
    """Logs a few lines of warnings per dataset of a run, before a command uses the data."""
    command = shlex.join(["stargan-fw", "data", "check", "--config", str(run / "config.toml")])
    for line in first_warnings(map(describe, sources), command):
        logger.warning("%s", printable(line))
