"""The interface of tuners, which find the fastest way to compute a training's steps on a machine."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch


@dataclass(frozen=True, slots=True)
class Tuning:
    """What tuning found.

    Attributes:
        chosen: the settings of `[training]` to train with, by key.
        table: what was tried and what it gave, with a heading first, for people.
        record: the same and the machine, for `RUN/tuning.json`.
    """

    chosen: Mapping[str, str]
    table: Sequence[Sequence[str]]
    record: Mapping[str, Any]


class Tuner(ABC):
    """Chooses those settings of `[training]` that say how steps are computed, before a run with `training.tune`."""

    name: ClassVar[str]

    @abstractmethod
    def tune(
        self,
        make: Callable[[Mapping[str, Any]], AbstractContextManager[Any]],
        training: Mapping[str, Any],
        device: torch.device,
    ) -> Tuning:
        """Tries settings and returns the best. Settings of the configuration that are not "auto" must stay as they are.

        Args:
            make: changes of `[training]` → a context with a `stargan_fw.api.Trainer` before its first step. It has the run's
                data, and networks of its own with the run's first weights.
            training: `[training]`.
            device: the device to train on.
        """
