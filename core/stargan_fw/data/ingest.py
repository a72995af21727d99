"""Decodes, crops and resizes every image once."""

import hashlib
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from stargan_fw.data.cache import check_space, only_maker
from stargan_fw.data.images import UNREADABLE, crop_and_resize, fingerprint, open_image, reason
from stargan_fw.data.store import Store, write_store
from stargan_fw.errors import DataError
from stargan_fw.files import replacing
from stargan_fw.interfaces.dataset import Crop, ImageSource

FORMAT = "4"  # changes when the same files would give other bytes

BadImages: TypeAlias = Literal["error", "skip"]
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Framing:
    """How every image of a dataset becomes a square of one size.

    Attributes:
        image_size: side in pixels.
        crop_size: side in pixels of the centre crop; None is the short side.
        crops: an image's own crop, by number; empty where none has one.
        maker: the plugin and its version, for the store's fingerprint.
    """

    image_size: int
    crop_size: int | None = None
    crops: Sequence[Crop | None] = ()
    maker: str = ""

    def crop(self, number: int) -> Crop | None:
        """Returns an image's own crop."""
        return self.crops[number] if self.crops else None


@dataclass(frozen=True)
class Ingestion:
    """The decoding of one dataset's images, unless an earlier one did it.

    The store is one file that appears whole or not at all, named after everything that it depends on. If several
    processes need the same one at once, the first makes it and the others wait.

    Attributes:
        name: of the dataset, for the file's name.
        images: in order.
        framing: how they are cropped and resized.
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
        """Where the store is or will be.

        Raises:
            DataError: an image is missing, unless such images are skipped.
        """
        digest = _fingerprint(self.images, self.framing, self.on_bad_image)
        return self.cache / f"{self.name}-{self.framing.image_size}px-{digest}.arrow"

    @property
    def needed(self) -> int:
        """How many bytes it will write."""
        return 0 if self.path.exists() else store_bytes(len(self.images), self.framing.image_size)

    def run(self, progress: Callable[[Iterable[bytes]], Iterable[bytes]] = lambda images: images) -> Store:
        """Returns the store.

        Args:
            progress: wraps the images as they are decoded.

        Raises:
            DataError: an image cannot be read, the folder cannot be made, or the disk is too small.
        """
        if not self.path.exists():
            with only_maker(self.path):
                if not self.path.exists():
                    check_space(self.cache, self.needed)
                    self._write(progress)
        store = Store(self.path, self.framing.image_size)
        if store.errors and self.on_bad_image == "error":
            number, why = next(iter(store.errors.items()))
            raise _bad_image(self.images[number], why)
        return store

    def _write(self, progress: Callable[[Iterable[bytes]], Iterable[bytes]]) -> None:
        errors: dict[int, str] | None = {} if self.on_bad_image == "skip" else None
        notes: dict[int, str] = {}
        with replacing(self.path, flush=True) as partial:
            write_store(partial, progress(_decoded(self.images, self.framing, errors, notes)), errors, notes)


def store_bytes(count: int, image_size: int) -> int:
    """Returns how large a store is, but for a few bytes an image."""
    return count * image_size**2 * 3


def _decoded(
    images: Sequence[ImageSource], framing: Framing, errors: dict[int, str] | None, notes: dict[int, str]
) -> Iterator[bytes]:
    """Yields the images in order; notes why one cannot be read before its blank is yielded, or raises without a book."""

    def decode(number: int) -> tuple[bytes | None, str]:
        try:
            with open_image(images[number]) as image:
                square, note = crop_and_resize(image, framing.image_size, framing.crop_size, framing.crop(number))
                return square.tobytes(), note
        except UNREADABLE as error:
            return None, reason(error)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, (pixels, said) in enumerate(in_order(pool, decode, range(len(images)))):
            if pixels is None:
                if errors is None:
                    raise _bad_image(images[number], said)
                errors[number] = said
            elif said:
                notes[number] = said
            yield bytes(store_bytes(1, framing.image_size)) if pixels is None else pixels


def _bad_image(source: ImageSource, why: str) -> DataError:
    return DataError(
        f"The image '{source}' cannot be read: {why}. "
        'Replace it or take it out, or leave such images out with on_bad_image = "skip" of its dataset.'
    )


def in_order(pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T], ahead: int = 64) -> Iterator[R]:
    """Yields results in order with at most `ahead` of them waiting: `Executor.map` would take in everything at once."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) == ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _fingerprint(images: Sequence[ImageSource], framing: Framing, on_bad_image: BadImages) -> str:
    digest = hashlib.sha256(f"{FORMAT} {framing.image_size} {framing.crop_size} {framing.maker}".encode())
    for image, crop in zip(images, framing.crops or itertools.repeat(None), strict=False):
        try:
            line = fingerprint(image)
        except OSError as error:
            if on_bad_image == "error":
                raise _bad_image(image, reason(error)) from None
            line = f"{image}\0{reason(error)}"
        digest.update(f"{line}\0{crop!r}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]
