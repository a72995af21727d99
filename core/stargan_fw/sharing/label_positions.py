"""What the positions of a network's labels are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stargan_fw.interfaces import Discriminator, Generator

if TYPE_CHECKING:
    from torch import nn

    from stargan_fw_registry import LabelSpace


def unified_names(space: LabelSpace) -> list[str]:
    """Returns what each position of the unified label is called, the mask's "mask.<dataset>"."""
    return [*space.names, *(f"mask.{name}" for name in space.datasets if space.mask_dim)]


def names_for(network: nn.Module, space: LabelSpace) -> list[str]:
    """Returns what a network's labels are called: a generator's have the mask, a discriminator's do not."""
    if isinstance(network, Generator):
        return unified_names(space)
    return list(space.names) if isinstance(network, Discriminator) else []
