"""Distances between real and generated images, in a feature space.

The formulas are those of FID (Heusel et al., 2017) and KID (Bińkowski et al., 2018), as torchmetrics has them. In the
space of a classifier trained on the dataset they are no Inception distances, and are called otherwise.
"""

from __future__ import annotations

import os
import pickle
import warnings
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from stargan_fw.errors import ConfigError, ModelError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REMEDY = "Run: pip install 'stargan-fw[evaluate]'"
SUBSETS, SUBSET_SIZE = 100, 1000
TENSORS_ALONE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"  # over what callers of `torch.load` say


def can_measure() -> bool:
    """Whether torchmetrics is there."""
    return find_spec("torchmetrics") is not None


def frechet_distance(real: Tensor, generated: Tensor) -> float:
    """Returns `‖μ_r − μ_g‖² + Tr(Σ_r + Σ_g − 2 √(Σ_r Σ_g))`.

    Args:
        real: features (N, d); N at least 2.
        generated: features (M, d); M at least 2.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance  # noqa: PLC0415 - optional, and slow to import

    metric = FrechetInceptionDistance(feature=_as_they_are(real))
    metric.update(real, real=True)
    metric.update(generated, real=False)
    return float(metric.compute())


def kernel_distance(real: Tensor, generated: Tensor, seed: int) -> float:
    """Returns the unbiased squared MMD with the kernel `(xᵀy / d + 1)³`, the mean of 100 subsets.

    Args:
        real: features (N, d); N at least 2.
        generated: features (M, d); M at least 2.
        seed: of the subsets, which have as many as the smaller side but at most 1000.
    """
    from torchmetrics.image.kid import KernelInceptionDistance  # noqa: PLC0415 - likewise

    size = min(len(real), len(generated), SUBSET_SIZE)
    with warnings.catch_warnings(action="ignore"):  # that it keeps the features, which it is given to keep
        metric = KernelInceptionDistance(feature=_as_they_are(real), subsets=SUBSETS, subset_size=size)
    metric.update(real, real=True)
    metric.update(generated, real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mean, _ = metric.compute()
    return float(mean)


def inception(path: Path, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Returns the feature extractor of FID proper: images (B, 3, H, W) in [-1, 1] to (B, 2048).

    Args:
        path: the weights of torch-fidelity, `weights-inception-2015-12-05-6726825d.pth`.
        device: to run on.

    Raises:
        ConfigError: torchmetrics or torch-fidelity is not installed, or there is no such file.
        ModelError: the file holds other weights, or more than tensors: nothing else is unpickled.
    """
    if not path.is_file():
        raise ConfigError(f"--inception {path}: there is no such file. Name the weights, or leave the option out.")
    missing = next((name for name in ("torchmetrics", "torch_fidelity") if find_spec(name) is None), None)
    if missing:
        raise ConfigError(f"--inception needs the package '{missing}'. {REMEDY}")
    from torchmetrics.image.fid import NoTrainInceptionV3  # noqa: PLC0415 - likewise

    try:
        with _tensors_alone():
            network = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(path)).to(device)
    except pickle.UnpicklingError:  # whose message would tell the user to switch the protection off
        reason = "it is no file of tensors alone, and nothing else is read, since it could run code."
    except Exception as error:  # noqa: BLE001 - whatever loading may raise
        reason = one_line(str(error)) or type(error).__name__
    else:
        return _features(network)
    raise ModelError(f"The Inception weights '{path}' cannot be used: {reason}")


@contextmanager
def _tensors_alone() -> Iterator[None]:
    """Has `torch.load` run no code of a file, although torch-fidelity asks it to trust the file."""
    before = os.environ.get(TENSORS_ALONE)
    os.environ[TENSORS_ALONE] = "1"
    try:
        yield
    finally:
        os.environ.pop(TENSORS_ALONE)
        if before is not None:
            os.environ[TENSORS_ALONE] = before


def _features(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Returns what takes images (B, 3, H, W) in [-1, 1], for a network that takes bytes."""

    def features(images: Tensor) -> Tensor:
        pixels = images.float().clamp(-1, 1).add(1).mul(127.5).round().byte()
        result: Tensor = network(pixels)
        return result

    return features


def _as_they_are(features: Tensor) -> nn.Module:
    """Returns an extractor that takes features for images."""
    identity = nn.Identity()
    identity.num_features = features.shape[1]  # type: ignore[assignment]
    return identity
