"""The formulas: distances between sets of images, and differences between pictures."""

from __future__ import annotations

import os
import pickle
import warnings
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from stargan_fw.errors import ConfigError, ModelError, one_line
from stargan_fw.rendering.pictures import to_pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


REMEDY = "Run: pip install 'stargan-fw[evaluate]'"
SUBSETS, SUBSET_SIZE = 100, 1000
TENSORS_ALONE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"  # takes precedence over the arguments of `torch.load`

CHANGED = 16 / 255  # a channel counts as changed if it differs by more than this share of its range
SMALLEST_ERROR = 1e-10  # 100 dB
LUMINANCE, CONTRAST, REACH = 0.01**2, 0.03**2, 5  # SSIM's constants, and how far its window reaches from the middle


def has_torchmetrics() -> bool:
    """Returns whether torchmetrics is installed, which distances need."""
    return find_spec("torchmetrics") is not None


def frechet_distance(real: Tensor, generated: Tensor) -> float:
    """Returns `‖μ_r − μ_g‖² + Tr(Σ_r + Σ_g − 2 √(Σ_r Σ_g))`, the formula of FID (Heusel et al., 2017).

    Args:
        real: features (N, d); N at least 2.
        generated: features (M, d); M at least 2.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance  # noqa: PLC0415 - optional, and slow to import

    metric = FrechetInceptionDistance(feature=_pass_through(real))
    metric.update(real, real=True)
    metric.update(generated, real=False)
    return float(metric.compute())


def kernel_distance(real: Tensor, generated: Tensor, seed: int) -> float:
    """Returns the unbiased squared MMD with the kernel `(xᵀy / d + 1)³`, as KID has it (Bińkowski et al., 2018).

    The result is the mean over 100 subsets, each as large as the smaller side but at most 1000.

    Args:
        real: features (N, d); N at least 2.
        generated: features (M, d); M at least 2.
        seed: for the choice of subsets.
    """
    from torchmetrics.image.kid import KernelInceptionDistance  # noqa: PLC0415 - optional, and slow to import

    size = min(len(real), len(generated), SUBSET_SIZE)
    with warnings.catch_warnings(action="ignore"):  # it warns that it keeps all features in memory
        metric = KernelInceptionDistance(feature=_pass_through(real), subsets=SUBSETS, subset_size=size)
    metric.update(real, real=True)
    metric.update(generated, real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mean, _ = metric.compute()
    return float(mean)


def _pass_through(features: Tensor) -> nn.Module:
    """Returns a feature extractor for torchmetrics that takes features in place of images."""
    identity = nn.Identity()
    identity.num_features = features.shape[1]  # type: ignore[assignment]
    return identity


def load_inception(path: Path, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Returns the feature extractor of FID proper: images (B, 3, H, W) in [-1, 1] to (B, 2048).

    Args:
        path: the weights of torch-fidelity, `weights-inception-2015-12-05-6726825d.pth`.
        device: the device to run on.

    Raises:
        ConfigError: torchmetrics or torch-fidelity is not installed, or there is no such file.
        ModelError: the file holds other weights, or more than tensors: nothing else is unpickled.
    """
    if not path.is_file():
        raise ConfigError(f"--inception {path}: there is no such file. Name the weights, or leave the option out.")
    missing = next((name for name in ("torchmetrics", "torch_fidelity") if find_spec(name) is None), None)
    if missing:
        raise ConfigError(f"--inception needs the package '{missing}'. {REMEDY}")
    from torchmetrics.image.fid import NoTrainInceptionV3  # noqa: PLC0415 - optional, and slow to import

    try:
        with _tensors_alone():
            network = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(path)).to(device)
    except pickle.UnpicklingError:  # torch's message would tell the user to switch the protection off
        reason = "the file holds more than tensors. Nothing else is read, because it could run code."
    except Exception as error:  # noqa: BLE001 - loading a broken file may raise anything
        reason = one_line(str(error)) or type(error).__name__
    else:
        return lambda images: network(to_pixels(images))
    raise ModelError(
        f"The Inception weights '{path}' cannot be used: {reason.rstrip('.')}. Leave --inception out, or download them anew."
    )


