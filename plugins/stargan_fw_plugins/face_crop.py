"""Squares around faces that OpenCV finds (Viola and Jones, 2001); the extra `faces` installs it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from stargan_fw import Crop, Square
from stargan_fw.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from PIL import Image

FaceChoice: TypeAlias = Literal["detect", "none"]

FRONTAL, PROFILE = "haarcascade_frontalface_alt2.xml", "haarcascade_profileface.xml"
# The picture's longer side is brought down to this before looking: a face of a portrait is then 100 to 300 pixels wide.
LOOKED_AT = 480
SMALLEST = 0.15  # side of a face, of the picture's short side
# What is found reaches from the eyebrows to the chin: the whole head is larger, and lies higher.
MARGIN, RAISE = 1.5, 0.06
NOTE = "no face is found, the usual square is taken"


@dataclass(frozen=True, slots=True)
class DetectedFace(Crop):
    """The square around the largest face, seen from the front, or else from either side.

    Attributes:
        otherwise: finds the square where there is no face; None is the centre.
        margin: side of the square in sides of what the detector finds.
    """

    otherwise: Crop | None = None
    margin: float = MARGIN

    def find(self, image: Image.Image) -> Square | None:
        """Returns the square, which notes where no face is found."""
        face = next(_faces(image), None)
        if face is None:
            usual = (self.otherwise and self.otherwise.find(image)) or Square.centred(image.size)
            return Square(usual.left, usual.top, usual.side, NOTE)
        left, top, side = face
        centre = (left + side / 2, top + side / 2 - RAISE * side)
        return Square.around(centre, self.margin * side, image.size)


def face_crop(choice: FaceChoice, otherwise: Crop | None = None) -> Crop | None:
    """Returns the crop that a dataset's option `face` asks for.

    Raises:
        PluginError: OpenCV is not installed, or is one without the cascades.
    """
    if choice == "none":
        return otherwise
    _cascade_folder()
    return DetectedFace(otherwise)


def face_crop_in_words(choice: FaceChoice, otherwise: str = "") -> str:
    """Returns what `face_crop` crops to, given the words for what it crops to otherwise."""
    if choice == "none":
        return otherwise
    found = f"a square {MARGIN:g} times as wide as the face that OpenCV finds"
    return f"{found}, and where it finds none {otherwise}" if otherwise else found


def _faces(image: Image.Image) -> Iterator[tuple[float, float, float]]:
    """Yields left, top and side of the largest face of each way of looking, in pixels of the image."""
    scale = min(1.0, LOOKED_AT / max(image.size))
    small = image.convert("L").resize([max(1, round(side * scale)) for side in image.size])
    pixels: NDArray[np.uint8] = np.asarray(small)
    detectors = _detectors()
    for name, mirrored in ((FRONTAL, False), (PROFILE, False), (PROFILE, True)):
        looked_at = np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels
        smallest = max(20, round(SMALLEST * min(small.size)))
        found = detectors[name].detectMultiScale(looked_at, 1.1, 4, minSize=(smallest, smallest))
        for left, top, side, _ in sorted(map(tuple, found), key=lambda box: (-box[2], *box))[:1]:
            start = small.width - left - side if mirrored else left
            yield start / scale, top / scale, side / scale


_own = threading.local()


def _detectors() -> dict[str, Any]:
    """Returns this thread's detectors, which no two threads can share."""
    if not hasattr(_own, "detectors"):
        opencv, folder = import_module("cv2"), _cascade_folder()
        _own.detectors = {name: opencv.CascadeClassifier(str(folder / name)) for name in (FRONTAL, PROFILE)}
    detectors: dict[str, Any] = _own.detectors
    return detectors


@cache
def _cascade_folder() -> Path:
    try:
        opencv = import_module("cv2")
        folder = Path(opencv.data.haarcascades)
        opencv.CascadeClassifier  # noqa: B018 - gone from OpenCV 5
    except (ImportError, AttributeError) as error:
        raise PluginError(
            f"Finding faces needs OpenCV 4 with its cascades ({error}). Run: pip install 'stargan-fw[faces]'"
        ) from None
    if not (folder / FRONTAL).is_file() or not (folder / PROFILE).is_file():
        raise PluginError(f"OpenCV has no cascades in '{folder}'. Run: pip install 'stargan-fw[faces]'")
    opencv.setNumThreads(1)  # every image has a thread already; and the order of what several find would change
    return folder
