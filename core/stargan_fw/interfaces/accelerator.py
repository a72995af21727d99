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
    """

    name: ClassVar[str]

    @abstractmethod
    def suits(self, device: torch.device) -> bool:
        """Returns whether to swap layers of networks that run on this device."""

    @abstractmethod
    def accelerate(self, network: nn.Module) -> nn.Module:
        """Swaps layers of a network in place and returns the network. A second call changes nothing."""
