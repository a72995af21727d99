"""How long a run trains: the steps that fit into a budget, and the record of the time that a run has taken."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from stargan_fw import Tracker
from stargan_fw.api import check_format, write_text
from stargan_fw.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stargan_fw_bench import Throughput

RECORD_FILE = "reproduce.json"
FORMAT = 1  # of the record
SECONDS_BETWEEN_WRITES = 5.0  # of the record: a process that is killed loses at most as much of the time
SAVES, MOST_STEPS_BETWEEN_SAVES = 10, 1000


@dataclass
class RunRecord:
    """`RUN/reproduce.json`: what gave a run its length, and how long it has trained.

    Attributes:
        experiment: the experiment that trained the run first.
        steps: the length of the whole run.
        minutes: the budget that the steps were derived from; None if the steps were given.
        step_seconds: seconds of a step, as measured before the run; None if the steps were given.
        seconds: training time so far. Steps that were repeated after an interruption count twice.
    """

    experiment: str
    steps: int
    minutes: float | None = None
    step_seconds: float | None = None
    seconds: float = 0.0

    @classmethod
    def read(cls, run: Path) -> RunRecord | None:
        """Reads the record of a run folder; None if the run has no record.

        Raises:
            RunError: the record is broken, or has a newer format.
        """
        path = run / RECORD_FILE
        if not path.exists():
            return None
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            check_format(values, FORMAT, path)
            return cls(**{key: values[key] for key in ("experiment", "steps", "minutes", "step_seconds", "seconds")})
        except (ValueError, TypeError, KeyError, AttributeError):
            raise RunError(f"'{path}' cannot be read. Remove the run, and it is trained again.") from None

    def write(self, run: Path) -> None:
        """Writes the record into a run folder."""
        write_text(run / RECORD_FILE, json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n")


class StepTimer(Tracker):
    """Adds the time of each step to a run's record while the run trains.

    Args:
        run: the run folder.
        record: the record, with the seconds of earlier calls.
    """

    name = "step_timer"

    def __init__(self, run: Path, record: RunRecord) -> None:
        self._run, self._record = run, record

    def start(self, step: int, last: int) -> None:  # noqa: ARG002
        self._last, self._now = last, time.perf_counter()
        self._record.write(self._run)
        self._written = self._now

    def advance(self, step: int) -> None:
        before, self._now = self._now, time.perf_counter()
        self._record.seconds += self._now - before
        if step == self._last or self._now - self._written > SECONDS_BETWEEN_WRITES:
            self._record.write(self._run)
            self._written = self._now

    def log(self, step: int, dataset: str, values: Mapping[str, float]) -> None:
        pass


def save_every(steps: int) -> int:
    """Returns the steps between two checkpoints, and between two sample sheets, of a run of so many steps."""
    return min(MOST_STEPS_BETWEEN_SAVES, math.ceil(steps / SAVES))


def steps_within(throughput: Throughput, seconds: float) -> int:
    """Returns how many steps, with their checkpoints, fit into a time; at least 1."""
    left = seconds - throughput.setup
    few = (left - SAVES * throughput.save) / throughput.step
    many = left / (throughput.step + throughput.save / MOST_STEPS_BETWEEN_SAVES)
    return max(1, int(many if few > SAVES * MOST_STEPS_BETWEEN_SAVES else few))
