"""Opens images, which are files or parts of larger files, and makes squares in RGB of one size of them."""

from __future__ import annotations

import importlib
import io
import os
import re
import struct
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from stargan_fw.interfaces.dataset import EncodedImage, Square

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from stargan_fw.interfaces.dataset import Crop, Dataset, Fit, ImageSource

FLATTEST = 24  # of 255: an image whose values all lie closer together is noted

with suppress(ImportError):
    importlib.import_module("pillow_heif").register_heif_opener()

Range: TypeAlias = tuple[float, float]
Box: TypeAlias = tuple[int, int, int, int]

# Endings of files that are taken for pictures, in training and in translating. A file that Pillow cannot read is named.
IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .bmp .gif .tif .tiff .ppm .pgm .pnm .heic .heif .avif .jp2".split()  # noqa: SIM905
)
# What systems and editors leave behind in folders of pictures; names that start with a dot are nothing either.
JUNK = frozenset(
    "@eadir @recycle @tmp #recycle #snapshot $recycle.bin __macosx __pycache__ lost+found thumbs.db ehthumbs.db"  # noqa: SIM905
    " desktop.ini".split()
) | {"icon\r", "system volume information"}

# What explains pictures and is none: nobody takes such a file for a picture that was left out.
COMPANIONS = frozenset(
    ".txt .csv .tsv .json .jsonl .xml .yaml .yml .md .html .htm .pdf .log .ini .py .ipynb .parquet .arrow .sha256 .md5".split()  # noqa: SIM905
)

# What Pillow raises for broken images and, as `DecompressionBombError`, for headers that claim a dangerous number of pixels.
_BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    ArithmeticError,
    NotImplementedError,
    MemoryError,
    struct.error,
    zlib.error,
)
UNREADABLE = (*_BROKEN, Image.DecompressionBombError, Image.DecompressionBombWarning)
HEIC = b"ftyphe", b"ftypmi", b"ftypms"  # from byte 4 on

# Notes about images, which are listed once with the number of images.
GREYS = "grey of more than 8 bits: {:.10g} became {} and {:.10g} {}, on all images alike (grey_range)"
_GREYS = re.compile(r"grey of more than 8 bits: (\S+) became (?:black|white) and (\S+) (?:black|white)")
LONG = 'less than half of the image is used, its middle square; fit = "squeeze" or "pad" uses all of it'
FLAT = "nearly black, nearly white or all one grey"
LOST_BITS = "colours of 16 bits lose the last 8: if the image is too dark, scale it before"
SMALL = "less than a quarter of the image is used, its middle square of crop_size pixels"
FRAMES = "the first of several pages or frames is used"


def is_junk(name: str) -> bool:
    """Returns whether a file or folder of this name is none of the user's own, such as `._a.jpg` or `Thumbs.db`."""
    return name.startswith(".") or name.lower() in JUNK


def is_image_name(name: str) -> bool:
    """Returns whether a file of this name is taken for a picture."""
    return not is_junk(name) and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - fast


def describe_no_images(files: Sequence[Path], folder: Path) -> str:
    """Says of files in a folder that they are left out, since their endings are not those of pictures."""
    endings = Counter(file.suffix.lower() or "no ending" for file in files)
    counts = ", ".join(f"{count} {ending}" for ending, count in endings.most_common())
    what = f"{len(files)} files that are not read as pictures" if files[1:] else "1 file that is not read as a picture"
    return f"{what} ({counts}), such as '{files[0].relative_to(folder)}'"


def open_image(image: ImageSource | bytes) -> Image.Image:
    """Opens an image, or raises one of UNREADABLE. Pillow reads the pixels when they are first needed."""
    file = io.BytesIO(encoded_bytes(image)) if isinstance(image, EncodedImage | bytes) else image
    try:
        opened = Image.open(file)
    except UnidentifiedImageError:
        start = encoded_bytes(image)[:16]
        if not start:
            raise OSError("the file is empty") from None
        if start[4:].startswith(HEIC):
            raise OSError("HEIC, which Pillow reads with an extension: pip install pillow-heif") from None
        raise
    if opened.format == "TIFF":  # Pillow maps a file with a name into memory, and garbles it if it is turned
        vars(opened)["filename"] = ""
    return opened


def encoded_bytes(image: ImageSource | bytes) -> bytes:
    """Returns the bytes of an image before they are decoded, or raises one of UNREADABLE."""
    if isinstance(image, bytes):
        return image
    return image.read() if isinstance(image, EncodedImage) else Path(image).read_bytes()


def fingerprint(image: ImageSource) -> str:
    """Returns a text that changes when the image does (size, time, permissions); OSError if there is no file."""
    if isinstance(image, EncodedImage):
        return image.fingerprint
    status = os.stat(image)  # noqa: PTH116 - `Path.stat` takes twice as long, for hundreds of thousands of files
    return f"{status.st_size}\0{status.st_mtime_ns}\0{status.st_mode}"


