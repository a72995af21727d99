"""A ResNet-18 that reads a dataset's labels from an image: the network, its training and its stored weights."""

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

from stargan_fw.compute.machine import Precision, has_bf16
from stargan_fw.data.cache import only_maker
from stargan_fw.errors import PluginError
from stargan_fw.files import replacing
from stargan_fw.rendering.pictures import pixels_to_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from stargan_fw.data.source import Source
    from stargan_fw.data.store import Store
    from stargan_fw_registry import LabelSchema

    Progress = Callable[[str, Iterable[int]], Iterable[int]]


FULL_STEM = 48  # image size in pixels from which torchvision's stem is used unchanged
FEATURES = 512
BATCH, RATE, DECAY = 32, 2e-3, 1e-4
EPOCHS, FEWEST_STEPS, MOST_STEPS = 4, 250, 8000
SHIFT = 1 / 16  # the farthest that a training image is moved, as a share of its side
ERASED, ERASED_SIDES = 0.5, (0.15, 0.45)  # probability of blanking a rectangle, and its sides as shares of the image's
FORMAT = "2"  # changes if the same images and labels would give other weights


class LabelClassifier(nn.Module):
    """torchvision's ResNet-18, untrained, with one logit per label of a dataset.

    For images below 48 pixels the stem is a 3 x 3 convolution of stride 2 without pooling; otherwise a single pixel
    would be left for the last stage.

    Args:
        schema: the labels to read.
        image_size: side of the images in pixels.
    """

    def __init__(self, schema: LabelSchema, image_size: int) -> None:
        super().__init__()
        self.schema = schema
        self.trunk = _trunk(image_size)
        self.head = nn.Linear(FEATURES, schema.dim)

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits (B, d) for images (B, 3, H, W) in [-1, 1]."""
        logits: Tensor = self.head(self.trunk(images))
        return logits

    @torch.no_grad()
    def read(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Reads the labels of images.

        Args:
            images: (B, 3, H, W); values outside of [-1, 1] are clipped, as in a picture.

        Returns:
            Labels (B, d) of 0 and 1, and the inputs of the last layer, (B, 512), in float32.
        """
        features = self.trunk(images.float().clamp(-1, 1)).float()
        return self.schema.decode(self.head(features)), features


def _trunk(image_size: int) -> nn.Module:
    try:
        from torchvision.models import resnet18  # noqa: PLC0415 - takes half a second, and only this function needs it
    except (ImportError, RuntimeError) as error:
        raise PluginError(
            f"The classifier needs torchvision, which cannot be imported: {error}. Install the one that fits this PyTorch "
            f"({torch.__version__})."
        ) from None
    trunk: nn.Module = resnet18(weights=None)
    trunk.fc = nn.Identity()
    if image_size < FULL_STEM:
        trunk.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        trunk.maxpool = nn.Identity()
    return trunk


