"""The interface of trackers, which show a run's metrics outside its folder."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from PIL import Image


class Tracker(ABC):
    """Receives what the trainer logs. The trainer writes `metrics.jsonl` with or without trackers.

    Attributes:
        name: the tracker's name in `training.trackers`.
    """

    name: ClassVar[str]

    @abstractmethod
    def __init__(self, run: Path) -> None:
        """Opens the tracker for the run folder `run`.

        Raises:
            PluginError: if something is missing, such as a package. The message says what, and how to get it. The run
                trains without this tracker.
        """

    def start(self, step: int, last: int) -> None:  # noqa: B027 - optional
        """Called before training from `step` (0 for a new run) to `last`; optional."""

    def advance(self, step: int) -> None:  # noqa: B027 - optional
        """Called after each step; optional."""

    @abstractmethod
    def log(self, step: int, dataset: str, values: Mapping[str, float]) -> None:
        """Logs the metrics of one dataset, named as in `metrics.jsonl`."""

    def log_image(self, step: int, name: str, image: Image.Image) -> None:  # noqa: B027 - optional
        """Logs an image; optional."""

    def close(self) -> None:  # noqa: B027 - optional
        """Flushes and closes; optional."""
