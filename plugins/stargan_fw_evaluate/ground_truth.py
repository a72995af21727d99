"""The true pictures of translations, from datasets that can show their images with other labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from stargan_fw.data.images import open_image
from stargan_fw.errors import PluginError
from stargan_fw.interfaces import Counterfactual, CounterfactualAcross
from stargan_fw.rendering.pictures import pixels_to_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from typing import TypeAlias

    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor

    from stargan_fw.data.source import Source
    from stargan_fw.data.store import Store
    from stargan_fw.interfaces import Example
    from stargan_fw_registry import LabelValue

    Labels: TypeAlias = Mapping[str, LabelValue]
    Draw: TypeAlias = Callable[[Example, Labels], Image.Image | None]

MOST_KEPT = 2**29  # bytes of true pictures that are kept in memory


@dataclass(frozen=True)
class GroundTruth:
    """A dataset that can show its images with other labels.

    Attributes:
        source: the dataset.
        store: its decoded images.
        own: shows an example with other labels of its own dataset; None if the dataset cannot.
        across: shows an example with labels of any dataset; None if the dataset cannot.
    """

    source: Source
    store: Store
    own: Draw | None
    across: Draw | None
    _kept: dict[Hashable, NDArray[np.uint8] | None] = field(default_factory=dict)

    def pictures(self, draw: Draw | None, indices: Sequence[int], change: Labels | None) -> list[Tensor | None]:
        """Returns the true picture (3, H, W) in [-1, 1] of each example; None if it is unknown.

        Args:
            draw: `own` or `across`.
            indices: positions of the examples.
            change: the labels to change, as `draw` takes them; None if they contradict each other.
        """
        if draw is None or change is None:
            return [None] * len(indices)
        pixels = [self._draw(draw, index, change) for index in indices]
        return [None if picture is None else pixels_to_tensor(picture[None])[0] for picture in pixels]

    def _draw(self, draw: Draw, index: int, change: Labels) -> NDArray[np.uint8] | None:
        """Returns a true picture, (H, W, 3); pictures are kept for the next run that is evaluated, as drawing takes long."""
        key = (index, tuple(sorted(change.items())))
        if key in self._kept:
            return self._kept[key]
        drawn, size = draw(self.source.examples[index], change), self.store.image_size
        pixels = None if drawn is None else np.array(crop_as(self.source, index, drawn, size))
        if len(self._kept) * 3 * size**2 < MOST_KEPT:
            self._kept[key] = pixels
        return pixels


def find_ground_truth(source: Source, store: Store) -> tuple[GroundTruth | None, str]:
    """Returns the true pictures of a dataset, if it can show a test example as the example is on disk.

    Returns:
        The true pictures or None; and a note if they are missing although the dataset should have them, or "".
    """
    dataset, index = source.dataset, source.test[0]
    own = dataset.counterfactual if isinstance(dataset, Counterfactual) else None
    across = dataset.counterfactual_across if isinstance(dataset, CounterfactualAcross) else None
    draw = own or across
    if draw is None:
        return None, ""
    try:
        again = draw(source.examples[index], {})
    except PluginError as error:
        return None, f"The true pictures of '{source.alias}' are left out: {error}"
    if again is None:
        return None, ""
    if not np.array_equal(np.asarray(crop_as(source, index, again, store.image_size)), store.read([index])[0]):
        return None, (
            f"The true pictures of '{source.alias}' are left out: '{source.name_of(index)}' is drawn otherwise now. "
            "Draw the data again."
        )
    return GroundTruth(source, store, own or across, across), ""


def crop_as(source: Source, index: int, picture: Image.Image, image_size: int) -> Image.Image:
    """Returns another picture of an example, cropped to the example's own square and resized.

    A crop that searches, such as one for faces, may find another square on the other picture.
    """
    example = source.examples[index]
    with open_image(example.image) as image:
        region = source.options.region(source.options.upright(image), example.crop)
    return source.options.cut(source.options.upright(picture), region, image_size)
