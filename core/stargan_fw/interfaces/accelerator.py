"""The interface of accelerators, which make networks faster after they are built."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import nn


class Accelerator(ABC):
    """Swaps layers of a network for layers that compute the same thing faster on some devices.

    Core calls every registered accelerator when a network is moved to the device that it will run on. A swapped layer

    - keeps the same parameters and buffers under the same names, so checkpoints and optimisers see no difference;
    - gives the same result as the plain layer up to rounding, and can be differentiated as often;
    - checks its input on every call and falls back to the plain layer for precisions, sizes or layouts that it does not
      support, because a network may later run in another precision.

    Attributes:
        name: short, for `plugins list`.
        unmeasured_on: types of devices, such as "cuda", on which the layers can run, but where nobody measured whether they
            are faster. `training.accelerate = "on"` and `training.tune` swap layers there, and nothing else does.
    """

    name: ClassVar[str]
    unmeasured_on: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def suits(self, device: torch.device) -> bool:
        """Returns whether the layers were measured to be faster on such a device, and so are swapped in by default."""

    @abstractmethod
    def accelerate(self, network: nn.Module) -> nn.Module:
        """Swaps layers of a network in place and returns the network. A second call changes nothing."""