@contextmanager
def _tensors_alone() -> Iterator[None]:
    """Makes `torch.load` refuse anything but tensors, although torch-fidelity passes `weights_only=False`."""
    before = os.environ.get(TENSORS_ALONE)
    os.environ[TENSORS_ALONE] = "1"
    try:
        yield
    finally:
        os.environ.pop(TENSORS_ALONE)
        if before is not None:
            os.environ[TENSORS_ALONE] = before


def compare(images: Tensor, inputs: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """Measures translations against the true pictures.

    Args:
        images: the translations, (B, 3, H, W) in [-1, 1].
        inputs: the images that were translated, of the same shape and range.
        truth: the true pictures, of the same shape and range.

    Returns:
        (B,) values by name: `psnr` in dB and `ssim` of the translation; `psnr_of_input`, the PSNR of leaving the input
        unchanged; `psnr_gain`, the difference of the two; `identity_error`.
    """
    images, inputs, truth = ((batch.float().clamp(-1, 1) + 1) / 2 for batch in (images, inputs, truth))
    reached, left_alone = psnr(images, truth), psnr(inputs, truth)
    return {
        "psnr_gain": reached - left_alone,
        "psnr": reached,
        "psnr_of_input": left_alone,
        "identity_error": identity_error(images, inputs, truth),
        "ssim": ssim(images, truth),
    }


def psnr(images: Tensor, truth: Tensor) -> Tensor:
    """Returns `−10 log₁₀ MSE` of each image in dB, at most 100; (B, 3, H, W) in [0, 1] to (B,)."""
    squared = (images - truth).square().flatten(1).mean(1)
    return -10 * squared.clamp(min=SMALLEST_ERROR).log10()


def ssim(images: Tensor, truth: Tensor) -> Tensor:
    """Returns the structural similarity of each image (Wang et al., 2004); (B, 3, H, W) in [0, 1] to (B,)."""
    # In single precision, cancellation drowns the variance of a flat area. MPS has no double precision.
    place = torch.device("cpu") if images.device.type == "mps" else images.device
    a, b = images.to(place).double(), truth.to(place).double()
    down, across = (_gaussian_means(size).to(place) for size in a.shape[-2:])

    def mean(values: Tensor) -> Tensor:
        return down @ values @ across.T

    mean_a, mean_b = mean(a), mean(b)
    variances = (mean(a * a) - mean_a**2).clamp(min=0) + (mean(b * b) - mean_b**2).clamp(min=0)
    covariance = mean(a * b) - mean_a * mean_b
    similar = (2 * mean_a * mean_b + LUMINANCE) * (2 * covariance + CONTRAST)
    return (similar / ((mean_a**2 + mean_b**2 + LUMINANCE) * (variances + CONTRAST))).flatten(1).mean(1).float()


@cache
def _gaussian_means(size: int) -> Tensor:
    """Returns the matrix (size, size) that takes a row of pixels to its Gaussian means, with mirrored ends.

    A product of two matrices is ten times as fast as a convolution with the window of 11 x 11 pixels.
    """
    window = np.exp(-(np.arange(-REACH, REACH + 1) ** 2) / (2 * 1.5**2))
    mirrored = np.pad(np.arange(size), REACH, mode="reflect")
    means = np.zeros((size, size))
    for row in range(size):
        np.add.at(means[row], mirrored[row : row + 2 * REACH + 1], window / window.sum())
    return torch.from_numpy(means)


def identity_error(images: Tensor, inputs: Tensor, truth: Tensor) -> Tensor:
    """Returns how much was changed of what should have stayed.

    This is the mean absolute difference between translation and input over the pixels that should stay. At these pixels
    no channel of the true picture differs from the input by more than 16 of 255: compression alone may do as much.

    Args:
        images: the translations, (B, 3, H, W) in [0, 1].
        inputs: the images that were translated, of the same shape and range.
        truth: the true pictures, of the same shape and range.

    Returns:
        (B,) from 0 to 1; NaN if every pixel should change.
    """
    stays = ((truth - inputs).abs() <= CHANGED).all(dim=1, keepdim=True).expand_as(images).float()
    return ((images - inputs).abs() * stays).flatten(1).sum(1) / stays.flatten(1).sum(1)
