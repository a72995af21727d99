"""Crops to faces that OpenCV finds (Viola and Jones, 2001); the extra `faces` installs OpenCV."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np

from stargan_fw import Crop, Square, hookimpl
from stargan_fw.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from PIL import Image

FaceChoice: TypeAlias = Literal["detect", "none"]

FRONTAL, PROFILE = "haarcascade_frontalface_alt2.xml", "haarcascade_profileface.xml"
# The longer side of the picture is scaled down to this: the face of a portrait is then 100 to 300 pixels wide.
DETECTION_SIDE = 480
SMALLEST_FACE = 0.15  # smallest side of a face, as a fraction of the picture's short side
# A detection reaches from the eyebrows to the chin: the whole head is larger, and its centre is higher.
MARGIN, RAISE = 1.5, 0.06
NOTE = "no face is found, the usual square is taken"


@dataclass(frozen=True, slots=True)
class DetectedFace(Crop):
    """The square around the largest frontal face, or else the largest profile.

    Attributes:
        otherwise: finds the square if there is no face; None means the centre.
        margin: side of the square as a multiple of the detection's side.
    """

    name: ClassVar[str] = "face"

    otherwise: Crop | None = None
    margin: float = MARGIN

    def __post_init__(self) -> None:
        _cascade_folder()  # a missing OpenCV is said before any picture is read

    def find(self, image: Image.Image) -> Square | None:
        """Returns the square, with a note if no face is found."""
        face = next(_detect_faces(image), None)
        if face is None:
            usual = (self.otherwise and self.otherwise.find(image)) or Square.centred(image.size)
            return Square(usual.left, usual.top, usual.side, NOTE)
        left, top, side = face
        centre = (left + side / 2, top + side / 2 - RAISE * side)
        return Square.around(centre, self.margin * side, image.size)


def make_face_crop(choice: FaceChoice, otherwise: Crop | None = None) -> Crop | None:
    """Returns the crop that a dataset's option `face` asks for.

    Raises:
        PluginError: OpenCV is not installed or lacks the cascades.
    """
    if choice == "none":
        return otherwise
    return DetectedFace(otherwise)


@hookimpl
def register_crops(register: Callable[[type[Crop]], None]) -> None:
    register(DetectedFace)


def describe_face_crop(choice: FaceChoice, otherwise: str = "") -> str:
    """Describes the crop of `make_face_crop`; `otherwise` describes the crop if there is no face."""
    if choice == "none":
        return otherwise
    found = f"a square {MARGIN:g} times as wide as the face that OpenCV finds"
    return f"{found}, and where it finds none {otherwise}" if otherwise else found


def _detect_faces(image: Image.Image) -> Iterator[tuple[float, float, float]]:
    """Yields left, top and side of the largest face per detector, in pixels of the image."""
    scale = min(1.0, DETECTION_SIDE / max(image.size))
    small = image.convert("L").resize([max(1, round(side * scale)) for side in image.size])
    pixels: NDArray[np.uint8] = np.asarray(small)
    detectors = _detectors()
    for name, mirrored in ((FRONTAL, False), (PROFILE, False), (PROFILE, True)):
        looked_at = np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels
        smallest = max(20, round(SMALLEST_FACE * min(small.size)))
        found = detectors[name].detectMultiScale(looked_at, 1.1, 4, minSize=(smallest, smallest))
        for left, top, side, _ in sorted(map(tuple, found), key=lambda box: (-box[2], *box))[:1]:
            start = small.width - left - side if mirrored else left
            yield start / scale, top / scale, side / scale


_own = threading.local()


def _detectors() -> dict[str, Any]:
    """Returns this thread's detectors: threads cannot share them."""
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
    opencv.setNumThreads(
        1
    )  # images already have a thread each, and several threads would change the order of detections
    return folder
