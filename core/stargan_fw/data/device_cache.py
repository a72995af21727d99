"""Keeps decoded images on the device if they fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.filesize import decimal as format_size

from stargan_fw.compute.machine import copy_to
from stargan_fw.data.ingest import store_bytes
from stargan_fw.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from stargan_fw.config import Choice
    from stargan_fw.data.store import Store

SHARE = 0.5  # the largest share of a GPU's free memory for images: networks and their activations need the rest
READ_AT_ONCE = 1024  # images


class ResidentImages:
    """A copy of some of a store's images on a device, read by their indices in the store.

    Args:
        store: the images.
        indices: the images to copy.
        device: where the copy lies.
    """

    def __init__(self, store: Store, indices: Sequence[int], device: torch.device) -> None:
        self._places = np.full(len(store), -1, dtype=np.int64)
        self._places[np.asarray(indices)] = np.arange(len(indices))
        side = store.image_size
        self._images = torch.empty(len(indices), side, side, 3, dtype=torch.uint8, device=device)
        for start in range(0, len(indices), READ_AT_ONCE):
            part = store.read(indices[start : start + READ_AT_ONCE])
            self._images[start : start + len(part)] = torch.from_numpy(part)

    def read(self, indices: Sequence[int] | NDArray[np.int64]) -> Tensor:
        """Returns images as a new uint8 tensor of shape (B, H, W, 3) on the device."""
        places = torch.from_numpy(self._places[np.asarray(indices)])
        return self._images.index_select(0, copy_to(self._images.device, places))


def check_room(images: int, image_size: int, device: torch.device, choice: Choice) -> None:
    """Raises ConfigError if `choice` is "on" and that number of images does not fit in the GPU's free memory."""
    needed, free = store_bytes(images, image_size), _free_memory(device)
    if choice == "on" and free is not None and needed > free:
        raise ConfigError(
            f'data.resident = "on": the images need {format_size(needed)}, and {device} has {format_size(free)} '
            'free. Use "auto" or "off".'
        )


def cache_on_device(
    stores: Mapping[str, Store], indices: Mapping[str, Sequence[int]], device: torch.device, choice: Choice
) -> Mapping[str, Store | ResidentImages]:
    """Copies the training images to the device if they fit.

    Args:
        stores: the decoded images of each dataset.
        indices: the positions of the training images in each store.
        device: the device that the networks compute on.
        choice: "auto" copies to a GPU if the images take at most half of its free memory; "on" always copies; "off"
            never does.

    Returns:
        What to read the images from, per dataset: the copy or the store.
    """
    needed = sum(store_bytes(len(indices[name]), store.image_size) for name, store in stores.items())
    free = _free_memory(device)
    if choice == "on" or (choice == "auto" and free is not None and needed <= SHARE * free):
        return {name: ResidentImages(store, indices[name], device) for name, store in stores.items()}
    return stores


def _free_memory(device: torch.device) -> int | None:
    """Returns the free bytes of a CUDA GPU, or None for other devices, which share the processor's memory."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else None