def absolute_names(images: Sequence[ImageSource]) -> Sequence[str]:
    """Returns files' paths, which do not depend on how they were typed, and the names of other images."""
    with suppress(TypeError):  # not all are texts
        # To ask about each of hundreds of thousands of paths takes longer than to search all of them at once.
        text = "\0".join([*images, ""])  # type: ignore[list-item]
        odd = "//" in text or "/." in text
        if os.sep == "/" and f"\0{text}".count("\0/") == len(images) and not odd:
            return images  # type: ignore[return-value]
    return [
        image.name if isinstance(image, EncodedImage) else os.path.abspath(image)  # noqa: PTH100 - as fast as it gets
        for image in images
    ]


def reason(error: Exception) -> str:
    """Returns why an image cannot be read, in one line and without the image's name."""
    if isinstance(error, UnidentifiedImageError):  # its message names an object in memory
        return "no image, or one of an unknown format"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()).rstrip(".") or type(error).__name__


@dataclass(frozen=True, slots=True)
class Region:
    """The part of an upright image that fills a square.

    Attributes:
        box: left, top, right and bottom edge of the part, in pixels.
        padded: whether the part keeps its shape and is padded to a square; otherwise it is stretched to one.
        note: a remark for the user.
    """

    box: Box
    padded: bool = False
    note: str = ""

    def box_in_square(self, side: int) -> Box:
        """Returns the edges of the part in the square of `side` pixels."""
        if not self.padded:
            return 0, 0, side, side
        size = self.box[2] - self.box[0], self.box[3] - self.box[1]
        width, height = (max(1, round(side * length / max(size))) for length in size)
        left, top = (side - width) // 2, (side - height) // 2
        return left, top, left + width, top + height


@dataclass(frozen=True)
class PictureOptions:
    """How images become upright squares in RGB.

    Attributes:
        crop_size: side of the centre crop in pixels. None means the image's short side, as does a larger size than that.
        fit: "crop" keeps a square, "squeeze" and "pad" keep the whole image; see `Dataset.fit`.
        background: the colour under transparent pixels and around padded images, as Pillow names colours.
        grey_range: the values of grey images of more than 8 bits that become black and white. None is found from `images`.
        images: all images of the set, for its range of grey; if there are none, an image's own values count.
    """

    crop_size: int | None = None
    fit: Fit = "crop"
    background: str = "white"
    grey_range: Range | None = None
    images: Sequence[ImageSource] = field(default=(), compare=False, repr=False)
    _found: list[Range] = field(default_factory=list, compare=False, repr=False)
    _searching: Lock = field(default_factory=Lock, compare=False, repr=False)

    @classmethod
    def of(cls, dataset: Dataset, images: Sequence[ImageSource] = ()) -> PictureOptions:
        """Returns the options of a dataset with these images."""
        grey = tuple(dataset.grey_range) if dataset.grey_range else None
        return cls(dataset.crop_size, dataset.fit, dataset.background, grey, images)  # type: ignore[arg-type]

    def square(self, image: Image.Image, side: int, crop: Crop | None = None) -> tuple[Image.Image, str]:
        """Returns an image of any size and mode as a square of `side` pixels, and notes for the user, which may be empty.

        Args:
            image: the image.
            side: in pixels.
            crop: finds a better part than the centre crop, or None.
        """
        notes = []
        if is_deep(image):
            low, high = self._range_for(image)
            notes.append(
                GREYS.format(low, *(("white", high, "black") if _white_is_zero(image) else ("black", high, "white")))
            )
        if image.format != "MPO" and getattr(image, "is_animated", False):
            notes.append(FRAMES)
        if image.mode in {"RGB", "RGBA"} and ";16" in str(getattr(image, "tile", "")):
            notes.append(LOST_BITS)
        picture = self.upright(image)
        region = self.region(picture, crop)
        square = self.cut(picture, region, side)
        if np.ptp(np.asarray(square)) < FLATTEST:
            notes.append(FLAT)
        return square, "; ".join([*notes, *filter(None, [region.note])])

    def upright(self, image: Image.Image) -> Image.Image:
        """Returns an image of any mode in RGB, on the background, turned as its EXIF data says."""
        if is_deep(image):
            image = _eight_bits(image, self._range_for(image))
        return _without_transparency(ImageOps.exif_transpose(image), self.background)

    def region(self, image: Image.Image, crop: Crop | None = None) -> Region:
        """Returns the part of an upright RGB image to keep; arguments as for `square`."""
        square = crop.find(image) if crop else None
        if square is None:
            return self.usual_region(image.size)
        return Region((square.left, square.top, square.left + square.side, square.top + square.side), note=square.note)

    def usual_region(self, size: tuple[int, int]) -> Region:
        """Returns the part to keep of an image of this size without a crop of its own."""
        if self.fit != "crop":
            return Region((0, 0, *size), padded=self.fit == "pad")
        square = Square.centred(size, self.crop_size)
        box = square.left, square.top, square.left + square.side, square.top + square.side
        if self.crop_size is None:
            return Region(box, note=LONG if 2 * min(size) < max(size) else "")
        return Region(box, note=SMALL if 2 * self.crop_size < min(size) else "")

    def cut(self, image: Image.Image, region: Region, side: int) -> Image.Image:
        """Returns a region of an upright RGB image as a square of `side` pixels."""
        left, top, right, bottom = region.box_in_square(side)
        # The filter of `resize(box=…)` would use pixels outside the box.
        part = image.crop(region.box).resize((right - left, bottom - top), Image.Resampling.BILINEAR)
        if not region.padded:
            return part
        square = Image.new("RGB", (side, side), self.background)
        square.paste(part, (left, top))
        return square

    def settle(self, notes: Iterable[str]) -> None:
        """Takes the set's range of grey from the notes of its decoded images, so that it need not be searched again."""
        found = noted_range(notes)
        if found:
            self._found[:] = [found]

    def _range_for(self, image: Image.Image) -> Range:
        if self.grey_range:
            return self.grey_range
        if not self.images:
            return _enclosing_range([_extremes(image)])
        with self._searching:
            if not self._found:
                self._found.append(_range_of_set(self.images))
        return self._found[0]


