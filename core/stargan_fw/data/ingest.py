"""Decodes, crops and resizes every image once."""

import glob
import hashlib
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from stargan_fw.data.cache import check_space, only_maker
from stargan_fw.data.images import (
    UNREADABLE,
    PictureOptions,
    absolute_names,
    fingerprint,
    needs_options,
    noted_range,
    open_image,
    reason,
)
from stargan_fw.data.store import DECODER, Store, write_store
from stargan_fw.errors import DataError
from stargan_fw.files import replacing
from stargan_fw.interfaces.dataset import Crop, EncodedImage, ImageSource

# Changes when the same files would become other bytes. Stores of the earlier format are right if no image has
# transparency or deep greys.
FORMAT, EARLIER_FORMAT = "5", "4"

READ_WHEN_REFUSED = 1000  # images
LINES = 1000  # hashed together, which takes a third less time than one by one

BadImages: TypeAlias = Literal["error", "skip"]
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Framing:
    """How every image of a dataset becomes a square of one size.

    Attributes:
        image_size: side of the square in pixels.
        options: how images of every shape and mode become squares in RGB.
        crops: each image's own crop, or empty if no image has one.
        maker: the plugin and its version, for the store's fingerprint.
    """

    image_size: int
    options: PictureOptions = field(default_factory=PictureOptions)
    crops: Sequence[Crop | None] = ()
    maker: str = ""


