"""The interface of importers, which read the checkpoints of other implementations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from stargan_fw import ComponentKind, hookimpl, hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor  # for types alone: a start of the program may import this module


@dataclass(frozen=True, slots=True)
class ImportedNetwork:
    """A network read from a foreign checkpoint, ready to be built here.

    Attributes:
        name: the registered name of the network.
        options: the network's own options, inferred from the shapes of the weights.
        label_dim: the number of labels that the network was built for; a generator's includes the mask.
        weights: state dict, with this project's parameter names.
        image_size: side in pixels; None if the shapes do not determine it.
    """

    name: str
    options: Mapping[str, Any]
    label_dim: int
    weights: Mapping[str, Tensor]
    image_size: int | None = None


class Importer(ABC):
    """Reads the checkpoints of another implementation.

    Attributes:
        name: the name of that implementation.
        method: the registered method that the networks belong to.
    """

    name: ClassVar[str]
    method: ClassVar[str]

    @abstractmethod
    def read_generator(self, weights: Mapping[str, Tensor]) -> ImportedNetwork | None:
        """Returns the generator of a checkpoint, or None if the checkpoint is not from this implementation."""

    @abstractmethod
    def read_discriminator(self, weights: Mapping[str, Tensor]) -> ImportedNetwork | None:
        """Returns the discriminator of a checkpoint, or None if the checkpoint is not from this implementation."""


@hookspec
def register_importers(register: Callable[[type[Importer]], None]) -> None:
    """Registers importers, for `import`, which lists them if no importer can read a checkpoint."""


@hookimpl
def register_kinds(register: Callable[[ComponentKind], None]) -> None:
    """Registers the kind "importer"."""
    register(ComponentKind("importer", register_importers, "stargan_fw_import:Importer"))
