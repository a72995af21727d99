"""Trains the judge on a dataset's real training images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw.evaluation.classifier import LabelClassifier
from stargan_fw.training.machine import Precision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from stargan_fw.data.source import Source
    from stargan_fw.data.store import Store
    from stargan_fw_registry import LabelSchema

    Progress = Callable[[str, Iterable[int]], Iterable[int]]

BATCH, RATE, DECAY = 32, 2e-3, 1e-4
EPOCHS, FEWEST_STEPS, MOST_STEPS = 4, 250, 8000
SHIFT = 1 / 16  # of the side: how far a training image is moved at most
ERASED, ERASED_SIDES = 0.5, (0.15, 0.45)  # the chance that a rectangle is blanked, and its sides' share of the image's


@dataclass(frozen=True, slots=True)
class Settings:
    """What a classifier's weights depend on, besides its images and labels.

    Attributes:
        steps: updates; None takes four times through the data, but at least 250 and at most 8000.
        flip: the chance that an image is mirrored.
        seed: of weights and batches.
    """

    steps: int | None = None
    flip: float = 0.5
    seed: int = 0

    def updates(self, images: int) -> int:
        """Returns how many updates a training split of so many images gets."""
        return self.steps or min(max(EPOCHS * images // BATCH, FEWEST_STEPS), MOST_STEPS)


def fit(
    source: Source, store: Store, settings: Settings, device: torch.device, progress: Progress = lambda _, steps: steps
) -> LabelClassifier:
    """Trains a classifier: AdamW, one cycle of the rate, images that are mirrored, slightly moved and partly erased.

    A judge is to read everything that shows a label, not the one detail that suffices: hence random erasing (Zhong et
    al., 2020).

    Args:
        source: whose training examples it learns.
        store: their images.
        settings: how.
        device: to train on.
        progress: wraps the steps, given the dataset's name.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = LabelClassifier(source.schema, store.image_size)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    precision = Precision.choose("auto", device)
    steps = settings.updates(len(source.train))
    adam = torch.optim.AdamW(model.parameters(), weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, total_steps=steps)
    for step in progress(source.alias, range(steps)):
        images, labels = _batch(source, store, settings, step)
        with precision.autocast():
            logits = model(images.to(device))
        adam.zero_grad()
        loss = label_loss(source.schema, logits.float(), labels.to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        schedule.step()
    model.eval().requires_grad_(requires_grad=False)
    return model


def _batch(source: Source, store: Store, settings: Settings, step: int) -> tuple[Tensor, Tensor]:
    """Draws a batch that seed and step decide: images mirrored and erased one by one, and moved together."""
    rng = np.random.default_rng((settings.seed, step))
    chosen = rng.choice(np.asarray(source.train), BATCH)
    images = scaled(store, chosen)
    mirrored = torch.from_numpy(rng.random(BATCH) < settings.flip)
    images[mirrored] = images[mirrored].flip(3)
    reach = round(SHIFT * store.image_size)
    down, right = rng.integers(0, 2 * reach + 1, 2)
    padded = F.pad(images, (reach,) * 4, mode="reflect")
    size = store.image_size
    moved = padded[:, :, down : down + size, right : right + size]
    erased = _erased(moved, rng)
    return erased.contiguous(memory_format=torch.channels_last), torch.from_numpy(source.labels[chosen])


def _erased(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Blanks a rectangle in some of the images, in place."""
    size = images.shape[-1]
    for place in np.flatnonzero(rng.random(len(images)) < ERASED):
        height, width = (round(size * share) for share in rng.uniform(*ERASED_SIDES, 2))
        top, left = rng.integers(0, size - height + 1), rng.integers(0, size - width + 1)
        images[place, :, top : top + height, left : left + width] = rng.uniform(-1, 1)
    return images


def scaled(store: Store, indices: Sequence[int] | NDArray[np.int64]) -> Tensor:
    """Returns images of the store as (B, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(store.read(indices)).permute(0, 3, 1, 2).float().mul_(2 / 255).sub_(1)


def label_loss(schema: LabelSchema, logits: Tensor, labels: Tensor) -> Tensor:
    """Returns the mean cross-entropy of each attribute, summed; unknown labels count for nothing.

    Args:
        schema: of the labels.
        logits: (B, d).
        labels: (B, d), NaN where unknown.
    """
    total = logits.new_zeros(())
    for attribute, part in schema.parts:
        known = ~labels[:, part].isnan()
        rows = known.all(dim=1)
        if attribute.one_hot and rows.any():
            total = total + F.cross_entropy(logits[rows, part], labels[rows, part].argmax(dim=1))
        elif not attribute.one_hot and known.any():
            total = total + F.binary_cross_entropy_with_logits(logits[:, part][known], labels[:, part][known])
    return total
