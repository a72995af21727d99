"""The pictures that a study may show: those that no run has seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stargan_fw.api import HeldOut, RunFolder, held_out_images
from stargan_fw.errors import DataError, RunError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def find_held_out(models: Sequence[str], datasets: Collection[str], data: str | None) -> dict[str, HeldOut]:
    """Returns, by dataset, the images that every run held out, cropped as the first of the runs has them.

    Args:
        models: run folders; an exported model says nothing about data and is passed over.
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
    opened: dict[str, list[HeldOut]] = {}
    for run in runs:
        for held_out in held_out_images(run, datasets, data):
            opened.setdefault(held_out.source.alias, []).append(held_out)
    return {alias: _shared(alias, found) for alias, found in opened.items()}


def _shared(alias: str, found: Sequence[HeldOut]) -> HeldOut:
    first = found[0]
    shared = set.intersection(*({one.source.name_of(index) for index in one.indices} for one in found))
    indices = [index for index in first.indices if first.source.name_of(index) in shared]
    if not indices:
        raise DataError(
            f"No image of the dataset '{alias}' was held out by all of the runs, so none is new to every model. "
            "Compare runs with the same split."
        )
    return HeldOut(first.source, indices)
