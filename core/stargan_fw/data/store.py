"""Decoded images in one Arrow file, which `datasets.Dataset.from_file` reads too."""

from __future__ import annotations

import os
import weakref
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

ROWS = 1024  # images per record batch, the last of which may have fewer
BATCH_BYTES = 2**30  # large images make batches of fewer: Arrow counts a batch's bytes in 31 bits
DECODER = 2  # version 1 misread some deep greys and turned TIFF files
FIELDS = [("image", pa.binary()), ("error", pa.string()), ("note", pa.string())]
SCHEMA = pa.schema(FIELDS, {"decoder": str(DECODER)})


class Store:
    """Numbered images of one size.

    The file is mapped into memory once, to find its images. They are read from the file and not from the map: mapped
    pages count as this process's memory, and shuffled reading would soon map the whole file.

    Attributes:
        path: the file.
        image_size: side in pixels.
        errors: image number → why the image could not be read when the store was made; such an image is black.
        notes: image number → note about its crop.
        decoder: the version of the code that decoded the images.
    """

    def __init__(self, path: Path, image_size: int) -> None:
        self.image_size = image_size
        with pa.memory_map(str(path)) as source:
            start = source.read_buffer(1).address
            source.seek(0)
            reader = pa.ipc.open_stream(source)
            self.decoder = int((reader.schema.metadata or {}).get(b"decoder", 1))
            batches = list(reader)
            self._starts = [_first_byte(batch.column("image")) - start for batch in batches]
        self._count = sum(batch.num_rows for batch in batches)
        self.errors, self.notes = dict(_texts(batches, "error")), dict(_texts(batches, "note"))
        self._rows = _rows_per_batch(image_size**2 * 3)
        self.path, self._file, self._seeking = path, path.open("rb", buffering=0), Lock()
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return int(self._count)

    def read(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Returns images as a new uint8 array of shape (B, H, W, 3)."""
        images = np.empty((len(indices), self.image_size**2 * 3), dtype=np.uint8)
        size = images.shape[1]
        for image, index in zip(images, np.asarray(indices).tolist(), strict=True):
            batch, row = divmod(index, self._rows)
            if self._read_at(image.data, self._starts[batch] + row * size) != size:
                raise OSError(f"'{self.path}' has become shorter. Remove it: the next start makes it again.")
        return images.reshape(-1, self.image_size, self.image_size, 3)

    def _read_at(self, buffer: memoryview, position: int) -> int:
        """Reads bytes from the position on into the buffer, and returns their number."""
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [buffer], position)
        with self._seeking:  # Windows cannot read without moving the file's position, which threads share
            self._file.seek(position)
            return self._file.readinto(buffer) or 0


def _rows_per_batch(image_bytes: int) -> int:
    return max(1, min(ROWS, BATCH_BYTES // image_bytes))


def _first_byte(column: pa.Array) -> int:
    """Returns the address of the column's first image."""
    _, offsets, values = column.buffers()
    return int(values.address) + int(np.frombuffer(offsets, dtype=np.int32)[column.offset])


def _texts(batches: Iterable[pa.RecordBatch], column: str) -> Iterable[tuple[int, str]]:
    number = 0
    for batch in batches:
        texts = batch.column(column)
        if texts.null_count < len(texts):
            yield from ((number + row, text) for row, text in enumerate(texts.to_pylist()) if text is not None)
        number += len(texts)


def write_store(
    path: Path,
    images: Iterable[bytes],
    errors: Mapping[int, str] = MappingProxyType({}),
    notes: Mapping[int, str] = MappingProxyType({}),
) -> None:
    """Writes a store.

    Args:
        path: the file.
        images: each image's H·W·3 bytes, row by row, RGB.
        errors: image number → why it cannot be read. An image's error may be added until the image is yielded.
        notes: image number → note about its crop, added in the same way.
    """
    with path.open("wb") as sink, pa.ipc.new_stream(sink, SCHEMA) as writer:
        first, rows = 0, list[bytes]()
        for image in images:
            rows.append(image)
            if len(rows) == _rows_per_batch(len(image)):
                writer.write_batch(_batch(rows, first, errors, notes))
                first, rows = first + len(rows), []
        if rows:
            writer.write_batch(_batch(rows, first, errors, notes))


def _batch(rows: list[bytes], first: int, *texts: Mapping[int, str]) -> pa.RecordBatch:
    columns = [pa.array([text.get(first + row) for row in range(len(rows))], pa.string()) for text in texts]
    return pa.record_batch([pa.array(rows, pa.binary()), *columns], schema=SCHEMA)
