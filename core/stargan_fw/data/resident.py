"""Decoded images that stay on the device, where it has room for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from stargan_fw.data.cache import readable_size
from stargan_fw.data.ingest import store_bytes
from stargan_fw.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from stargan_fw.config import Choice
    from stargan_fw.data.store import Store

SHARE = 0.5  # of a GPU's free memory, at most, for images: networks and what they compute need the rest
READ_AT_ONCE = 1024  # images


class ResidentImages:
    """Some images of a store on a device; they are read as from the store, bit for bit.

    Args:
        store: the images.
        indices: of those that are taken along.
        device: that holds them.
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
        """Returns the images of `indices` as a new uint8 tensor of shape (B, H, W, 3) on the device."""
        places = torch.from_numpy(self._places[np.asarray(indices)])
        return self._images.index_select(0, places.to(self._images.device))


def check_room(images: int, image_size: int, device: torch.device, choice: Choice) -> None:
    """Raises ConfigError where so many images are to be kept on a GPU that is too small for them."""
    needed, room = store_bytes(images, image_size), _room(device)
    if choice == "on" and room is not None and needed > room:
        raise ConfigError(
            f'data.resident = "on": the images need {readable_size(needed)}, and {device} has {readable_size(room)} '
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
    room = _room(device)
    if choice == "on" or (choice == "auto" and room is not None and needed <= SHARE * room):
        return {name: ResidentImages(store, indices[name], device) for name, store in stores.items()}
    return stores


def _room(device: torch.device) -> int | None:
    """Returns the free bytes of a GPU, None of a device whose memory the processor shares."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else None