@dataclass(frozen=True, slots=True)
class Settings:
    """What a classifier's weights depend on, besides images and labels.

    Attributes:
        steps: updates; None takes four epochs, but at least 250 and at most 8000 updates.
        flip: the probability that an image is mirrored.
        seed: for the initial weights and the batches.
    """

    steps: int | None = None
    flip: float = 0.5
    seed: int = 0

    def updates(self, images: int) -> int:
        """Returns the number of updates for a training split of this many images."""
        return self.steps or min(max(EPOCHS * images // BATCH, FEWEST_STEPS), MOST_STEPS)


def load_or_train(
    source: Source, store: Store, settings: Settings, device: torch.device, progress: Progress = lambda _, steps: steps
) -> LabelClassifier:
    """Returns the classifier for a dataset. It is trained on the training split unless an earlier call did that.

    The weights lie beside the store, in `classifier-<dataset>-<size>px-<fingerprint>.safetensors`. The file appears
    whole or not at all. A file that cannot be read is written anew.

    Args:
        source: the dataset, without unreadable images.
        store: the dataset's images.
        settings: the settings of the training.
        device: the device to train and to read on.
        progress: wraps the training steps; its first argument describes the loop.
    """
    path = _weights_path(source, store, settings)
    model = _load(path, source, store.image_size)
    if model is None:
        with only_maker(path):
            model = _load(path, source, store.image_size)
            if model is None:  # no other process has trained it in the meantime
                model = fit(source, store, settings, device, progress)
                with replacing(path) as partial:
                    save_file({name: value.cpu().contiguous() for name, value in model.state_dict().items()}, partial)
    return model.to(device)


def _weights_path(source: Source, store: Store, settings: Settings) -> Path:
    """Returns the weights' file, whose name changes with the images, labels, split and settings."""
    digest = hashlib.sha256(f"{FORMAT} {store.path.name}\n".encode())
    digest.update(json.dumps([source.schema.to_dict()["attributes"], asdict(settings)]).encode())
    digest.update(json.dumps([int(index) for index in source.train]).encode())
    digest.update(source.labels[list(source.train)].tobytes())
    name = f"classifier-{source.alias}-{store.image_size}px-{digest.hexdigest()[:16]}.safetensors"
    return store.path.with_name(name)


def _load(path: Path, source: Source, image_size: int) -> LabelClassifier | None:
    if not path.exists():
        return None
    model = LabelClassifier(source.schema, image_size)
    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError):
        return None
    return model.eval().requires_grad_(requires_grad=False)


def fit(source: Source, store: Store, settings: Settings, device: torch.device, progress: Progress) -> LabelClassifier:
    """Trains a classifier with AdamW and a one-cycle schedule on mirrored, slightly moved and partly erased images.

    Random erasing (Zhong et al., 2020) makes it look at everything that shows a label, and not only at the one detail
    that suffices. The classifier trains in bf16 if the device multiplies that in hardware, and always reads in fp32. Arguments as
    for `load_or_train`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = LabelClassifier(source.schema, store.image_size)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    precision = Precision.choose("bf16" if has_bf16(device) else "fp32", device)
    steps = settings.updates(len(source.train))
    adam = torch.optim.AdamW(model.parameters(), weight_decay=DECAY, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, total_steps=steps)
    for step in progress(f"training a classifier of {source.alias}", range(steps)):
        images, labels = _draw_batch(source, store, settings, step)
        with precision.autocast():
            logits = model(images.to(device))
        adam.zero_grad()
        loss = label_loss(source.schema, logits.float(), labels.to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        schedule.step()
    return model.eval().requires_grad_(requires_grad=False)


def _draw_batch(source: Source, store: Store, settings: Settings, step: int) -> tuple[Tensor, Tensor]:
    """Draws the batch of a seed and a step. Images are mirrored and erased one by one, and moved together."""
    rng = np.random.default_rng((settings.seed, step))
    indices = rng.choice(np.asarray(source.train), BATCH)
    images = pixels_to_tensor(store.read(indices))
    mirrored = torch.from_numpy(rng.random(BATCH) < settings.flip)
    images[mirrored] = images[mirrored].flip(3)
    size, reach = store.image_size, round(SHIFT * store.image_size)
    down, right = rng.integers(0, 2 * reach + 1, 2)
    moved = F.pad(images, (reach,) * 4, mode="reflect")[:, :, down : down + size, right : right + size]
    erased = _erase(moved, rng)
    return erased.contiguous(memory_format=torch.channels_last), torch.from_numpy(source.labels[indices])


def _erase(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Blanks a rectangle in some of the images, in place."""
    size = images.shape[-1]
    for number in np.flatnonzero(rng.random(len(images)) < ERASED):
        height, width = (round(size * share) for share in rng.uniform(*ERASED_SIDES, 2))
        top, left = rng.integers(0, size - height + 1), rng.integers(0, size - width + 1)
        images[number, :, top : top + height, left : left + width] = rng.uniform(-1, 1)
    return images


def label_loss(schema: LabelSchema, logits: Tensor, labels: Tensor) -> Tensor:
    """Returns the sum over attributes of the mean cross-entropy; unknown labels are left out.

    Args:
        schema: the labels' schema.
        logits: (B, d).
        labels: (B, d), NaN if unknown.
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
