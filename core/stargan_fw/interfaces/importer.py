"""The interface of importers, which read the checkpoints of other implementations."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor


@dataclass(frozen=True, slots=True)
class ImportedNetwork:
    """A network of a foreign checkpoint, as this project builds it.

    Attributes:
        name: that the network is registered by.
        options: its own options, as its shapes give them.
        label_dim: how many labels it was built for: of a generator with the mask, of a discriminator without.
        weights: by this project's names.
        image_size: side in pixels, where the shapes tell it.
    """

    name: str
    options: Mapping[str, Any]
    label_dim: int
    weights: Mapping[str, Tensor]
    image_size: int | None = None


class Importer(ABC):
    """Reads the checkpoints of another implementation.

    Attributes:
        name: of the implementation.
        method: the registered method that its networks belong to.
    """

    name: ClassVar[str]
    method: ClassVar[str]

    @abstractmethod
    def generator(self, weights: Mapping[str, Tensor]) -> ImportedNetwork | None:
        """Reads a generator's checkpoint; None where it is none of this implementation."""

    @abstractmethod
    def discriminator(self, weights: Mapping[str, Tensor]) -> ImportedNetwork | None:
        """Reads a discriminator's checkpoint; None where it is none of this implementation."""
