"""The kinds of image that can be translated. Each kind also converts the result back."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw.data.images import UNREADABLE, PictureOptions, is_deep, open_image, prepare, reason
from stargan_fw.errors import DataError
from stargan_fw.inference.pasting import paste
from stargan_fw.rendering.pictures import to_pictures, to_tensor

if TYPE_CHECKING:
    from stargan_fw.data.images import Region
    from stargan_fw.interfaces.dataset import Crop


@dataclass(frozen=True, slots=True)
class Reading:
    """How a model reads pictures.

    Attributes:
        options: those of a dataset that the model was trained on.
        crop: finds the square to translate; None translates what the options keep.
    """

    options: PictureOptions = field(default_factory=PictureOptions)
    crop: Crop | None = None


USUAL = Reading()


OWN_RANGE = "its greys of more than 8 bits are scaled by its own values, as the model was trained on no such pictures"


class ImageInput(ABC):
    """One argument of `Translator.translate`: an image, or a batch of them.

    Attributes:
        count: number of images.
    """

    count = 1

    @abstractmethod
    def square(self, side: int) -> Tensor:
        """Returns the images as squares of the model's size, (count, 3, side, side) in [-1, 1].

        Raises:
            DataError: the image cannot be read.
        """

    @abstractmethod
    def output(self, edited: Tensor) -> Any:
        """Converts edited squares, (count, 3, side, side) in [-1, 1], to the kind of the input."""

    @abstractmethod
    def output_pasted(self, before: Tensor, edited: Tensor) -> Any:
        """Returns the input at its own resolution, with the change from `before` to `edited` pasted into it."""


class _OnePicture(ImageInput):
    """A picture that Pillow opens, as often as it is needed, so that large pictures do not stay in memory."""

    note = ""  # a remark about how the picture was read, once it is

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._region: Region | None = None

    @abstractmethod
    def _open(self) -> AbstractContextManager[Image.Image]:
        """Opens the picture. Errors of Pillow become DataErrors while it is open."""

    def _encode(self, picture: Image.Image) -> Any:
        return picture

    def square(self, side: int) -> Tensor:
        with self._open() as opened:
            picture = self._reading.options.upright(opened)
            self._region = region = self._reading.options.region(picture, self._reading.crop)
            self.note = region.note if self._reading.crop else ""
            if is_deep(opened) and self._reading.options.grey_range is None:
                self.note = OWN_RANGE
            return to_tensor([self._reading.options.cut(picture, region, side)])

    def output(self, edited: Tensor) -> Any:
        return self._encode(to_pictures(edited)[0])

    def output_pasted(self, before: Tensor, edited: Tensor) -> Any:
        with self._open() as opened:
            picture = self._reading.options.upright(opened)
            if picture is opened:
                picture = picture.copy()
            region = self._region or self._reading.options.region(picture, self._reading.crop)
            return self._encode(_paste_into(picture, region, before, edited))


class PictureInput(_OnePicture):
    """A PIL image of any size and mode. The output is a PIL image in RGB."""

    def __init__(self, picture: Image.Image, reading: Reading) -> None:
        super().__init__(reading)
        self._picture = picture

    @contextmanager
    def _open(self) -> Iterator[Image.Image]:
        with _reading(f"The image {self._picture!r} cannot be read"):
            yield self._picture


class FileInput(_OnePicture):
    """A path. The output is a PIL image in RGB."""

    def __init__(self, path: str | Path, reading: Reading) -> None:
        super().__init__(reading)
        if "://" in str(path):
            raise DataError(f"'{path}' is an address, and nothing is downloaded: save the picture, or give its bytes.")
        self.path = Path(path)

    @contextmanager
    def _open(self) -> Iterator[Image.Image]:
        with _reading(f"The image '{self.path}' cannot be read"), open_image(self.path) as opened:
            yield opened


class BytesInput(_OnePicture):
    """An encoded picture. The output is always a PNG's bytes, so that nothing is compressed twice."""

    def __init__(self, encoded: bytes, reading: Reading) -> None:
        super().__init__(reading)
        self._encoded = bytes(encoded)

    @contextmanager
    def _open(self) -> Iterator[Image.Image]:
        what = f"The {len(self._encoded)} bytes cannot be read as a picture"
        with _reading(what), open_image(self._encoded) as opened:
            yield opened

    def _encode(self, picture: Image.Image) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        return buffer.getvalue()


