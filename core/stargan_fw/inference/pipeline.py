"""From what is given to what is given back: read, label, translate, batch by batch."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeAlias, TypeVar, cast

import torch
from torch import Tensor

from stargan_fw.errors import DataError, LabelError
from stargan_fw.inference.target_labels import CurrentLabels, Target
from stargan_fw_registry import Edit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from stargan_fw.inference.engine import Engine
    from stargan_fw.inference.inputs import Given
    from stargan_fw_registry import LabelSpace


Size: TypeAlias = Literal["model", "original"]
Current: TypeAlias = "str | Edit | Sequence[str | Edit] | None"


@dataclass(frozen=True, slots=True)
class Translated:
    """One thing that was given, with its translations.

    Attributes:
        given: what it was.
        before: (n, 3, S, S) in [-1, 1], the squares that the model saw.
        edited: for each target, (n, 3, S, S) in [-1, 1].
    """

    given: Given
    before: Tensor
    edited: tuple[Tensor, ...]

    def input(self, size: Size) -> Any:
        """Returns what the model saw, or the whole original, as the kind that was given."""
        return self.given.give_back(self.before) if size == "model" else self.given.give_back_pasted(*[self.before] * 2)

    def results(self, size: Size) -> list[Any]:
        """Returns, for each target, what the caller gets: of the model's size, or pasted into the original."""
        if size == "model":
            return [self.given.give_back(edited) for edited in self.edited]
        return [self.given.give_back_pasted(self.before, edited) for edited in self.edited]


class Known:
    """Current labels that the caller gives: one edit for all images, or one for each."""

    def __init__(self, space: LabelSpace, current: Current) -> None:
        """Reads the edits; LabelError where one cannot be read, or turns over what it should say."""
        several = current is not None and not isinstance(current, str | Edit)
        self._everywhere = None if current is None or several else _told(space, cast("str | Edit", current))
        self._each = iter([_told(space, one) for one in cast("Sequence[str | Edit]", current)]) if several else None

    def take(self, count: int) -> list[Edit | None]:
        """Returns what is known of the next images.

        Raises:
            LabelError: there are more images than current labels.
        """
        if self._each is None:
            return [self._everywhere] * count
        taken: list[Edit | None] = list(islice(self._each, count))
        if len(taken) < count:
            raise LabelError("there are more images than current labels: give one for each image, or one for all")
        return taken

    def check_end(self) -> None:
        """Raises LabelError where current labels are left over."""
        if self._each is not None and next(self._each, None) is not None:
            raise LabelError("there are more current labels than images: give one for each image, or one for all")


def _told(space: LabelSpace, current: str | Edit) -> Edit:
    edit = space.resolve(current) if isinstance(current, str) else current
    if edit.flips:
        raise LabelError(f"'{current}' turns '{edit.flips[0]}' over, and does not say what it is: write 0 or 1")
    return edit


class Pipeline:
    """Translates with a model.

    Args:
        space: the label space.
        image_size: side in pixels of what the model takes.
        engine: runs the networks.
        open_classifier: makes the engine able to read labels, where it is not yet.
    """

    def __init__(self, space: LabelSpace, image_size: int, engine: Engine, open_classifier: Callable[[], None]) -> None:
        self._space, self._side, self._engine, self._open_classifier = space, image_size, engine, open_classifier

    def run(
        self,
        images: Iterable[Given],
        targets: Sequence[Target],
        *,
        current: Current = None,
        unreadable: Callable[[Given, DataError], None] | None = None,
    ) -> Iterator[list[Translated]]:
        """Yields the translations batch by batch; while one is in the network the next is read, and no further one.

        Args:
            images: taken as they are needed.
            targets: what every image is translated to.
            current: current labels that are known.
            unreadable: called with what cannot be read, which is then left out; None raises.
        """
        known = Known(self._space, current)
        with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
            batches = in_batches(images, self._engine.batch_size, lambda image: image.count)
            for batch in read_ahead(batches, self._read, pool):
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
                    yield self._translated(rows, targets)
        known.check_end()

    def _read(self, image: Given) -> tuple[Given, Tensor | DataError]:
        try:
            return image, image.square(self._side)
        except DataError as error:
            return image, error

    def _translated(
        self, rows: Sequence[tuple[Given, Tensor, list[Edit | None]]], targets: Sequence[Target]
    ) -> list[Translated]:
        place = rows[0][1].device
        batch = torch.cat([square.to(place) for _, square, _ in rows])
        known = [edit for _, _, edits in rows for edit in edits]
        current = CurrentLabels(self._space, known, partial(self._classify, batch))
        counts = [image.count for image, _, _ in rows]
        edited = [torch.split(self._edited(batch, target, current), counts) for target in targets]
        return [
            Translated(image, square, tuple(one[number].to(square.device) for one in edited))
            for number, (image, square, _) in enumerate(rows)
        ]

    def _edited(self, batch: Tensor, target: Target, current: CurrentLabels) -> Tensor:
        source, dataset = current.of(target), target.edit.dataset
        wanted = target.labels(self._space, source)
        return self._engine.translate(batch, dataset, wanted, source)

    def _classify(self, batch: Tensor, dataset: str) -> Tensor:
        self._open_classifier()
        return self._engine.read_labels(batch, dataset).cpu()


T = TypeVar("T")
R = TypeVar("R")


def in_batches(items: Iterable[T], size: int, count: Callable[[T], int] = lambda _: 1) -> Iterator[list[T]]:
    """Yields items in lists that `count` to at least `size`, but for the last one."""
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if sum(map(count, batch)) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def read_ahead(batches: Iterable[list[T]], read: Callable[[T], R], pool: ThreadPoolExecutor) -> Iterator[list[R]]:
    """Yields what `read` makes of each batch's items, in order, while the pool reads the next batch and no further."""
    coming: list[Future[R]] = []
    for batch in batches:
        ready = [future.result() for future in coming]
        coming = [pool.submit(read, item) for item in batch]
        if ready:
            yield ready
            del ready  # or it would still be held while the batch after next is read
    if coming:
        yield [future.result() for future in coming]


class WriteBehind(Generic[R]):
    """Writes a batch in threads while the next is made; the one after waits.

    Args:
        pool: the threads.
        written: called in the caller's thread with what each job returns, in order.
    """

    def __init__(self, pool: ThreadPoolExecutor, written: Callable[[R], object]) -> None:
        self._pool, self._written = pool, written
        self._writing: list[Future[R]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.wait()

    def submit(self, jobs: Iterable[Callable[[], R]]) -> None:
        """Waits for the batch before, whose errors are raised here, and begins this one."""
        self.wait()
        self._writing = [self._pool.submit(job) for job in jobs]

    def wait(self) -> None:
        """Waits until everything is written."""
        writing, self._writing = self._writing, []
        for future in writing:
            self._written(future.result())