def prepare(
    image: Image.Image, image_size: int, options: PictureOptions | None = None, crop: Crop | None = None
) -> Image.Image:
    """Returns the image upright, in RGB, cropped to a square and resized; see `PictureOptions.square`."""
    return (options or PictureOptions()).square(image, image_size, crop)[0]


def noted_range(notes: Iterable[str]) -> Range | None:
    """Returns the range of grey that notes about images name, or None."""
    found = next(filter(None, map(_GREYS.match, set(notes))), None)
    return (float(found[1]), float(found[2])) if found else None


def is_deep(image: Image.Image) -> bool:
    """Returns whether an image is grey with more than 8 bits."""
    return image.mode == "F" or image.mode.startswith("I")


def needs_options(source: ImageSource) -> bool:
    """Returns whether an image has transparency or deep greys, which versions before 0.2 decoded in another way."""
    try:
        with open_image(source) as image:
            return is_deep(image) or bool(image.has_transparency_data)
    except UNREADABLE:
        return False


def _without_transparency(image: Image.Image, background: str) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    if image.mode == "La":  # premultiplied
        image = image.convert("LA")
    canvas = Image.new("RGBA", image.size, background)
    canvas.alpha_composite(image.convert("RGBA"))
    return canvas.convert("RGB")


def _eight_bits(image: Image.Image, values: Range) -> Image.Image:
    """Returns a deep grey image in 256 greys: whole numbers lose their last bits, other values are cut to 256 levels."""
    low, high = values
    levels = 256 / (high - low + (high >= 255))
    numbers = _numbers(image)
    pixels = np.nan_to_num(numbers.astype(np.float64), nan=low, posinf=high, neginf=low)
    pixels = ((pixels - low) * levels).clip(0, 255).astype(np.uint8)
    grey = Image.fromarray(255 - pixels if _white_is_zero(image) else pixels)
    if isinstance(image.info.get("transparency"), int):
        grey.putalpha(Image.fromarray(numbers != image.info["transparency"]).convert("L"))
    grey.getexif()[ExifTags.Base.Orientation] = image.getexif().get(ExifTags.Base.Orientation, 1)
    return grey


def _white_is_zero(image: Image.Image) -> bool:
    return bool(getattr(image, "tag_v2", {}).get(ExifTags.Base.PhotometricInterpretation) == 0)


def _numbers(image: Image.Image) -> NDArray[Any]:
    """Returns the values of a deep grey image. Pillow reads numbers of 32 bits without a sign as numbers with a sign."""
    tags, pixels = getattr(image, "tag_v2", {}), np.asarray(image)
    unsigned = tags.get(ExifTags.Base.BitsPerSample) == (32,) and tags.get(ExifTags.Base.SampleFormat, (1,)) == (1,)
    return pixels.view(np.uint32) if unsigned else pixels


def _range_of_set(images: Sequence[ImageSource]) -> Range:
    def read(source: ImageSource) -> Range | None:
        try:
            with open_image(source) as image:
                return _extremes(image) if is_deep(image) else None
        except UNREADABLE:
            return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        starts = range(0, len(images), 1024)
        found = [one for start in starts for one in pool.map(read, images[start : start + 1024])]
    return _enclosing_range([one for one in found if one])


def _extremes(image: Image.Image) -> Range:
    """Returns the least and largest value; of a PGM, which Pillow scales as the file says, all that there can be."""
    if image.format == "PPM" and image.mode != "F":
        return 0, 65535
    pixels = _numbers(image)
    pixels = pixels[np.isfinite(pixels)]
    return (float(pixels.min()), float(pixels.max())) if pixels.size else (0, 0)


def _enclosing_range(extremes: Sequence[Range]) -> Range:
    """Returns 0 to 1, or 0 to the largest number of 8 to 16 bits, if all values lie in there, or else the extremes."""
    low, high = min(low for low, _ in extremes), max(high for _, high in extremes)
    if low < 0 or high > 65535:
        return low, max(high, low + 1)
    return 0, next(top for top in (1, *(2**bits - 1 for bits in range(8, 17))) if high <= top)