class TensorInput(ImageInput):
    """A float tensor in [-1, 1], (B, 3, H, W) or (3, H, W). The output has its rank, type and device."""

    def __init__(self, tensor: Tensor, reading: Reading) -> None:
        if tensor.ndim not in {3, 4} or tensor.shape[-3] != 3 or 0 in tensor.shape or not tensor.is_floating_point():
            raise DataError(
                f"The tensor has shape {tuple(tensor.shape)} and type {tensor.dtype}; "
                "give (B, 3, H, W) or (3, H, W) of floating point in [-1, 1]."
            )
        self._tensor = tensor
        self._images = tensor.detach() if tensor.ndim == 4 else tensor.detach()[None]
        self.count = len(self._images)
        self._region = reading.options.usual_region((tensor.shape[-1], tensor.shape[-2]))
        self._background = to_tensor([Image.new("RGB", (1, 1), reading.options.background)])

    def square(self, side: int) -> Tensor:
        cropped = self._cut(self._images).float()
        left, top, right, bottom = self._region.box_in_square(side)
        size = (bottom - top, right - left)
        if cropped.shape[2:] != size:
            cropped = F.interpolate(cropped, size, mode="bilinear", antialias=True)
        if size == (side, side):
            return cropped
        square = self._background.to(cropped).expand(len(cropped), 3, side, side).clone()
        square[:, :, top:bottom, left:right] = cropped
        return square

    def _cut(self, images: Tensor) -> Tensor:
        left, top, right, bottom = self._region.box
        return images[:, :, top:bottom, left:right]

    def output(self, edited: Tensor) -> Tensor:
        result = edited.to(self._tensor)
        return result if self._tensor.ndim == 4 else result[0]

    def output_pasted(self, before: Tensor, edited: Tensor) -> Tensor:
        whole = self._images.clone()
        part = self._cut(whole)
        before, edited = (_inside(squares, self._region).to(part.device) for squares in (before, edited))
        part.copy_(paste(part.float(), before, edited, fade=(self._region.box[0] > 0, self._region.box[1] > 0)))
        return self.output(whole)


class ArrayInput(ImageInput):
    """A uint8 array, (H, W, 3) or (B, H, W, 3) in RGB. The output has the same rank."""

    def __init__(self, array: np.ndarray[Any, Any], reading: Reading) -> None:
        if array.ndim not in {3, 4} or array.shape[-1] != 3 or 0 in array.shape or array.dtype != np.uint8:
            raise DataError(
                f"The array has shape {array.shape} and type {array.dtype}; "
                "give (H, W, 3) or (B, H, W, 3) of uint8 in RGB."
            )
        self._pictures = [Image.fromarray(image) for image in (array if array.ndim == 4 else array[None])]
        self._single, self._options = array.ndim == 3, reading.options
        self.count = len(self._pictures)

    def square(self, side: int) -> Tensor:
        return to_tensor([prepare(picture, side, self._options) for picture in self._pictures])

    def output(self, edited: Tensor) -> np.ndarray[Any, Any]:
        return self._stack(to_pictures(edited))

    def output_pasted(self, before: Tensor, edited: Tensor) -> np.ndarray[Any, Any]:
        rows = zip(self._pictures, torch.split(before, 1), torch.split(edited, 1), strict=True)
        return self._stack(
            [_paste_into(picture.copy(), self._options.usual_region(picture.size), b, e) for picture, b, e in rows]
        )

    def _stack(self, pictures: list[Image.Image]) -> np.ndarray[Any, Any]:
        return np.asarray(pictures[0]) if self._single else np.stack([np.asarray(picture) for picture in pictures])


KINDS: tuple[tuple[tuple[type, ...], Callable[[Any, Reading], ImageInput]], ...] = (
    ((str, Path), FileInput),
    ((bytes, bytearray, memoryview), BytesInput),
    ((Image.Image,), PictureInput),
    ((torch.Tensor,), TensorInput),
    ((np.ndarray,), ArrayInput),
)


def as_input(image: object, reading: Reading = USUAL) -> ImageInput:
    """Returns an image as the input of its kind.

    Args:
        image: a path, a picture's bytes, a PIL image, an array or a tensor.
        reading: how the image becomes a square. Arrays and tensors have no crop.

    Raises:
        DataError: an image of this type cannot be translated.
    """
    for types, kind in KINDS:
        if isinstance(image, types):
            return kind(image, reading)
    raise DataError(
        f"A {type(image).__name__} cannot be translated: give a path, a picture's bytes, a PIL image, a uint8 array or "
        "a float tensor, or a list of them."
    )


def is_single(images: object) -> bool:
    """Returns whether `images` is one input, and not an iterable of inputs.

    Raises:
        DataError: `images` is neither.
    """
    single = isinstance(images, tuple(kind for types, _ in KINDS for kind in types))
    if not single and not isinstance(images, Iterable):
        as_input(images)
    return single


def _paste_into(picture: Image.Image, region: Region, before: Tensor, edited: Tensor) -> Image.Image:
    """Returns an upright RGB picture with the edit in the region that was translated; changes the picture itself."""
    left, top, right, bottom = region.box
    original = to_tensor([picture.crop(region.box)])
    fade = (left > 0 or right < picture.width, top > 0 or bottom < picture.height)
    pasted = paste(original, _inside(before, region), _inside(edited, region), fade=fade)
    picture.paste(to_pictures(pasted)[0], (left, top))
    return picture


def _inside(squares: Tensor, region: Region) -> Tensor:
    """Returns squares (B, 3, S, S) without padding."""
    left, top, right, bottom = region.box_in_square(squares.shape[-1])
    return squares[:, :, top:bottom, left:right]


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Turns Pillow's errors into a DataError that also says what could not be read."""
    try:
        yield
    except UNREADABLE as error:
        raise DataError(f"{what}: {reason(error)}. Replace it, or leave it out.") from None
