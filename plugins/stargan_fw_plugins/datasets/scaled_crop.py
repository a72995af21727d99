"""A centre crop that scales with the picture, for datasets that are released at several sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stargan_fw import Crop, Square
from stargan_fw.data.images import UNREADABLE, open_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from stargan_fw.interfaces.dataset import ImageSource

SAMPLE = 64  # images that are looked at


@dataclass(frozen=True, slots=True)
class ScaledSquare(Crop):
    """The middle square that a crop of `side` pixels is in pictures of `width` x `height`, at the picture's own scale.

    Pictures that are no larger keep the crop of the dataset's `crop_size`.
    """

    side: int
    width: int
    height: int

    def find(self, image: Image.Image) -> Square | None:
        if image.width <= self.width and image.height <= self.height:
            return None
        scale = min(image.width / self.width, image.height / self.height)
        return Square.centred(image.size, max(1, round(self.side * scale)))

    def describe(self) -> str:
        """Describes the square to a user of a model that was trained with it."""
        return (
            f"of a picture larger than {self.width} x {self.height} pixels, the middle square of "
            f"{self.side / self.width:.0%} of its width or {self.side / self.height:.0%} of its height, the smaller of both"
        )

    def is_needed(self, images: Sequence[ImageSource]) -> bool:
        """Returns whether some of up to 64 images, evenly spaced, are larger than the crop's pictures."""
        return any(self._is_larger(image) for image in images[:: max(1, len(images) // SAMPLE)])

    def _is_larger(self, source: ImageSource) -> bool:
        try:
            with open_image(source) as image:
                return image.width > self.width or image.height > self.height
        except UNREADABLE:
            return False
