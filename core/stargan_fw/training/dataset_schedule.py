"""Chooses the dataset of each step from the number of steps per dataset, so that a resumed run continues exactly."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class DatasetSchedule(ABC):
    """The order in which datasets are trained on.

    Args:
        images: number of training images per dataset, in the label space's order.
    """

    def __init__(self, images: Mapping[str, int]) -> None:
        self.images = dict(images)

    @abstractmethod
    def next(self, steps: Mapping[str, int]) -> str:
        """Returns the dataset of the next step, from the number of steps that each dataset has had."""

    @abstractmethod
    def epoch(self, batch_size: int) -> int:
        """Returns the number of steps of one pass over the data."""

    def _batches(self, batch_size: int) -> list[int]:
        return [max(1, count // batch_size) for count in self.images.values()]


class Alternate(DatasetSchedule):
    """Takes the datasets in turn (Sec. 3.3); an epoch is one pass over the largest."""

    def next(self, steps: Mapping[str, int]) -> str:
        names = list(self.images)
        return names[sum(steps[name] for name in names) % len(names)]

    def epoch(self, batch_size: int) -> int:
        return max(self._batches(batch_size)) * len(self.images)


class Proportional(DatasetSchedule):
    """Takes each dataset in proportion to its images, evenly spread; an epoch is one pass over all."""

    def next(self, steps: Mapping[str, int]) -> str:
        """Returns the dataset that is furthest behind its share (Sainte-Laguë's rule), the first one of a tie."""
        return min(self.images, key=lambda name: (steps[name] + 0.5) / self.images[name])

    def epoch(self, batch_size: int) -> int:
        return sum(self._batches(batch_size))


STRATEGIES: Mapping[str, type[DatasetSchedule]] = {"alternate": Alternate, "proportional": Proportional}
