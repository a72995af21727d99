"""What a run remembers of the experiment that sized it, and how long it has trained."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from stargan_fw import Tracker
from stargan_fw.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "reproduce.json"
SECONDS_BETWEEN = 5.0  # writes: what a kill loses of the time at most


@dataclass
class Ledger:
    """`RUN/reproduce.json`.

    Attributes:
        experiment: that trained the run first.
        steps: of the whole run.
        minutes: of the budget that they were derived from; None where they were given.
        step_seconds: what a step took in the rehearsal; None likewise.
        seconds: trained so far, with steps that were taken again after an interruption.
    """

    experiment: str
    steps: int
    minutes: float | None = None
    step_seconds: float | None = None
    seconds: float = 0.0

    @classmethod
    def read(cls, run: Path) -> Ledger | None:
        """Reads a run's; None where there is none.

        Raises:
            RunError: it is broken.
        """
        path = run / FILE
        if not path.exists():
            return None
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{key: values[key] for key in ("experiment", "steps", "minutes", "step_seconds", "seconds")})
        except (ValueError, TypeError, KeyError):
            raise RunError(f"'{path}' cannot be read. Remove the run, and it is trained again.") from None

    def write(self, run: Path) -> None:
        """Writes it, in place of the one before."""
        partial = run / f".{FILE}.partial"
        partial.write_text(json.dumps({"format": 1, **asdict(self)}, indent=1) + "\n", encoding="utf-8")
        partial.replace(run / FILE)


class Clock(Tracker):
    """Keeps a run's ledger while it trains.

    Args:
        run: the run folder.
        ledger: with the seconds of earlier calls.
    """

    name = "clock"

    def __init__(self, run: Path, ledger: Ledger) -> None:
        self._run, self._ledger = run, ledger

    def start(self, step: int, last: int) -> None:  # noqa: ARG002
        self._last, self._read = last, time.perf_counter()
        self._ledger.write(self._run)
        self._written = self._read

    def advance(self, step: int) -> None:
        now = time.perf_counter()
        self._ledger.seconds += now - self._read
        self._read = now
        if step == self._last or now - self._written > SECONDS_BETWEEN:
            self._ledger.write(self._run)
            self._written = now

    def log(self, step: int, dataset: str, values: Mapping[str, float]) -> None:
        pass
