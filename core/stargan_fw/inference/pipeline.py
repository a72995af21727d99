"""Translates many inputs batch by batch: reads them, finds their current labels, runs the engine."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import torch
from torch import Tensor

from stargan_fw.errors import DataError
from stargan_fw.inference.target_labels import CurrentEdits, CurrentLabels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from stargan_fw.inference.engine import Engine
    from stargan_fw.inference.inputs import ImageInput
    from stargan_fw.inference.target_labels import Current, Target
    from stargan_fw_registry import Edit, LabelSpace


Size: TypeAlias = Literal["model", "original"]


@dataclass(frozen=True, slots=True)
class Translated:
    """One input with its translations.

    Attributes:
        image: the input, which may hold several images.
        before: the squares that the model saw, (n, 3, S, S) in [-1, 1].
        edited: the translations to each target, (n, 3, S, S) in [-1, 1].
    """

    image: ImageInput
    before: Tensor
    edited: tuple[Tensor, ...]

    def input(self, size: Size) -> Any:
        """Returns the squares that the model saw, or the whole original, as the kind of the input."""
        return self.image.output(self.before) if size == "model" else self.image.output_pasted(*[self.before] * 2)

    def results(self, size: Size) -> list[Any]:
        """Returns one translation per target as the kind of the input, pasted into the original if `size` says so."""
        if size == "model":
            return [self.image.output(edited) for edited in self.edited]
        return [self.image.output_pasted(self.before, edited) for edited in self.edited]


class Pipeline:
    """Translates with a model.

    Args:
        space: the model's label space.
        image_size: side of the model's pictures in pixels.
        engine: runs the networks.
        open_classifier: loads the classifier's weights; called before labels are read.
    """

    def __init__(self, space: LabelSpace, image_size: int, engine: Engine, open_classifier: Callable[[], None]) -> None:
        self._space, self._side, self._engine, self._open_classifier = space, image_size, engine, open_classifier

    def run(
        self,
        images: Iterable[ImageInput],
        targets: Sequence[Target],
        *,
        current: Current = None,
        unreadable: Callable[[ImageInput, DataError], None] | None = None,
    ) -> Iterator[list[Translated]]:
        """Yields the translations batch by batch. While the network computes one batch, the next one is read.

        Args:
            images: the inputs; each is read when it is needed.
            targets: the targets that every image is translated to.
            current: the current labels that the caller knows.
            unreadable: called with each input that cannot be read, which is then left out; None raises the error.

        Raises:
            DataError: an input cannot be read.
            LabelError: there are more or fewer current labels than images.
            ModelError: a label is needed and cannot be read, or the method has no way from an image's labels.
        """
        known = CurrentEdits(self._space, current)
        with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
            batches = in_batches(images, self._engine.batch_size, lambda image: image.count)
            for batch in map_batches(batches, self._read, pool):
                rows = []
                for image, squares in batch:
                    edits = known.take(image.count)
                    if isinstance(squares, Tensor):
                        rows.append((image, squares, edits))
                    elif unreadable is None:
                        raise squares
                    else:
                        unreadable(image, squares)
                del batch
                if rows:
                    yield self._translate(rows, targets)
        known.check_end()

    def _read(self, image: ImageInput) -> tuple[ImageInput, Tensor | DataError]:
        try:
            return image, image.square(self._side)
        except DataError as error:
            return image, error

    def _translate(
        self, rows: Sequence[tuple[ImageInput, Tensor, list[tuple[Edit, ...]]]], targets: Sequence[Target]
    ) -> list[Translated]:
        device = rows[0][1].device
        batch = torch.cat([square.to(device) for _, square, _ in rows])
        known = [edit for _, _, edits in rows for edit in edits]
        current = CurrentLabels(self._space, known, partial(self.read_labels, batch))
        counts = [image.count for image, _, _ in rows]
        edited = []
        for target in targets:
            sources = current.of(target)
            wanted = target.labels(self._space, sources)
            edited.append(torch.split(self._engine.translate(batch, wanted, sources), counts))
        return [
            Translated(image, square, tuple(one[number].to(square.device) for one in edited))
            for number, (image, square, _) in enumerate(rows)
        ]

    def read_labels(self, batch: Tensor, dataset: str) -> Tensor:
        """Returns the labels (B, d) of a dataset that the method reads from images; ModelError if it cannot."""
        self._open_classifier()
        return self._engine.read_labels(batch, dataset).cpu()


T = TypeVar("T")
R = TypeVar("R")


def in_batches(items: Iterable[T], size: int, count: Callable[[T], int] = lambda _: 1) -> Iterator[list[T]]:
    """Yields lists of items whose counts add up to at least `size`; the last list may be shorter."""
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if sum(map(count, batch)) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def map_batches(batches: Iterable[list[T]], work: Callable[[T], R], pool: ThreadPoolExecutor) -> Iterator[list[R]]:
    """Yields the results of `work` per batch, in order. The pool works on one batch while the caller has another.

    With `work` that reads, this reads one batch ahead; with `work` that writes, it writes one batch behind. An error of
    `work` is raised in the caller's thread.
    """
    pending: list[Future[R]] = []
    for batch in batches:
        ready = [future.result() for future in pending]
        pending = [pool.submit(work, item) for item in batch]
        if ready:
            yield ready
            del ready  # otherwise this batch would stay in memory while the one after next is read
    if pending:
        yield [future.result() for future in pending]
