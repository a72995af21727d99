"""Says what an evaluation is doing while it works."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import track

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import Console

PAUSE = 15.0  # seconds between two lines


class EvaluationProgress:
    """Wraps loops: shows a bar on a terminal, and elsewhere a line now and then.

    Args:
        console: writes to standard error.
        clock: returns seconds.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._begun = self._said = clock()

    def __call__(self, description: str, steps: Iterable[int]) -> Iterable[int]:
        """Returns the steps of a loop.

        Args:
            description: what the loop does.
            steps: a range.
        """
        if self._console.is_terminal:
            return track(steps, escape(description), console=self._console, transient=True)
        return self._say(description, list(steps))

    def _say(self, description: str, steps: list[int]) -> Iterator[int]:
        for number, step in enumerate(steps):
            yield step
            now = self._clock()
            if now - self._said >= PAUSE:
                self._said = now
                done = f"{description}: {number + 1} of {len(steps)}, after {now - self._begun:.0f} s"
                self._console.print(done, markup=False, highlight=False, soft_wrap=True)
