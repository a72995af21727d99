"""Cuts faces out of photographs as they were cut out in a model's training images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from stargan_fw.cli.notes import note
from stargan_fw.components import check_plugins_named, data_components, model_components
from stargan_fw.errors import DataError, RequestError
from stargan_fw.plugin_manager import PluginManager
from stargan_fw.runs.run_folder import RunFolder
from stargan_fw.runs.split_record import recorded_sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from stargan_fw.data.source import Source
    from stargan_fw.inference.inputs import Reading
    from stargan_fw_registry import Edit

PICTURES, SIDE = 48, 256  # how many training images of a dataset are looked at, and their side in pixels


@runtime_checkable
class FitsFraming(Protocol):
    """A crop around faces that can leave as much room around a face as other pictures do."""

    @property
    def margin(self) -> float:
        """The square's side as a multiple of the face's."""

    def with_margin(self, margin: float) -> Self:
        """Returns the crop with another margin."""

    def framed_like(self, pictures: Sequence[Image.Image]) -> Self | None:
        """Returns the crop that puts faces where they are in the pictures; None if too few have a face."""


def open_sources_of(model: str, plugins: Sequence[Path]) -> list[Source]:
    """Returns the datasets of a run, divided as when it began.

    Raises:
        DataError: the model is no run.
        RequestError: the run's data is gone, or the run needs a plugin file that is not named.
    """
    if not (Path(model) / "config.toml").exists():
        raise DataError(f"'{model}' is not a run folder, so it has no test images: name the pictures to show.")
    run, found = RunFolder(Path(model)), PluginManager.discover(tuple(plugins))
    config = run.config()
    check_plugins_named([*model_components(config), *data_components(config)], config, found, run.path)
    return recorded_sources(run, found)


def held_out_pictures(model: str, count: int, plugins: Sequence[Path] = ()) -> tuple[list[Image.Image], list[Edit]]:
    """Returns test images of a run as the model sees them, up to `count` per dataset, and their labels.

    Raises:
        DataError: the model is no run.
        RequestError: the run's data is gone, or the run needs a plugin file that is not named.
    """
    sources = open_sources_of(model, plugins)
    image_size = RunFolder(Path(model)).config().data.image_size
    pictures, labels = [], []
    for source in sources:
        chosen = source.held_out(count)
        pictures += source.pictures(chosen, image_size)
        labels += [source.schema.known(source.labels[index].tolist()) for index in chosen]
    return pictures, labels


def frame_faces(
    reading: Reading, margin: float | None, model: str, dataset: str, plugins: Sequence[Path] = ()
) -> Reading:
    """Returns how pictures are read, with faces that fill as much of the square as in training, and says so.

    Args:
        reading: how the model reads pictures, with a crop.
        margin: the square's side as a multiple of the face's; None measures some of the model's training images.
        model: a run, which says where these are, or another model, which does not.
        dataset: the dataset whose images are measured.
        plugins: plugin files that the run needs.
    """
    crop = reading.crop
    if not isinstance(crop, FitsFraming):
        return reading
    if margin is not None:
        return replace(reading, crop=crop.with_margin(margin))
    fitted = crop.framed_like(_look_at(model, dataset, plugins))
    if fitted is None:
        note(
            f"Squares are {crop.margin:.3g} times as wide as the faces in them: it cannot be measured on the images that the "
            "model was trained on. Set another width with --face-margin, such as 2.1 for CelebA's."
        )
        return reading
    note(f"Squares are {fitted.margin:.3g} times as wide as the faces in them, as in the images of '{dataset}'.")
    return replace(reading, crop=fitted)


def _look_at(model: str, dataset: str, plugins: Sequence[Path]) -> list[Image.Image]:
    """Returns some squares that the model was trained on, or nothing if they are not here."""
    try:
        source = next(source for source in open_sources_of(model, plugins) if source.alias == dataset)
        return source.pictures(source.train[:: max(1, len(source.train) // PICTURES)][:PICTURES], SIDE)
    except (RequestError, OSError):
        return []
