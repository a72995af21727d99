"""Decodes, crops and resizes every image once."""

import hashlib
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps

from stargan_fw.data.images import UNREADABLE, fingerprint, open_image
from stargan_fw.data.store import Store, write_store
from stargan_fw.errors import DataError
from stargan_fw.interfaces.dataset import EncodedImage

FORMAT = "2"  # changes when the same files would give other bytes

T = TypeVar("T")
R = TypeVar("R")


def prepare(image: Image.Image, image_size: int, crop_size: int | None) -> Image.Image:
    """Returns the image upright, in RGB, cropped to a centred square and resized.

    Args:
        image: of any size and mode.
        image_size: side of the result in pixels.
        crop_size: side of the crop in pixels; None, or more than the image has, is its short side.
    """
    image = _rgb(ImageOps.exif_transpose(image))
    side = min(crop_size or min(image.size), *image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    # Not `resize(box=…)`, whose filter reaches for pixels outside of the box.
    cropped = image.crop((left, top, left + side, top + side))
    return cropped.resize((image_size, image_size), Image.Resampling.BILINEAR)


def _rgb(image: Image.Image) -> Image.Image:
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
    progress: Callable[[Iterable[bytes]], Iterable[bytes]] = lambda images: images,
) -> Store:
    """Returns the store of these images, decoding them unless an earlier call did.

    The store is one file that appears whole or not at all, named after everything that it depends on.

    Args:
        name: of the dataset, for the file's name.
        images: in order.
        image_size: side in pixels.
        crop_size: as `prepare` takes it.
        cache: the folder of stores.
        progress: wraps the images as they are decoded.

    Raises:
        DataError: an image cannot be read, the folder cannot be made, or the disk is too small.
    """
    path = cache / f"{name}-{image_size}px-{_fingerprint(images, image_size, crop_size)}.arrow"
    if not path.exists():
        _check_space(cache, len(images) * image_size**2 * 3)
        _make_folder(cache)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            write_store(partial, progress(_decoded(images, image_size, crop_size)))
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return Store(path, image_size)


def _decoded(images: Sequence[Path | EncodedImage], image_size: int, crop_size: int | None) -> Iterator[bytes]:
    def decode(source: Path | EncodedImage) -> bytes:
        try:
            with open_image(source) as image:
                return prepare(image, image_size, crop_size).tobytes()
        except UNREADABLE as error:
            raise DataError(f"The image '{source}' cannot be read: {error}. Replace it or take it out.") from None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from _ordered(pool, decode, images)


def _ordered(pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T], ahead: int = 64) -> Iterator[R]:
    """Yields results in order with at most `ahead` of them waiting: `Executor.map` would take in everything at once."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) == ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _fingerprint(images: Sequence[Path | EncodedImage], image_size: int, crop_size: int | None) -> str:
    digest = hashlib.sha256(f"{FORMAT} {image_size} {crop_size}".encode())
    for image in images:
        digest.update(f"{fingerprint(image)}\n".encode())
    return digest.hexdigest()[:16]


def _make_folder(cache: Path) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"The folder '{cache}' for decoded images cannot be made: {error.strerror}. "
            "Name another with --set data.cache=FOLDER."
        ) from None


def _check_space(cache: Path, needed: int) -> None:
    existing = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise DataError(
            f"The decoded images need {needed / 1e9:.1f} GB in '{cache}', where {free / 1e9:.1f} GB are free. "
            "Make room, or name another folder with --set data.cache=FOLDER."
        )
