"""Which dataset a step trains on: a function of the steps that each has had, so that a run continues exactly."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Turns(ABC):
    """A strategy.

    Args:
        images: training images by dataset, in the label space's order.
    """

    def __init__(self, images: Mapping[str, int]) -> None:
        self.images = dict(images)

    @abstractmethod
    def next(self, steps: Mapping[str, int]) -> str:
        """Returns the dataset of the next step, after so many steps of each."""

    @abstractmethod
    def epoch(self, batch_size: int) -> int:
        """Returns the steps of one pass over the data."""

    def _batches(self, batch_size: int) -> list[int]:
        return [max(1, count // batch_size) for count in self.images.values()]


class Alternate(Turns):
    """Every dataset in turn, as in the paper; an epoch is a pass over the largest."""

    def next(self, steps: Mapping[str, int]) -> str:
        """Returns the dataset after the last one's."""
        names = list(self.images)
        return names[sum(steps[name] for name in names) % len(names)]

    def epoch(self, batch_size: int) -> int:
        """Returns the steps in which the largest dataset is gone through once."""
        return max(self._batches(batch_size)) * len(self.images)


class Proportional(Turns):
    """As often as a dataset has images, spread evenly; an epoch is a pass over all."""

    def next(self, steps: Mapping[str, int]) -> str:
        """Returns the dataset that is furthest behind its share (Sainte-Laguë's rule), the first of equals."""
        return min(self.images, key=lambda name: (steps[name] + 0.5) / self.images[name])

    def epoch(self, batch_size: int) -> int:
        """Returns the batches of all datasets together."""
        return sum(self._batches(batch_size))


STRATEGIES: Mapping[str, type[Turns]] = {"alternate": Alternate, "proportional": Proportional}
