"""Decodes, crops and resizes every image once."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import numpy as np
from PIL import Image, ImageOps

from stargan_fw.data.cache import check_space, make_folder, partial_path, remove_stale_partials
from stargan_fw.data.images import UNREADABLE, fingerprint, open_image, reason
from stargan_fw.data.store import Store, write_store
from stargan_fw.errors import DataError
from stargan_fw.interfaces.dataset import EncodedImage

FORMAT = "3"  # changes when the same files would give other bytes

BadImages: TypeAlias = Literal["error", "skip"]
T = TypeVar("T")
R = TypeVar("R")


def prepare(image: Image.Image, image_size: int, crop_size: int | None) -> Image.Image:
    """Returns the image upright, in RGB, cropped to a centred square and resized.

    Args:
        image: of any size and mode.
        image_size: side of the result in pixels.
        crop_size: side of the crop in pixels; None, or more than the image has, is its short side.
    """
    image = rgb(ImageOps.exif_transpose(image))
    side = min(crop_size or min(image.size), *image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    # Not `resize(box=…)`, whose filter reaches for pixels outside of the box.
    cropped = image.crop((left, top, left + side, top + side))
    return cropped.resize((image_size, image_size), Image.Resampling.BILINEAR)


def rgb(image: Image.Image) -> Image.Image:
    """Returns an image of any mode in RGB."""
    if image.mode.startswith("I;16"):  # which `convert` would clip to 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode == "P":  # which `convert` warns about where it has transparency
        image = image.convert("RGBA")
    return image.convert("RGB")


def ingest(
    name: str,
    images: Sequence[Path | EncodedImage],
    *,
    image_size: int,
    crop_size: int | None,
    cache: Path,
    on_bad_image: BadImages = "error",
    progress: Callable[[Iterable[bytes]], Iterable[bytes]] = lambda images: images,
) -> Store:
    """Returns the store of these images, decoding them unless an earlier call did.

    The store is one file that appears whole or not at all, named after everything that it depends on. Processes that
    make the same one at once each write a file of their own, and the last to finish puts the same bytes in its place.

    Args:
        name: of the dataset, for the file's name.
        images: in order.
        image_size: side in pixels.
        crop_size: as `prepare` takes it.
        cache: the folder of stores.
        on_bad_image: "error" refuses images that cannot be read; "skip" lists them in the store's `errors`.
        progress: wraps the images as they are decoded.

    Raises:
        DataError: an image cannot be read, the folder cannot be made, or the disk is too small.
    """
    path = cache / f"{name}-{image_size}px-{_fingerprint(images, image_size, crop_size, on_bad_image)}.arrow"
    if not path.exists():
        check_space(cache, store_bytes(len(images), image_size))
        make_folder(cache)
        remove_stale_partials(cache)
        errors: dict[int, str] | None = {} if on_bad_image == "skip" else None
        partial = partial_path(path)
        try:
            write_store(partial, progress(_decoded(images, image_size, crop_size, errors)), errors)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    store = Store(path, image_size)
    if store.errors and on_bad_image == "error":
        number, why = next(iter(store.errors.items()))
        raise _bad_image(images[number], why)
    return store


def store_bytes(count: int, image_size: int) -> int:
    """Returns how large a store is, but for a few bytes an image."""
    return count * image_size**2 * 3


def _decoded(
    images: Sequence[Path | EncodedImage], image_size: int, crop_size: int | None, errors: dict[int, str] | None
) -> Iterator[bytes]:
    """Yields the images in order; notes why one cannot be read before its blank is yielded, or raises without a book."""

    def decode(source: Path | EncodedImage) -> bytes | str:
        try:
            with open_image(source) as image:
                return prepare(image, image_size, crop_size).tobytes()
        except UNREADABLE as error:
            return reason(error)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, decoded in enumerate(in_order(pool, decode, images)):
            if isinstance(decoded, bytes):
                yield decoded
                continue
            if errors is None:
                raise _bad_image(images[number], decoded)
            errors[number] = decoded
            yield bytes(store_bytes(1, image_size))


def _bad_image(source: Path | EncodedImage, why: str) -> DataError:
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


def _fingerprint(
    images: Sequence[Path | EncodedImage], image_size: int, crop_size: int | None, on_bad_image: BadImages
) -> str:
    digest = hashlib.sha256(f"{FORMAT} {image_size} {crop_size}".encode())
    for image in images:
        try:
            line = fingerprint(image)
        except OSError as error:
            if on_bad_image == "error":
                raise _bad_image(image, reason(error)) from None
            line = f"{image}\0{reason(error)}"
        digest.update(f"{line}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]