@dataclass(frozen=True)
class Ingestion:
    """Decodes one dataset's images into a store, unless an earlier ingestion did.

    The store is one file that appears whole or not at all. Its name depends on everything that its content depends on.
    If several processes need the same store at once, the first makes it and the others wait.

    Attributes:
        name: the dataset's name, for the file's name.
        images: the images in order.
        framing: how the images are cropped and resized.
        cache: the folder of stores.
        on_bad_image: "error" refuses images that cannot be read; "skip" lists them in the store's `errors`.
    """

    name: str
    images: Sequence[ImageSource]
    framing: Framing
    cache: Path
    on_bad_image: BadImages = "error"

    @cached_property
    def path(self) -> Path:
        """The store's path, whether or not the file exists; DataError if an image is missing and none may be skipped."""
        path = self._path_by(absolute_names)
        if path.exists() or not self.cache.is_dir() or not any(self.cache.glob(f"{glob.escape(self.name)}-*.arrow")):
            return path
        return self._adopt_earlier(path)

    def _adopt_earlier(self, path: Path) -> Path:
        """Returns `path` with the store of an earlier version, if that is still right, or the earlier path if it must stay."""
        # Such stores know no option but `crop_size`. Some are named after the images' paths as they were typed.
        if replace(self.framing.options, crop_size=None) != PictureOptions():
            return path
        candidates = (self._path_by(names, EARLIER_FORMAT) for names in (absolute_names, _names_as_typed))
        earlier = next((candidate for candidate in candidates if candidate.exists()), None)
        if earlier is None or self._has_changed_images():
            return path
        try:
            return earlier.replace(path)
        except OSError:
            return earlier

    def _has_changed_images(self) -> bool:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return any(in_order(pool, needs_options, self.images))

    def _path_by(self, names: Callable[[Sequence[ImageSource]], Sequence[str]], version: str = FORMAT) -> Path:
        framing, options = self.framing, self.framing.options
        missing: dict[ImageSource, str] = {}
        last, shown = None, repr(None)
        digest = hashlib.sha256(f"{version} {framing.image_size} {options.crop_size} {framing.maker}".encode())
        if version == FORMAT:
            digest.update(f"{options.fit} {options.background} {options.grey_range}\n".encode())
        lines: list[str] = []
        for name, (image, crop) in zip(names(self.images), self._images_and_crops(), strict=True):
            try:
                state = fingerprint(image)
            except OSError as error:
                missing[image] = state = reason(error)
            if crop is not last:
                last, shown = crop, repr(crop)  # slow, and most images of a dataset have the same crop
            lines.append(f"{name}\0{state}\0{shown}\n")
            if len(lines) == LINES:
                digest.update("".join(lines).encode(errors="surrogateescape"))
                lines.clear()
        digest.update("".join(lines).encode(errors="surrogateescape"))
        if missing and self.on_bad_image == "error":
            self._check_readable(missing | self._find_unreadable())
        return self.cache / f"{self.name}-{framing.image_size}px-{digest.hexdigest()[:16]}.arrow"

    @property
    def needed(self) -> int:
        """The number of bytes that `run` will write."""
        return 0 if self.path.exists() else store_bytes(len(self.images), self.framing.image_size)

    def run(self, progress: Callable[[Iterable[bytes]], Iterable[bytes]] = lambda images: images) -> Store:
        """Returns the store.

        Args:
            progress: wraps the images while they are decoded.

        Raises:
            DataError: if an image cannot be read, the folder cannot be made, or the disk is too small.
        """
        if not self._is_made():
            with only_maker(self.path):
                if not self._is_made():
                    check_space(self.cache, self.needed)
                    self._write(progress)
        store = Store(self.path, self.framing.image_size)
        self._check_readable({self.images[number]: why for number, why in store.errors.items()})
        return store

    def _is_made(self) -> bool:
        """Returns whether there is a store, unless an earlier version may have misread its TIFF files or deep greys."""
        if not self.path.exists():
            return False
        store = Store(self.path, self.framing.image_size)
        tiff = (str(getattr(image, "name", image)).lower().endswith((".tif", ".tiff")) for image in self.images)
        return store.decoder == DECODER or not (noted_range(store.notes.values()) or any(tiff))

    def _check_readable(self, errors: Mapping[ImageSource, str]) -> None:
        """Raises DataError, which counts all images that cannot be read, unless they may be left out."""
        if errors and self.on_bad_image == "error":
            raise DataError(describe_unreadable(self.name, errors, len(self.images)))

    def find_problems(self) -> list[str]:
        """Returns what reading the first images shows, once the training is refused anyway, so that all is said at once."""
        errors = self._find_unreadable() if self.on_bad_image == "error" else {}
        return [describe_unreadable(self.name, errors, len(self.images))] if errors else []

    def _find_unreadable(self) -> dict[ImageSource, str]:
        errors: dict[ImageSource, str] = {}
        for source in self.images[:READ_WHEN_REFUSED]:
            try:
                with open_image(source) as image:
                    image.load()
            except UNREADABLE as error:
                errors[source] = reason(error)
        return errors

    def _write(self, progress: Callable[[Iterable[bytes]], Iterable[bytes]]) -> None:
        errors: dict[int, str] = {}
        notes: dict[int, str] = {}
        with replacing(self.path, flush=True) as partial:
            write_store(partial, progress(self._decode(errors, notes)), errors, notes)

    def _decode(self, errors: dict[int, str], notes: dict[int, str]) -> Iterator[bytes]:
        """Yields each image's pixels, black if it cannot be read, and notes errors and crops before that."""
        size, options = self.framing.image_size, self.framing.options

        def decode(image_and_crop: tuple[ImageSource, Crop | None]) -> tuple[bytes | None, str]:
            source, crop = image_and_crop
            try:
                with open_image(source) as image:
                    square, note = options.square(image, size, crop)
                    return square.tobytes(), note
            except UNREADABLE as error:
                return None, reason(error)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for number, (pixels, note) in enumerate(in_order(pool, decode, self._images_and_crops())):
                if pixels is None:
                    errors[number] = note
                elif note:
                    notes[number] = note
                yield bytes(store_bytes(1, size)) if pixels is None else pixels
        self._check_readable({self.images[number]: why for number, why in errors.items()})

    def _images_and_crops(self) -> Iterable[tuple[ImageSource, Crop | None]]:
        return zip(self.images, self.framing.crops or itertools.repeat(None), strict=False)


def _names_as_typed(images: Iterable[ImageSource]) -> list[str]:
    return [image.name if isinstance(image, EncodedImage) else str(image) for image in images]


def store_bytes(count: int, image_size: int) -> int:
    """Returns the size of a store of `count` images, without the few bytes that each image needs besides its pixels."""
    return count * image_size**2 * 3


def describe_unreadable(alias: str, errors: Mapping[ImageSource, str], count: int) -> str:
    """Says which of a dataset's `count` images cannot be read, why, and how they can be left out."""
    named = "; ".join(
        f"'{source}' cannot be read: {why.rstrip('.')}" for source, why in itertools.islice(errors.items(), 3)
    )
    what = f"{len(errors)} of the {count} images of '{alias}': {named}" if len(errors) > 1 else f"The image {named}"
    remedy = f"--set datasets.{alias}.on_bad_image=skip"
    return f"{what}. Replace {'them' if len(errors) > 1 else 'it or take it out'}, or leave such images out: {remedy}"


def in_order(pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T], ahead: int = 64) -> Iterator[R]:
    """Yields results in order with at most `ahead` of them waiting: `Executor.map` would take in everything at once."""
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) == ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:  # nobody asks for them if the caller stops
            future.cancel()
