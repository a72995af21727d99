"""The interface of trackers, which show a run's metrics somewhere else than in its folder."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from PIL import Image


class Tracker(ABC):
    """Receives what the trainer logs; `metrics.jsonl` is written whether or not there is one.

    Attributes:
        name: what `training.trackers` calls it.
    """

    name: ClassVar[str]

    @abstractmethod
    def __init__(self, run: Path) -> None:
        """Opens the tracker for the run folder `run`.

        Raises:
            PluginError: something is missing, such as a package: what, and how to get it. The run is trained without the
                tracker.
        """

    def start(self, step: int, last: int) -> None:  # noqa: B027 - optional
        """Is told that training goes from `step` (0 at the start of a run) to `last`; optional."""

    def advance(self, step: int) -> None:  # noqa: B027 - optional
        """Is told that `step` is done; optional."""

    @abstractmethod
    def log(self, step: int, dataset: str, values: Mapping[str, float]) -> None:
        """Logs the metrics of one dataset, named as in `metrics.jsonl`."""

    def image(self, step: int, name: str, image: Image.Image) -> None:  # noqa: B027 - optional
        """Logs a picture; optional."""

    def close(self) -> None:  # noqa: B027 - optional
        """Flushes and closes; optional."""
