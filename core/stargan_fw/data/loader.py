"""Numbered batches of one dataset."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from stargan_fw.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from stargan_fw.data.device_cache import ResidentImages
    from stargan_fw.data.store import Store


class Shuffle:
    """Shuffles a set of images, in an order that depends on the seed alone, and cuts it into equal shares of batches.

    Every epoch is another permutation. Images at its end that do not fill a share are left out. A set that is smaller
    than a share is repeated within it.

    Args:
        indices: the images.
        size: images per share.
        seed: the loader's seed, which always has the same length.
        number: the set's number in the loader, from 0.
    """

    def __init__(self, indices: NDArray[np.int64], size: int, seed: Sequence[int], number: int) -> None:
        self._indices = indices
        self._size = size
        self._seed = tuple(seed)
        self._number = number
        self._epoch: tuple[int, NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        """Returns the number of shares per epoch."""
        return max(1, len(self._indices) // self._size)

    def share(self, number: int) -> NDArray[np.int64]:
        """Returns share `number`, counted from 0 over all epochs."""
        epoch, position = divmod(number, len(self))
        return self._order(epoch)[position * self._size : (position + 1) * self._size]

    def _order(self, epoch: int) -> NDArray[np.int64]:
        if self._epoch is None or self._epoch[0] != epoch:
            # NumPy appends zeros to a short seed, so seeds of different lengths would give two sets the same order.
            rng = np.random.default_rng((*self._seed, epoch, self._number))
            repeats = -(-self._size // len(self._indices))
            order = np.concatenate([rng.permutation(self._indices) for _ in range(repeats)])
            self._epoch = (epoch, order)
        return self._epoch[1]


class Loader:
    """Shuffled batches of the training images.

    A batch depends on the seed and its number alone, so a run can continue anywhere without a saved reader.

    Args:
        store: the images.
        labels: (N, d) in the store's order.
        indices: the images to read.
        batch_size: images per batch, over all ranks.
        seed: the seed of the order.
        kinds: the batch compositions to cycle through (see `Method.batches`). A composition is a list of sets of
            positions in `indices`; every set contributes the same number of images. None: draw from all images.
        rank: this process's number among those that share each batch, from 0.
        world_size: the number of those processes. Each has an equal part of every set of images, so that together they have
            the batch of a single process.

    Raises:
        ConfigError: if the sets and ranks cannot have equal shares.
    """

    def __init__(
        self,
        store: Store | ResidentImages,
        labels: NDArray[np.float32],
        indices: Sequence[int],
        *,
        batch_size: int,
        seed: Sequence[int],
        kinds: Sequence[Sequence[Tensor]] | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._store = store
        self._labels = labels
        self._images = len(indices)
        self._batch_size = batch_size
        self._rank, self._world_size = rank, world_size
        kinds = kinds or [[torch.arange(len(indices))]]
        check_shares(batch_size, kinds, world_size)
        images, numbers = np.asarray(indices), itertools.count()

        def shuffle(positions: Tensor, size: int) -> Shuffle:
            return Shuffle(images[positions.numpy()], size, seed, next(numbers))

        self._kinds = [[shuffle(positions, batch_size // len(sets)) for positions in sets] for sets in kinds]

    def __len__(self) -> int:
        """Returns the number of batches per epoch."""
        return max(1, self._images // self._batch_size)

    @property
    def kinds(self) -> int:
        """The number of kinds of batches."""
        return len(self._kinds)

    def kind(self, number: int) -> int:
        """Returns the kind of batch `number`."""
        return number % len(self._kinds)

    def occurrence(self, number: int) -> int:
        """Returns the place of batch `number` among the batches of its kind, counted from 1."""
        return number // len(self._kinds) + 1

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Returns this rank's part of batch `number`, counted from 0 over all epochs.

        Returns:
            uint8 images of shape (B, 3, H, W) in channels-last order, and float32 labels of shape (B, d).
        """
        chosen = self._whole(number)[self.places(number)]
        images = torch.as_tensor(self._store.read(chosen)).permute(0, 3, 1, 2)
        return images, torch.from_numpy(self._labels[chosen])

    def all_labels(self, number: int) -> Tensor:
        """Returns the labels of batch `number` on all ranks, (n, d) in float32."""
        return torch.from_numpy(self._labels[self._whole(number)])

    def places(self, number: int) -> NDArray[np.int64]:
        """Returns the places of this rank's images in batch `number`, (B,)."""
        size = self._batch_size // len(self._kinds[self.kind(number)])
        part = size // self._world_size
        starts = np.arange(len(self._kinds[self.kind(number)])) * size + self._rank * part
        return (starts[:, None] + np.arange(part)).ravel()

    def _whole(self, number: int) -> NDArray[np.int64]:
        turn, kind = divmod(number, len(self._kinds))
        return np.concatenate([shuffle.share(turn) for shuffle in self._kinds[kind]])


def check_shares(batch_size: int, kinds: Sequence[Sequence[Tensor]], world_size: int) -> None:
    """Checks that every set of images and every rank can have an equal part of a batch; see `Loader`.

    Raises:
        ConfigError: if they cannot.
    """
    sets = math.lcm(*map(len, kinds))
    unit = sets * world_size
    if batch_size % unit == 0:
        return
    sharing = [f"{sets} sets of images"] * (sets > 1) + [f"{world_size} processes"] * (world_size > 1)
    lower = batch_size // unit * unit
    raise ConfigError(
        f"training.batch_size = {batch_size} cannot be shared equally by {' on '.join(sharing)}. "
        f"Set it to {f'{lower} or ' if lower else ''}{lower + unit}."
    )
