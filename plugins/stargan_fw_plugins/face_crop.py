"""Crops to faces that OpenCV finds (Viola and Jones, 2001); the extra `faces` installs OpenCV."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self, TypeAlias

import numpy as np

from stargan_fw import Crop, Square, hookimpl
from stargan_fw.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from PIL import Image

FaceChoice: TypeAlias = Literal["detect", "anywhere", "none"]

FRONTAL, PROFILE = "haarcascade_frontalface_alt2.xml", "haarcascade_profileface.xml"
# A detection reaches from the eyebrows to the chin: the whole head is larger, and its centre is higher.
MARGIN, RAISE = 1.5, 0.06
# CelebA's squares are 2.1 times as wide as the detection, by the eyes' distance there, and 0.14 of its side higher.
RISE_OF_MARGIN = 0.13
NOTE = "no face is found, the usual square is taken"
MIDDLE = "no face is found, the middle is taken"
SEVERAL = "several faces are found, the largest is taken"
FEWEST_FACES = 8  # pictures with a face that a framing is measured on, and at least half of all pictures


class Search(NamedTuple):
    """How closely a picture is searched for faces.

    Attributes:
        longer_side: the picture's longer side is scaled down to this many pixels.
        smallest: smallest side of a face, as a fraction of the picture's short side.
        agreeing: a face is found if this many overlapping windows look like one.
    """

    longer_side: int
    smallest: float
    agreeing: int


class Face(NamedTuple):
    """A detected face, in pixels of the picture."""

    left: float
    top: float
    side: float

    @property
    def centre(self) -> tuple[float, float]:
        return self.left + self.side / 2, self.top + self.side / 2


PORTRAIT = Search(480, 0.15, 4)  # the face of a portrait is then 100 to 300 pixels wide
# People in a landscape. Small windows look like faces more often, so more of them have to agree.
SCENE = Search(1600, 0.03, 8)


@dataclass(frozen=True, slots=True)
class DetectedFace(Crop):
    """The square around the largest frontal face, or else the largest profile, as `face = "detect"` trains on it.

    Attributes:
        otherwise: finds the square if there is no face; None means the centre.
        margin: side of the square as a multiple of the detection's side.
    """

    otherwise: Crop | None = None
    margin: float = MARGIN

    def __post_init__(self) -> None:
        _cascade_folder()  # a missing OpenCV is said before any picture is read

    def find(self, image: Image.Image) -> Square | None:
        """Returns the square, with a note if no face is found."""
        faces = _detect_faces(image, PORTRAIT)
        if not faces:
            usual = (self.otherwise and self.otherwise.find(image)) or Square.centred(image.size)
            return replace(usual, note=NOTE)
        return _square_around(faces[0], self.margin, RAISE, image)


@dataclass(frozen=True, slots=True)
class PhotographedFace(Crop):
    """The square around the largest face of a photograph, also of people who are small in it, as `face = "anywhere"` trains.

    `DetectedFace` stays as it is, so that data and runs with `face = "detect"` keep their squares.

    Attributes:
        margin: side of the square as a multiple of the detection's side.
        rise: how far the square's centre is above the detection's, as a fraction of the detection's side.
    """

    name: ClassVar[str] = "face"

    margin: float = MARGIN
    rise: float = RAISE

    def __post_init__(self) -> None:
        _cascade_folder()

    def find(self, image: Image.Image) -> Square | None:
        """Returns the square, with a note if no face is found or if there are several."""
        faces = _detect_faces(image, PORTRAIT) or _detect_faces(image, SCENE)
        if not faces:
            return replace(Square.centred(image.size), note=MIDDLE)
        square = _square_around(faces[0], self.margin, self.rise, image)
        return replace(square, note=SEVERAL) if len(faces) > 1 else square

    def with_margin(self, margin: float) -> Self:
        """Returns the crop with another margin. A wider square has more hair in it, so its centre is higher."""
        return replace(self, margin=margin, rise=RAISE + RISE_OF_MARGIN * max(0.0, margin - MARGIN))

    def framed_like(self, pictures: Sequence[Image.Image]) -> Self | None:
        """Returns the crop that puts faces where they are in squares that a model was trained on.

        Args:
            pictures: some of these squares.

        Returns:
            The crop with the median margin and rise; None if there are too few faces to measure.
        """
        found = [(faces[0], picture.width) for picture in pictures if (faces := _detect_faces(picture, PORTRAIT))]
        if len(found) < max(FEWEST_FACES, len(pictures) / 2):
            return None
        margin = median(width / face.side for face, width in found)
        rise = median((face.centre[1] - width / 2) / face.side for face, width in found)
        return replace(self, margin=margin, rise=rise)


def make_face_crop(choice: FaceChoice, otherwise: Crop | None = None) -> Crop | None:
    """Returns the crop that a dataset's option `face` asks for.

    Raises:
        PluginError: OpenCV is not installed or lacks the cascades.
    """
    if choice == "none":
        return otherwise
    return DetectedFace(otherwise) if choice == "detect" else PhotographedFace()


@hookimpl
def register_crops(register: Callable[[type[Crop]], None]) -> None:
    register(PhotographedFace)


def describe_face_crop(choice: FaceChoice, otherwise: str = "") -> str:
    """Describes the crop of `make_face_crop`; `otherwise` describes the crop if there is no face."""
    if choice == "none":
        return otherwise
    found = f"a square {MARGIN:g} times as wide as the face that OpenCV finds"
    return f"{found}, or if it finds none, {otherwise}" if otherwise else found


def _square_around(face: Face, margin: float, rise: float, image: Image.Image) -> Square:
    across, down = face.centre
    return Square.around((across, down - rise * face.side), margin * face.side, image.size)


def _detect_faces(image: Image.Image, search: Search) -> list[Face]:
    """Returns the faces that the first successful detector finds, the largest first: frontal ones, or else profiles."""
    scale = min(1.0, search.longer_side / max(image.size))
    small = image.convert("L").resize([max(1, round(side * scale)) for side in image.size])
    pixels: NDArray[np.uint8] = np.asarray(small)
    smallest = max(20, round(search.smallest * min(small.size)))
    detectors = _detectors()
    for name, mirrored in ((FRONTAL, False), (PROFILE, False), (PROFILE, True)):
        looked_at = np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels
        found = detectors[name].detectMultiScale(looked_at, 1.1, search.agreeing, minSize=(smallest, smallest))
        boxes = sorted((tuple(map(int, box)) for box in found), key=lambda box: (-box[2], *box))
        if boxes:
            starts = [small.width - left - side if mirrored else left for left, _, side, _ in boxes]
            return [Face(at / scale, box[1] / scale, box[2] / scale) for at, box in zip(starts, boxes, strict=True)]
    return []


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
