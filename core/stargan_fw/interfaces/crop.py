"""Which square of an image is kept, where the centre is not what matters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True)
class Square:
    """A square of an image.

    Attributes:
        left: pixels from the left edge.
        top: pixels from the upper edge.
        side: in pixels.
        note: what a user should know about it, such as "no face is found"; counted and listed.
    """

    left: int
    top: int
    side: int
    note: str = ""

    @classmethod
    def centred(cls, size: tuple[int, int], side: int | None = None) -> Square:
        """Returns the middle of an image of `size`; its side is the image's short one unless a shorter one is given."""
        side = min(side or min(size), *size)
        return cls((size[0] - side) // 2, (size[1] - side) // 2, side)

    @classmethod
    def around(cls, centre: tuple[float, float], side: float, size: tuple[int, int], note: str = "") -> Square:
        """Returns the square around a point in pixels, moved and at last shrunk until an image of `size` holds it."""
        length = max(1, min(round(side), *size))
        left, top = (
            min(max(round(middle - length / 2), 0), most - length) for middle, most in zip(centre, size, strict=True)
        )
        return cls(left, top, length, note)


class Crop(ABC):
    """Finds the square of an image that is kept; `Example.crop` has one.

    The decoded images are kept under a name that holds its `repr`, which must tell apart whatever finds other squares:
    a frozen dataclass does.
    """

    @abstractmethod
    def find(self, image: Image.Image) -> Square | None:
        """Returns the square of an upright RGB image; None leaves it to the dataset's `crop_size`.

        Called from several threads at once.
        """


@dataclass(frozen=True, slots=True)
class PortraitSquare(Crop):
    """A place in portraits, in fractions of the picture; a picture that is no portrait is left alone.

    Attributes:
        x: of the centre, of the width.
        y: of the centre, of the height.
        side: of the width.
        tallness: how many times its width a picture must be high at least.
    """

    x: float
    y: float
    side: float
    tallness: float = 1.25

    def find(self, image: Image.Image) -> Square | None:
        """Returns the place in a portrait."""
        width, height = image.size
        if height < self.tallness * width:
            return None
        return Square.around((self.x * width, self.y * height), self.side * width, image.size)
