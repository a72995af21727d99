"""The interface of accelerators, which make networks faster after they are built."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import nn


class Accelerator(ABC):
    """Swaps layers of a network for ones that compute the same faster on some devices.

    Core asks every registered accelerator whenever a network meets the device that it will run on. A swapped layer

    - keeps the very same parameters and buffers under the same names, so that checkpoints and optimisers notice nothing;
    - computes what the plain layer computes, but for rounding, and can be differentiated as often;
    - looks at what it is given each time that it runs, and hands what it was not made for on to the plain layer: other
      precisions, sizes or layouts, since a network may be run in another precision later.

    Attributes:
        name: short, for `plugins list`.
    """

    name: ClassVar[str]

    @abstractmethod
    def suits(self, device: torch.device) -> bool:
        """Returns whether layers are to be swapped in networks that run on this device."""

    @abstractmethod
    def accelerate(self, network: nn.Module) -> nn.Module:
        """Swaps layers of a network in place, and returns the network; a second call changes nothing."""
