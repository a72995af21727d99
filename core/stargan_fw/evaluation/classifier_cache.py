"""Classifiers on disk, beside the decoded images: trained once for a dataset, its split and an image size."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from stargan_fw.data.cache import make_folder, partial_path
from stargan_fw.evaluation.classifier import LabelClassifier
from stargan_fw.evaluation.classifier_training import fit

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from stargan_fw.data.source import Source
    from stargan_fw.data.store import Store
    from stargan_fw.evaluation.classifier_training import Progress, Settings

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
    known = _read(path, source, store.image_size)
    if known is not None:
        return known.to(device)
    model = fit(source, store, settings, device, progress)
    make_folder(path.parent)
    partial = partial_path(path)
    try:
        save_file({name: value.cpu().contiguous() for name, value in model.state_dict().items()}, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return model


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
