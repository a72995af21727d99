"""The judge: a ResNet-18 that reads a dataset's labels from an image."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from stargan_fw.compute.machine import Precision
from stargan_fw.data.cache import only_maker
from stargan_fw.errors import PluginError
from stargan_fw.files import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from stargan_fw.data.source import Source
    from stargan_fw.data.store import Store
    from stargan_fw_registry import LabelSchema

    Progress = Callable[[str, Iterable[int]], Iterable[int]]
    from pathlib import Path


FULL_STEM = 48  # pixels, from which on torchvision's stem is used as it is
FEATURES = 512


class LabelClassifier(nn.Module):
    """torchvision's ResNet-18, untrained, with a logit for each label of one dataset.

    Below 48 pixels, where the last stage would be left with a pixel, the stem is a 3 x 3 convolution of stride 2 without
    the pooling after it.

    Args:
        schema: the labels that it reads.
        image_size: side of the images in pixels.
    """

    def __init__(self, schema: LabelSchema, image_size: int) -> None:
        super().__init__()
        self.schema = schema
        self.trunk = _trunk(image_size)
        self.head = nn.Linear(FEATURES, schema.dim)

    def features(self, images: Tensor) -> Tensor:
        """Returns what the last layer sees, (B, 512), of images (B, 3, H, W) in [-1, 1]."""
        result: Tensor = self.trunk(images)
        return result

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits (B, d) of images (B, 3, H, W) in [-1, 1]."""
        logits: Tensor = self.head(self.features(images))
        return logits

    @torch.no_grad()
    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Reads images.

        Args:
            images: (B, 3, H, W); what lies outside of [-1, 1] is clipped, as in a picture.

        Returns:
            Labels (B, d) of 0 and 1, and features (B, 512), in float32.
        """
        features = self.features(images.float().clamp(-1, 1)).float()
        return self.schema.decode(self.head(features)), features


def _trunk(image_size: int) -> nn.Module:
    try:
        from torchvision.models import resnet18  # noqa: PLC0415 - half a second that only this needs
    except (ImportError, RuntimeError) as error:
        raise PluginError(f"The classifier needs torchvision, which cannot be imported: {error}") from None
    trunk: nn.Module = resnet18(weights=None)
    trunk.fc = nn.Identity()
    if image_size < FULL_STEM:
        trunk.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        trunk.maxpool = nn.Identity()
    return trunk


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


FORMAT = "2"  # changes when the same images and labels would give other weights


def trained_classifier(
    source: Source, store: Store, settings: Settings, device: torch.device, progress: Progress = lambda _, steps: steps
) -> LabelClassifier:
    """Returns the classifier of a dataset's training split, trained unless an earlier call did.

    Its weights lie beside the store, in `classifier-<dataset>-<size>px-<fingerprint>.safetensors`, which appears whole
    or not at all. A file that cannot be read is made again.

    Args:
        source: without images that cannot be read.
        store: its images.
        settings: of the training.
        device: to train and to read on.
        progress: wraps the training's steps, given the dataset's name.
    """
    path = weights_path(source, store, settings)
    model = _read(path, source, store.image_size)
    if model is None:
        with only_maker(path):
            model = _read(path, source, store.image_size)
            if model is None:  # and no other process has trained it in the meantime
                model = fit(source, store, settings, device, progress)
                _save(model, path)
    return model.to(device)


def _save(model: LabelClassifier, path: Path) -> None:
    with replacing(path) as partial:
        save_file({name: value.cpu().contiguous() for name, value in model.state_dict().items()}, partial)


def weights_path(source: Source, store: Store, settings: Settings) -> Path:
    """Returns where the weights lie: the name changes with images, labels, split and settings."""
    digest = hashlib.sha256(f"{FORMAT} {store.path.name}\n".encode())
    digest.update(json.dumps([source.schema.to_dict()["attributes"], asdict(settings)]).encode())
    digest.update(json.dumps([int(index) for index in source.train]).encode())
    digest.update(source.labels[list(source.train)].tobytes())
    name = f"classifier-{source.alias}-{store.image_size}px-{digest.hexdigest()[:16]}.safetensors"
    return store.path.with_name(name)


def _read(path: Path, source: Source, image_size: int) -> LabelClassifier | None:
    if not path.exists():
        return None
    model = LabelClassifier(source.schema, image_size)
    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError):
        return None
    return model.eval().requires_grad_(requires_grad=False)
