"""Decoded images in one memory-mapped Arrow file, which `datasets.Dataset.from_file` reads too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

ROWS = 1024  # images of a record batch: every batch but the last holds as many
BATCH_BYTES = 2**30  # of large images fewer make a batch, whose bytes Arrow counts in 31 bits


class Store:
    """Images of one size, by number.

    Attributes:
        image_size: side in pixels.
    """

    def __init__(self, path: Path, image_size: int) -> None:
        """Maps the file; nothing is read until it is asked for."""
        self.image_size = image_size
        with pa.memory_map(str(path)) as source:
            self._table = pa.ipc.open_stream(source).read_all()
        self._rows = _rows(image_size**2 * 3)
        shape = (-1, image_size, image_size, 3)
        self._chunks = [_bytes_of(chunk).reshape(shape) for chunk in self._table.column("image").chunks]

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def read(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Returns the images of `indices` as a new (B, H, W, 3) array of 0 to 255."""
        images = np.empty((len(indices), self.image_size, self.image_size, 3), dtype=np.uint8)
        for row, index in enumerate(indices):
            images[row] = self._chunks[index // self._rows][index % self._rows]
        return images


def _rows(image_bytes: int) -> int:
    """Returns how many images make a record batch."""
    return max(1, min(ROWS, BATCH_BYTES // image_bytes))


def _bytes_of(chunk: pa.Array) -> NDArray[np.uint8]:
    _, offsets, values = chunk.buffers()
    start, stop = np.frombuffer(offsets, dtype=np.int32)[[chunk.offset, chunk.offset + len(chunk)]]
    return np.frombuffer(values, dtype=np.uint8)[start:stop]


def write_store(path: Path, images: Iterable[bytes]) -> None:
    """Writes a store; each image is H·W·3 bytes, row by row, RGB."""
    schema = pa.schema([("image", pa.binary())])
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        rows: list[bytes] = []
        for image in images:
            rows.append(image)
            if len(rows) == _rows(len(image)):
                writer.write_batch(pa.record_batch([pa.array(rows, pa.binary())], schema=schema))
                rows = []
        if rows:
            writer.write_batch(pa.record_batch([pa.array(rows, pa.binary())], schema=schema))
