"""Decoded images in one Arrow file, which `datasets.Dataset.from_file` reads too."""

from __future__ import annotations

import os
import weakref
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

ROWS = 1024  # images of a record batch: every batch but the last holds as many
BATCH_BYTES = 2**30  # of large images fewer make a batch, whose bytes Arrow counts in 31 bits
SCHEMA = pa.schema([("image", pa.binary()), ("error", pa.string()), ("note", pa.string())])


class Store:
    """Images of one size, by number.

    The file is mapped once, to learn where its images are. They are read through the file and not through the map: a
    mapped page counts as this process's memory, and shuffled reading would soon map the whole file.

    Attributes:
        path: the file.
        image_size: side in pixels.
        errors: why an image could not be read when the store was made, by number; such an image is black.
        notes: what was noted about an image's crop, by number.
    """

    def __init__(self, path: Path, image_size: int) -> None:
        """Opens the file; no image is read until it is asked for."""
        self.image_size = image_size
        with pa.memory_map(str(path)) as source:
            start = source.read_buffer(1).address
            source.seek(0)
            batches = list(pa.ipc.open_stream(source))
            self._starts = [_first_byte(batch.column("image")) - start for batch in batches]
        self._count = sum(batch.num_rows for batch in batches)
        self.errors, self.notes = dict(_texts(batches, "error")), dict(_texts(batches, "note"))
        self._rows = _rows(image_size**2 * 3)
        self.path, self._file, self._turn = path, path.open("rb", buffering=0), Lock()
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return int(self._count)

    def read(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Returns the images of `indices` as a new (B, H, W, 3) array of 0 to 255."""
        images = np.empty((len(indices), self.image_size**2 * 3), dtype=np.uint8)
        size = images.shape[1]
        for image, index in zip(images, np.asarray(indices).tolist(), strict=True):
            batch, row = divmod(index, self._rows)
            if self._read_at(image.data, self._starts[batch] + row * size) != size:
                raise OSError(f"'{self.path}' has become shorter. Remove it: the next start makes it again.")
        return images.reshape(-1, self.image_size, self.image_size, 3)

    def _read_at(self, buffer: memoryview, position: int) -> int:
        """Fills the buffer from the position on and returns how many bytes there were."""
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [buffer], position)
        with self._turn:  # Windows has no reading that leaves the file's one position alone
            self._file.seek(position)
            return self._file.readinto(buffer) or 0


def _rows(image_bytes: int) -> int:
    """Returns how many images make a record batch."""
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
    errors: Mapping[int, str] | None = None,
    notes: Mapping[int, str] | None = None,
) -> None:
    """Writes a store.

    Args:
        path: the file.
        images: H·W·3 bytes each, row by row, RGB.
        errors: why an image is missing, by number; may grow until that image has come.
        notes: what is to be known about an image, by number; likewise.
    """
    texts = ({} if errors is None else errors, {} if notes is None else notes)
    with path.open("wb") as sink, pa.ipc.new_stream(sink, SCHEMA) as writer:
        first, rows = 0, list[bytes]()
        for image in images:
            rows.append(image)
            if len(rows) == _rows(len(image)):
                writer.write_batch(_batch(rows, first, *texts))
                first, rows = first + len(rows), []
        if rows:
            writer.write_batch(_batch(rows, first, *texts))


def _batch(rows: list[bytes], first: int, *texts: Mapping[int, str]) -> pa.RecordBatch:
    columns = [pa.array([text.get(first + row) for row in range(len(rows))], pa.string()) for text in texts]
    return pa.record_batch([pa.array(rows, pa.binary()), *columns], schema=SCHEMA)
