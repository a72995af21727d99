"""Reads ahead and writes behind, a batch each, so that pictures of any number pass through little memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future, ThreadPoolExecutor

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
