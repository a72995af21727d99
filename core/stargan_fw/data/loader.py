"""Batches of one dataset, by number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from stargan_fw.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from stargan_fw.data.resident import ResidentImages
    from stargan_fw.data.store import Store


class Loader:
    """Shuffled batches of the training images.

    A batch depends on the seed and its number alone, so a run continues anywhere without a reader's state. Every epoch
    is another permutation; what does not fill a batch at its end is left out, and a dataset smaller than a batch is
    gone through several times in it.

    Args:
        store: the images.
        labels: (N, d) in the store's order.
        indices: of the images to read.
        batch_size: images a batch, on all ranks together.
        seed: of the order.
        rank: which of the processes that share each batch this one is, from 0.
        world_size: how many they are. Their shares, side by side in the order of the ranks, are the batch that one
            process alone would have.

    Raises:
        ConfigError: the ranks' shares would not be of one size.
    """

    def __init__(
        self,
        store: Store | ResidentImages,
        labels: NDArray[np.float32],
        indices: Sequence[int],
        *,
        batch_size: int,
        seed: Sequence[int],
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if batch_size % world_size:
            raise ConfigError(
                f"training.batch_size = {batch_size} cannot be shared by {world_size} processes. Use a multiple of "
                f"{world_size}."
            )
        self._store = store
        self._labels = labels
        self._indices = np.asarray(indices)
        self._batch_size = batch_size
        self._seed = tuple(seed)
        self._share = batch_size // world_size
        self._first = rank * self._share
        self._epoch: tuple[int, NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        """Batches of an epoch."""
        return max(1, len(self._indices) // self._batch_size)

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Returns this rank's share of batch `number`, counted from 0 over all epochs.

        Returns:
            uint8 images of shape (B, 3, H, W) in channels-last order, and float32 labels of shape (B, d).
        """
        epoch, position = divmod(number, len(self))
        start = position * self._batch_size + self._first
        chosen = self._order(epoch)[start : start + self._share]
        images = torch.as_tensor(self._store.read(chosen)).permute(0, 3, 1, 2)
        return images, torch.from_numpy(self._labels[chosen])

    def _order(self, epoch: int) -> NDArray[np.int64]:
        if self._epoch is None or self._epoch[0] != epoch:
            rng = np.random.default_rng((*self._seed, epoch))
            repeats = -(-self._batch_size // len(self._indices))
            order = np.concatenate([rng.permutation(self._indices) for _ in range(repeats)])
            self._epoch = (epoch, order)
        return self._epoch[1]
